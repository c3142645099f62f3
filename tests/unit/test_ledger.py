"""The ledger: no acknowledged row is lost or doubled; every kind of damage is told precisely."""

import errno
import json
import os
import resource
import stat
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from autoresearch.errors import Refusal
from autoresearch.ledger import (
    Decision,
    Ledger,
    Point,
    Running,
    chain,
    disk,
    new_id,
    records,
    table,
)
from autoresearch.model import Evidence, Fault, Pair, Result, Trial

EXAMPLE = Path(__file__).parents[2] / "results.tsv.example"
KEPT = Result(
    target="pq-l2",
    verdict="keep",
    correctness="pass",
    unit="query",
    geomean_ns_per_op=18234.4,
    speedup=1.14801,
    speedup_ci95=(1.1312, 1.1659),
    worst_speedup=1.0213,
    worst_speedup_at="search: dim=768,m=96,dist=sparse",
    pct_of_roofline=41.23,
    peak_mem_mb=128.44,
    total_seconds=7.81,
    machine="zen4-8c",
    commit="3f9c2ab",
)


def trial(name: str, verdict: str = "revert", target: str = "pq-l2", **facts: object) -> Trial:
    result = replace(KEPT, target=target, verdict=verdict)
    return replace(Trial(name, "trial", result, timestamp="2026-01-01T00:00:00Z"), **facts)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def fill(ledger: Ledger, count: int) -> list[str]:
    return [ledger.append(trial(f"t{n}", candidate=f"blob{n}")).id for n in range(count)]


def ids(ledger: Ledger) -> list[str]:
    return [t.id for t in ledger.trials()]


def edit(path: Path, change) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))


def kinds(ledger: Ledger) -> list[tuple[int, str]]:
    return [(b.line, b.kind) for b in ledger.verify()]


def shown(ledger: Ledger) -> list[str]:
    return [line.split("\t")[-1] for line in ledger.table_path.read_text().splitlines()[1:]]


# Rows


def test_a_row_comes_back_as_it_was(ledger: Ledger) -> None:
    row = trial(
        "a",
        "keep",
        description="transposed codes",
        stamps=(5, 9),
        core=3,
        seconds={"confirm": 1.5},
        extra={"knobs": {"block": 64}, "sizes": [1, 2]},
    )
    assert ledger.append(row) == row
    assert list(ledger.trials()) == [row] == list(ledger.newest_first())
    assert ledger.find("a") == row and ledger.find("b") is None
    assert ledger.verify() == ()


def test_an_empty_project_reads_as_empty(ledger: Ledger) -> None:
    assert ids(ledger) == [] and ledger.incumbent("pq-l2") is None
    assert ledger.summary().rows == 0 and ledger.pending() == () == ledger.interrupted()
    assert ledger.verify() == () and list(ledger.points()) == []


def test_foreign_values_become_plain_ones(ledger: Ledger) -> None:
    extra = {"n": np.int64(3), "x": np.float32(0.5), "nan": float("nan"), "a": np.arange(3)}
    extra |= {"path": Path("a/b"), 7: (1, {2})}
    row = ledger.append(replace(trial("a"), extra=extra, result=replace(KEPT, speedup=np.nan)))
    want = {"n": 3, "x": 0.5, "nan": None, "a": [0, 1, 2], "path": "a/b", "7": [1, [2]]}
    assert row.extra == want and row.result.speedup is None
    assert list(ledger.trials()) == [row]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("tab\tnew\nline\r", "tab new line"),
        ("\x1b[31mred\x1b[0m \u202eevil\x00", "red evil"),
        ("\ud800 alone", "alone"),
        ("", "n/a"),
        ('{"hash":"' + "0" * 64 + '"}', '{"hash":"' + "0" * 64 + '"}'),
    ],
)
def test_a_description_is_one_clean_line(ledger: Ledger, given: str, kept: str) -> None:
    ledger.append(trial("a", description=given))
    ledger.project()
    assert shown(ledger) == [kept]
    assert ledger.verify() == ()


def test_a_description_of_ten_kilobytes_is_clipped(ledger: Ledger) -> None:
    row = ledger.append(trial("a", description="é" * 10_000))
    assert len(row.description.encode()) <= 400 and row.description.endswith("…")


