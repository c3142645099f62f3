"""Bad input never loses anything: one verdict or two sentences, a row or none, no traceback."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake import SEED, Toy, kernel

import autoresearch.ledger
from autoresearch import cli, rows
from autoresearch.block import parse
from autoresearch.ledger import disk
from autoresearch.policy import POLICY

# What, then what to do about it: on one line, each ending like a sentence.
TWO_SENTENCES = re.compile(r"\S[^\n]*[.!?]`? [A-Z][^\n]*\.\n")


class Told:
    """What one command said: exit code, stdout and stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Run = Callable[..., Told]


@pytest.fixture
def run(toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process, on the toy project."""

    def command(*words: str, root: Path = toy.root) -> Told:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["autoresearch", "--root", str(root), *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Told(int(ended.value.code or 0), said.out, said.err)

    return command


@pytest.fixture
def begun(toy: Toy) -> Toy:
    """A project with a baseline under the rules that the command line uses."""
    toy.policy = POLICY
    toy.baseline()
    return toy


def refused(told: Told, *parts: str) -> None:
    assert told.code == 1
    assert TWO_SENTENCES.fullmatch(told.err), told.err
    assert told.out == ""
    for part in parts:
        assert part in told.err


# Kernels that are none


def linked(path: Path) -> None:
    other = path.with_name("elsewhere.py")
    other.write_bytes(kernel(1.2))
    path.symlink_to(other)


def text(body: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(body)


NO_KERNELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: None, "is missing"),
    "empty": (text(""), "missing entry point: prepare(weights)"),
    "a link": (linked, "plain folders"),
    "a folder": (lambda path: path.mkdir(), "is not a regular file"),
    "10 MB": (text("#" * 10_000_000), "is larger than 1048576 bytes"),
    "not UTF-8": (lambda path: path.write_bytes(b"x = '\xff'"), "is not UTF-8 (byte 5)"),
    "no Python": (text("def weigh(:\n"), "line 1: "),
    "null bytes": (text("x = 1\n\0"), "line "),
    "no entry point": (text(SEED.replace("def select", "def choose")), "missing entry point: sel"),
    "wrong signature": (
        text(SEED.replace("def select(x, bound, rows)", "def select(bound, x, rows)")),
        "wrong signature: expected select(x, bound, rows), got select(bound, x, rows)",
    ),
    "an array returned": (
        text(SEED.replace("    total[0] = s\n", "    total[0] = s\n    return scratch\n")),
        "line 28: weigh returns a value",
    ),
    "not jitted": (text(SEED.replace("@njit\ndef select", "def select")), "select is not jitted"),
    "a forbidden import": (
        text(SEED.replace("import numpy", "import os\nimport numpy")),
        "import os",
    ),
}


@pytest.mark.parametrize(("lay", "told"), NO_KERNELS.values(), ids=NO_KERNELS)
def test_what_is_no_kernel_is_refused_with_one_row(
    begun: Toy, run: Run, lay: Callable[[Path], Any], told: str
) -> None:
    begun.kernels.unlink()
    lay(begun.kernels)
    answer = run("trial", "toy", "-m", "an idea")
    result = parse(answer.out)
    assert (answer.code, result.verdict) == (1, "refused")
    assert told in result.reason
    assert begun.rows() == [("baseline", "baseline"), ("trial", "refused")]
    assert len((begun.root / "results.tsv").read_text().splitlines()) == 3
    assert "Traceback" not in answer.err
    assert "git show" not in result.next or result.commit
    assert "git show :" not in result.next


def test_a_baseline_needs_a_kernel_too(toy: Toy, run: Run) -> None:
    toy.kernels.write_text("import os\n")
    refused(run("baseline", "toy"), "line 1: import os", "autoresearch reset toy")
    assert toy.rows() == []


def test_reset_brings_a_working_kernel_back(begun: Toy, run: Run) -> None:
    begun.kernels.write_text("half a thought")
    before = run("reset", "toy").out.splitlines()[0].rpartition(" ")[2]
    assert begun.git("cat-file", "blob", before) == "half a thought"
    assert begun.kernels.read_text() == SEED
    begun.kernels.unlink()
    assert "cat-file" not in run("reset", "toy").out
    assert begun.kernels.read_text() == SEED
    begun.kernels.unlink()
    begun.kernels.mkdir()
    refused(run("reset", "toy"), "is not a regular file")


# Projects that are none


@pytest.mark.parametrize("verb", ["trial", "check", "baseline", "audit", "reset", "log"])
def test_an_unknown_target_gets_the_nearest_name(run: Run, verb: str) -> None:
    refused(run(verb, "tyo"), "There is no target 'tyo'. Did you mean 'toy'?")


def test_a_name_like_no_other_gets_no_guess(run: Run) -> None:
    told = run("check", "predicate")
    refused(told, "There is no target 'predicate'. Run `autoresearch targets` for the list.")


def test_a_trial_needs_a_baseline(run: Run) -> None:
    refused(run("trial", "toy"), "no baseline yet", "autoresearch baseline toy")


def test_a_folder_without_targets(toy: Toy, run: Run, tmp_path: Path) -> None:
    (toy.root / "targets").rename(toy.root / "elsewhere")
    refused(run("trial", "toy"), "There are no targets under")
    assert "autoresearch new NAME makes one" in run("status").out
    for verb in (("trial", "toy"), ("status",), ("targets",), ("log",), ("new", "mine")):
        for root in (tmp_path / "nowhere", toy.root / ".git" / "HEAD"):
            refused(run(*verb, root=root), "is not a folder")


def test_a_project_outside_git(toy: Toy, run: Run) -> None:
    (toy.root / ".git").rename(toy.root / "git")
    refused(run("trial", "toy"), "is not in a git repository", "git init")


def test_a_branch_without_commits(toy: Toy, run: Run) -> None:
    toy.git("checkout", "-q", "--orphan", "new")
    refused(run("trial", "toy"), "no commit on its current branch", "git commit")


def test_a_merge_under_way(toy: Toy, run: Run) -> None:
    (toy.root / ".git" / "MERGE_HEAD").write_text(toy.git("rev-parse", "HEAD"))
    refused(run("trial", "toy"), "A merge is in progress", "git merge --abort")


@pytest.mark.parametrize("name", ["reference.py", "inputs.py"])
def test_a_target_with_a_file_gone(toy: Toy, run: Run, name: str) -> None:
    toy.kernels.with_name(name).unlink()
    refused(run("trial", "toy"), f"has no {name}", "git checkout -- ")


def test_facts_that_declare_nothing(toy: Toy, run: Run) -> None:
    facts = toy.kernels.with_name("run_experiment.py")
    for body, told in (("x = (", "SyntaxError"), ("", "KeyError"), ("TARGET = 1", "no Target")):
        facts.write_text(body)
        refused(run("trial", "toy"), told)


# Disks and ledgers


@pytest.mark.parametrize(
    ("number", "told"), [(errno.EROFS, "cannot be written"), (errno.ENOSPC, "disk (or a quota) is")]
)
def test_a_disk_that_takes_nothing_loses_nothing(
    begun: Toy, run: Run, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    before = begun.rows()
    begun.kernels.write_text("import os\n")
    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_all", fail)
        refused(run("trial", "toy", "-m", "an idea"), told)
    assert begun.rows() == before
    assert run("trial", "toy", "-m", "an idea").code == 1
    assert begun.rows() == [*before, ("trial", "refused")]
    assert begun.session().ledger.verify() == ()


@pytest.mark.parametrize("damage", [b"garbage\n", b'{"v":1,"n":1,"id":"half', b"\0" * 100 + b"\n"])
def test_a_damaged_ledger_is_skipped_and_told(begun: Toy, run: Run, damage: bytes) -> None:
    with begun.session().ledger.trials_path.open("ab") as file:
        file.write(damage)
    begun.kernels.write_text("import os\n")
    assert parse(run("trial", "toy").out).verdict == "refused"
    assert begun.rows() == [("baseline", "baseline"), ("trial", "refused")]
    told = run("status")
    assert told.code == 0 and "1 damaged ledger lines were skipped (lines 2)" in told.out


# What people write


@pytest.mark.parametrize(
    "description",
    [
        "a\tb\nc\r\nd",
        "\x1b[31mred\x1b[0m \x1b]0;title\x07",
        "x" * 10_000,
        "\u202eevil\u2066",
        "é" * 500,
        "",
    ],
    ids=["tabs and newlines", "escapes", "10 kB", "bidirectional", "not ASCII", "nothing"],
)
def test_a_description_is_one_clean_line(begun: Toy, run: Run, description: str) -> None:
    begun.kernels.write_text("import os\n")
    assert run("trial", "toy", "-m", description).code == 1
    _, _, line = (begun.root / "results.tsv").read_text().splitlines()
    cells = line.split("\t")
    assert len(cells) == 15 and cells[13] == "refused"
    assert line.isprintable() or line.replace("\t", "").isprintable()
    assert len(cells[14].encode()) <= 400


def test_a_clock_that_jumps_back_changes_no_order(
    toy: Toy, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Jumping(datetime):
        hours = 0

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            cls.hours += 1
            return datetime(2020, 1, 1, tzinfo=UTC) - timedelta(hours=cls.hours)

    toy.baseline()
    monkeypatch.setattr(rows, "datetime", Jumping)
    monkeypatch.setattr(autoresearch.ledger, "datetime", Jumping)
    assert toy.trial(kernel(1.2)).commit
    assert toy.trial(kernel(1.5)).commit
    assert toy.trial(kernel(1.2)).trial.result.verdict == "revert"
    assert toy.kernels.read_bytes() == kernel(1.5)
    assert [v for _, v in toy.rows()] == ["baseline", "keep", "keep", "revert"]
    assert toy.session().ledger.verify() == ()
    assert run("status").code == run("log", "toy").code == 0


def test_usage_is_told_with_code_2(run: Run) -> None:
    assert run("trial").code == 2
    assert run("nonsense").code == 2
    told = run("trial", "--json")
    assert json.loads(told.out)["error"]["code"] == told.code == 2
    assert "Missing argument" in told.err


@pytest.mark.parametrize(
    "words",
    [
        ("trial", "toy", "--on", "all"),
        ("trial", "toy", "--engine", "ray"),
        ("trial", "toy", "--address", "auto"),
        ("baseline", "toy", "--engine", "ray", "--smoke"),
        ("baseline", "toy", "--engine", "ray", "--data", "x.npy"),
        ("sweep", "toy", "--engine", "ray", "--data", "x.npy"),
        ("peers", "toy", "--engine", "ray", "--write-docs"),
        ("calibrate", "toy", "--engine", "ray", "--report"),
    ],
    ids=" ".join,
)
def test_an_option_that_would_be_passed_over_is_refused(run: Run, words: tuple[str, ...]) -> None:
    refused(run(*words), "nothing", "--")


def test_the_list_of_verbs_cuts_no_sentence(run: Run) -> None:
    told = run("--help").out
    _, _, verbs = told.partition("Commands:")
    assert verbs.count("Print") > 2 and "..." not in verbs


def test_an_error_for_programs_is_one_object(toy: Toy) -> None:
    command = [sys.executable, "-m", "autoresearch", "--root", str(toy.root), "trial", "tyo"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*command, "--json"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert '"remedy": "Did you mean \'toy\'?' in done.stdout and done.stdout.count("\n") == 1
    assert TWO_SENTENCES.fullmatch(done.stderr)