def test_ids_are_unique_and_sorted_by_time() -> None:
    names = [new_id() for _ in range(200)]
    assert len(set(names)) == 200
    assert [name[:21] for name in names] == sorted(name[:21] for name in names)


# Damage


def test_an_edited_line_is_skipped_and_named(ledger: Ledger) -> None:
    fill(ledger, 5)
    edit(ledger.trials_path, lambda x: [*x[:2], x[2].replace(b"1.148", b"9.148"), *x[3:]])
    assert ids(ledger) == ["t0", "t1", "t3", "t4"]
    assert kinds(ledger) == [(3, "edited")]
    assert ledger.summary().broken == (3,)


def test_a_line_replaced_together_with_its_hash_is_named(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, 5)
    other = Ledger(tmp_path / "other")
    for n in range(5):
        other.append(trial(f"t{n}" if n != 2 else "forged", candidate=f"blob{n}"))
    forged = other.trials_path.read_bytes().splitlines(keepends=True)[2]
    edit(ledger.trials_path, lambda x: [*x[:2], forged, *x[3:]])
    assert kinds(ledger) == [(3, "replaced")]


@pytest.mark.parametrize(("cut", "at"), [(slice(1, 2), 2), (slice(0, 2), 1), (slice(1, 4), 2)])
def test_missing_lines_are_named(ledger: Ledger, cut: slice, at: int) -> None:
    fill(ledger, 6)
    edit(ledger.trials_path, lambda x: [y for y in x if y not in x[cut]])
    assert kinds(ledger) == [(at, "missing")]
    ledger.append(trial("new"))
    assert kinds(ledger) == [(at, "missing")]


def test_a_repeated_line_is_named(ledger: Ledger) -> None:
    fill(ledger, 3)
    edit(ledger.trials_path, lambda x: [*x[:2], x[1], x[2]])
    assert kinds(ledger)[0] == (3, "added")


def test_lines_cut_from_the_end_are_told_once_they_had_been_seen(ledger: Ledger) -> None:
    fill(ledger, 6)
    ledger.summary()
    edit(ledger.trials_path, lambda x: x[:4])
    assert kinds(ledger) == [(6, "truncated")]
    assert ledger.summary().rows == 4
    assert kinds(ledger) == [(6, "truncated")], "a later status must not launder it"


@pytest.mark.parametrize("keep", [1, 40, -2])
def test_the_chain_goes_on_after_a_torn_tail(ledger: Ledger, keep: int) -> None:
    fill(ledger, 3)
    edit(ledger.trials_path, lambda x: [*x[:2], x[2][:keep]])
    assert kinds(ledger) == [(3, "torn")]
    ledger.append(trial("after"))
    ledger.append(trial("later"))
    assert ids(ledger) == ["t0", "t1", "after", "later"]
    assert kinds(ledger) == [(3, "torn")]


def test_a_whole_line_without_its_newline_still_counts(ledger: Ledger) -> None:
    fill(ledger, 2)
    edit(ledger.trials_path, lambda x: [x[0], x[1][:-1]])
    assert ledger.find("t1") is not None
    assert not ledger.ensure(trial("t1"))
    assert ledger.ensure(trial("t2"))
    assert ids(ledger) == ["t0", "t1", "t2"] and ledger.verify() == ()


@pytest.mark.parametrize(
    "rubbish", [b"\n", b"\n\n", b"{}\n", b"\xff\xfe\n", b"[" * 9999 + b"\n", b"x" * 200_000 + b"\n"]
)
def test_rubbish_is_skipped_wherever_it_stands(ledger: Ledger, rubbish: bytes) -> None:
    fill(ledger, 2)
    edit(ledger.trials_path, lambda x: [x[0], rubbish, x[1], rubbish])
    ledger.append(trial("after"))
    assert ids(ledger) == ["t0", "t1", "after"]
    assert [t.id for t in ledger.newest_first()] == ["after", "t1", "t0"]
    assert {kind for _, kind in kinds(ledger)} == {"torn", "added"}


@pytest.mark.parametrize(
    "change",
    [{"id": 3}, {"stamps": [1]}, {"extra": []}, {"result": []}, {"result": {}}, {"seconds": None}]
    + [{"result": {"target": [], "verdict": "keep"}}, {"result": {"target": "t", "verdict": {}}}]
    + [{"result": {"target": "t", "verdict": "keep", "speedup": "1"}}]
    + [{"result": {"target": "t", "verdict": "keep", "speedup_ci95": [1.0, None]}}],
)
def test_a_sealed_line_that_is_no_trial_is_skipped(ledger: Ledger, change: dict) -> None:
    fill(ledger, 1)
    chain.append(ledger.trials_path, records.to_json(trial("forged")) | change)
    fill(ledger, 1)
    assert ids(ledger) == ["t0", "t0"] and ledger.find("forged") is None
    ledger.project()
    view = ledger.summary()
    assert view.broken == (2,) and view.rows == 2 and len(shown(ledger)) == 2


def test_every_declared_type_is_checked() -> None:
    notes = {str(f.type) for kind in (Trial, Result) for f in fields(kind)}
    assert notes - records._TYPES.keys() == {"Result"}


def test_a_file_of_rubbish_alone(ledger: Ledger) -> None:
    ledger.folder.mkdir()
    ledger.trials_path.write_bytes(b"\n")
    ledger.append(trial("a"))
    assert ids(ledger) == ["a"] and kinds(ledger) == [(1, "torn")]


# Incumbent and repeats


def test_the_incumbent_is_the_newest_kept_row_of_its_target(ledger: Ledger) -> None:
    ledger.append(trial("a", "baseline", kind="baseline"))
    ledger.append(trial("b", "keep"))
    ledger.append(trial("c", "keep", target="other"))
    ledger.append(trial("d", "keep", kind="blind"))
    ledger.append(trial("e", "revert", description='"target":"pq-l2" keep'))
    assert ledger.incumbent("pq-l2").id == "b"
    assert ledger.incumbent("other").id == "c"
    assert ledger.incumbent("none") is None


def test_a_forged_summary_does_not_move_the_incumbent(ledger: Ledger) -> None:
    ledger.append(trial("old", "keep"))
    ledger.append(trial("new", "keep"))
    assert ledger.summary().incumbent["pq-l2"].id == "new"
    path = ledger.folder / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"incumbent": {"pq-l2": 0}}))
    assert ledger.summary().incumbent["pq-l2"].id == "old", "the summary is only a view"
    assert ledger.incumbent("pq-l2").id == "new"


def test_the_same_question_gets_its_first_verdict(ledger: Ledger) -> None:
    asked = {"norm": "n1", "digest": "d", "incumbent": "i"}
    ledger.append(trial("a", "timeout", **asked))
    ledger.append(trial("b", "revert", **asked))
    ledger.append(trial("c", "keep", **asked))
    ledger.append(trial("d", "keep", **asked | {"incumbent": "j"}))
    assert ledger.first_verdict(trial("x", **asked)).id == "b"
    assert ledger.first_verdict(trial("x", **asked | {"digest": "e"})) is None


# Summary


def test_the_summary_counts_and_shows_the_newest(ledger: Ledger) -> None:
    ledger.append(trial("base", "baseline", kind="baseline"))
    fill(ledger, 25)
    ledger.append(trial("blind", "keep", kind="blind"))
    for _ in range(2):
        view = ledger.summary()
        counts = {"baseline": {"baseline": 1}, "trial": {"revert": 25}, "blind": {"keep": 1}}
        assert view.counts == {"pq-l2": counts} and view.rows == 27
        assert [t.id for t in view.newest["pq-l2"]] == [f"t{n}" for n in range(24, 4, -1)]
        assert [t.id for t in view.baselines["pq-l2"]] == ["base"]
        assert view.incumbent["pq-l2"].id == "base" and view.damaged == 0


@pytest.mark.parametrize(
    "forged",
    [b"", b"{", b"[]", b'{"v":1}', b'{"v":1,"end":-1,"lines":1}', b'{"v":1,"end":"x","lines":1}']
    + [b"OFFSETS", b"SHAPE"],
)
def test_a_bad_checkpoint_is_rebuilt(ledger: Ledger, forged: bytes) -> None:
    fill(ledger, 3)
    good = ledger.summary()
    path = ledger.folder / "summary.json"
    saved = json.loads(path.read_text())
    swapped = {b"OFFSETS": {"newest": {"pq-l2": [7, -1]}}, b"SHAPE": {"newest": [], "counts": 3}}
    text = json.dumps(saved | swapped[forged]).encode() if forged in swapped else forged
    path.write_bytes(text)
    ledger.append(trial("t3"))
    view = ledger.summary()
    assert view.rows == 4 and view.newest["pq-l2"][1:] == good.newest["pq-l2"]


# The table


def test_the_table_has_a_row_for_each_shown_trial(ledger: Ledger) -> None:
    ledger.append(trial("a", "baseline", kind="baseline", description="base"))
    ledger.append(trial("b", "keep", kind="blind", description="unseen"))
    ledger.append(trial("c", description="idea"))
    assert ledger.project() is None
    assert ledger.table_path.read_text().startswith(table.HEADER)
    assert shown(ledger) == ["base", "idea"]


@pytest.mark.parametrize("forget", [False, True])
@pytest.mark.parametrize("loss", ["none", "missing", "row", "torn", "empty", "header"])
def test_catching_up_neither_loses_nor_doubles(ledger: Ledger, loss: str, forget: bool) -> None:
    rows = [f"idea {n}" for n in range(4)]
    for text in rows[:3]:
        ledger.append(trial("x", description=text))
    ledger.project()
    whole = ledger.table_path.read_bytes()
    ledger.append(trial("x", description=rows[3]))
    kept = {"none": len(whole), "torn": len(whole) - 5, "empty": 0, "header": len(table.HEADER)}
    kept["row"] = whole[:-1].rindex(b"\n") + 1
    ledger.table_path.unlink()
    if loss in kept:
        ledger.table_path.write_bytes(whole[: kept[loss]])
    if forget:
        (ledger.folder / "projected.json").unlink()
    for _ in range(3):
        assert ledger.project() is None
        assert shown(ledger) == rows
    assert ledger.verify() == ()


def test_a_table_written_before_its_cursor_is_not_doubled(ledger: Ledger) -> None:
    ledger.append(trial("a", description="one"))
    ledger.project()
    cursor = (ledger.folder / "projected.json").read_bytes()
    ledger.append(trial("b", description="two"))
    ledger.project()
    (ledger.folder / "projected.json").write_bytes(cursor)
    ledger.append(trial("c", description="three"))
    ledger.project()
    assert shown(ledger) == ["one", "two", "three"]


def test_a_forged_row_is_moved_aside_and_told(ledger: Ledger) -> None:
    ledger.append(trial("a", description="honest"))
    ledger.project()
    with ledger.table_path.open("a") as file:
        file.write("a forged row\n")
    assert kinds(ledger) == [(3, "table")]
    aside = ledger.project()
    assert "a forged row" in aside.read_text()
    assert shown(ledger) == ["honest"] and ledger.verify() == ()


def test_a_row_damaged_after_it_was_shown_is_kept_aside(ledger: Ledger) -> None:
    for text in "abc":
        ledger.append(trial(text, description=text))
    ledger.project()
    whole = ledger.table_path.read_text().splitlines(keepends=True)[-1]
    edit(ledger.trials_path, lambda x: [x[0], b"#" * (len(x[1]) - 1) + b"\n", x[2]])
    ledger.append(trial("d", description="d"))
    aside = ledger.project()
    assert shown(ledger) == ["a", "c", "d"] and aside.read_text().endswith("\tb\n" + whole)


def test_the_example_is_what_a_ledger_writes() -> None:
    header, *rows = EXAMPLE.read_text().splitlines(keepends=True)
    assert header == table.HEADER
    base = replace(KEPT, verdict="baseline", speedup=None, speedup_ci95=None, worst_speedup=None)
    base = replace(base, worst_speedup_at="", commit="1d04e77", geomean_ns_per_op=20933.0)
    base = replace(base, pct_of_roofline=35.9, total_seconds=21.4)
    stamps = ("2026-01-01T22:14:03Z", "2026-01-01T22:15:10Z")
    told = [
        Trial("a", "baseline", base, "the reference", stamps[0]),
        Trial("b", "trial", KEPT, "transposed codes", stamps[1]),
    ]
    assert rows == [table.row(t) for t in told]


# Pairs and corpus


def evidence() -> Evidence:
    rng = np.random.default_rng(1)
    times = rng.random((2, 2, 5, 3))
    pairs = [Pair(*times[0], (0, 32)), Pair(*times[1], (16, 4080), void="hog")]
    pairs.append(Pair(np.zeros((0, 3)), np.full((1, 3), np.nan)))
    facts = {"workloads": ("a", "b"), "hidden": ("c",), "statements": (9, 8)}
    fault = Fault("crash", "signal 11")
    return Evidence(tuple(pairs), tuple(pairs[:1]), sigma0=np.float64(0.02), fault=fault, **facts)


def test_pairs_come_back_bit_for_bit(ledger: Ledger) -> None:
    given = evidence()
    row = ledger.append(ledger.attach(trial("a"), given))
    got = ledger.evidence(next(ledger.trials()))
    assert replace(got, screen=(), confirm=()) == replace(given, screen=(), confirm=())
    for mine, theirs in zip(given.screen + given.confirm, got.screen + got.confirm, strict=True):
        assert (mine.shifts, mine.void) == (theirs.shifts, theirs.void)
        np.testing.assert_array_equal(mine.incumbent_ns, theirs.incumbent_ns, strict=True)
        np.testing.assert_array_equal(mine.candidate_ns, theirs.candidate_ns, strict=True)
    assert row.extra["pairs"] and ledger.verify() == ()


@pytest.mark.parametrize("harm", ["edit", "remove"])
def test_pairs_that_are_not_the_linked_ones_are_refused(ledger: Ledger, harm: str) -> None:
    row = ledger.append(ledger.attach(trial("a"), evidence()))
    path = ledger.folder / "pairs" / "a.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"x") if harm == "edit" else path.unlink()
    with pytest.raises(Refusal, match="pairs"):
        ledger.evidence(row)
    assert kinds(ledger) == [(1, "pairs")]


def test_a_trial_without_pairs_says_so(ledger: Ledger) -> None:
    with pytest.raises(Refusal, match="stored no pairs"):
        ledger.evidence(ledger.append(trial("a")))


def test_points_are_taught_once(ledger: Ledger) -> None:
    point = Point("a", "pq-l2", "search", "zen4", "blob", 3.5, {"dim": np.int64(8)}, {"block": 64})
    other = replace(point, op="distances", pct_of_roofline=40.0)
    ledger.teach([point])
    ledger.teach([point, other])
    ledger.teach([replace(point, trial="b")])
    assert list(ledger.points()) == [point, other, replace(point, trial="b")]


# Under way


def decision(name: str, **facts: object) -> Decision:
    row = trial(name, "keep", description="idea", extra={"a": [1]})
    point = Point(name, "pq-l2", "search", "zen4", "blob", 3.5)
    made = Decision(row, "keep", "kernels.py", "c" * 40, "i" * 40, "line\n\nbody", (point,))
    return replace(made, **facts)


def elsewhere(code: str, root: Path) -> None:
    """Run `code` in another process that dies without cleaning up."""
    setup = f"import os; from autoresearch.ledger import *; from pathlib import Path\n{code}\n"
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", f"{setup}os.kill(os.getpid(), 9)"]
    done = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": path}, cwd=root)
    assert done.returncode == -9


def test_a_decision_outlives_its_process(ledger: Ledger) -> None:
    ledger.decide(decision("a"))
    ledger.decide(decision("b"))
    assert ledger.pending() == (decision("a"), decision("b"))
    ledger.settle("a")
    ledger.settle("a")
    assert ledger.pending() == (decision("b"),)


def test_replaying_a_decision_adds_its_row_once(ledger: Ledger) -> None:
    ledger.decide(decision("a"))
    for _ in range(2):
        for found in ledger.pending():
            ledger.ensure(found.trial)
            ledger.teach(found.points)
            ledger.project()
    assert ids(ledger) == ["a"] and shown(ledger) == ["idea"] and len(list(ledger.points())) == 1


def test_a_killed_trial_is_told_once_and_leaves_no_row(ledger: Ledger) -> None:
    elsewhere('Ledger(Path(".")).begin(Running("a", "pq-l2", "kernels.py", "blob"))', ledger.root)
    assert ledger.interrupted() == (Running("a", "pq-l2", "kernels.py", "blob"),)
    assert ledger.interrupted() == () and ids(ledger) == []


def test_a_trial_killed_after_its_decision_is_pending_not_interrupted(ledger: Ledger) -> None:
    ledger.begin(Running("a", "pq-l2", "kernels.py", "blob"))
    ledger.decide(decision("a"))
    assert ledger.interrupted() == () and len(ledger.pending()) == 1


def test_a_living_trial_is_left_alone(ledger: Ledger) -> None:
    code = 'from autoresearch.ledger import *; Ledger(__import__("pathlib").Path(".")).begin('
    code += 'Running("a", "t", "k", "b")); print(flush=True); input()'
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=env, cwd=ledger.root) as other:
        other.stdout.readline()
        assert ledger.interrupted() == ()
        other.kill()
    assert [r.id for r in ledger.interrupted()] == ["a"]


def test_a_reused_process_number_is_not_the_owner(ledger: Ledger) -> None:
    ledger.begin(Running("a", "t", "k", "b"))
    path = ledger.folder / "running" / "a.json"
    body = json.loads(path.read_text())
    path.write_text(json.dumps(body | {"owner": {"pid": os.getppid(), "started": "long ago"}}))
    assert [r.id for r in ledger.interrupted()] == ["a"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"owner":{"pid":1,"started":""},"trial":3}']
)
def test_an_unreadable_decision_is_kept_and_told(ledger: Ledger, text: str) -> None:
    ledger.decide(decision("a"))
    (ledger.folder / "journal" / "a.json").write_text(text)
    assert ledger.pending() == ()
    assert kinds(ledger) == [(0, "journal")]


# The disk


def test_a_secret_is_made_once_and_kept_close(ledger: Ledger) -> None:
    first = ledger.secret()
    path = ledger.folder / "secret"
    assert len(first) == 32 and ledger.secret() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(Refusal, match="not a secret"):
        ledger.secret()


def test_a_full_disk_refuses_and_loses_nothing(ledger: Ledger) -> None:
    fill(ledger, 3)
    before = ledger.trials_path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limit[1]))
    try:
        with pytest.raises(Refusal, match="full"):
            ledger.append(trial("lost"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert ledger.trials_path.read_bytes() == before
    ledger.append(trial("after"))
    assert ids(ledger) == ["t0", "t1", "t2", "after"] and ledger.verify() == ()


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EROFS, "writ")]
)
def test_every_writer_refuses_on_a_bad_disk(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    row = ledger.append(trial("a"))

    def fail(descriptor: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk.os, "write", fail)
    point = Point("a", "t", "o", "m", "k", 1.0)
    for write in (
        lambda: ledger.append(row),
        lambda: ledger.ensure(replace(row, id="b")),
        lambda: ledger.attach(row, evidence()),
        lambda: ledger.project(),
        lambda: ledger.teach([point]),
        lambda: ledger.decide(decision("d")),
        lambda: ledger.begin(Running("r", "t", "k", "b")),
        lambda: ledger.secret(),
    ):
        with pytest.raises(Refusal, match=told):
            write()
    assert ledger.summary().rows == 1, "status works where nothing can be written"
    monkeypatch.undo()
    assert ids(ledger) == ["a"] and ledger.verify() == ()
    assert not [p for p in ledger.folder.rglob(".*.*") if p.is_file()], "no spare file stays"


def test_a_link_in_place_of_a_file_is_not_followed(ledger: Ledger, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("text")
    ledger.folder.mkdir()
    ledger.trials_path.symlink_to(target)
    with pytest.raises(Refusal, match="cannot be used"):
        ledger.append(trial("a"))
    assert target.read_text() == "text"


def test_a_held_lock_is_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoresearch.ledger.PATIENCE_S", 0.02)
    with ledger._locked(), pytest.raises(Refusal, match="held the ledger"):
        ledger.append(trial("a"))
