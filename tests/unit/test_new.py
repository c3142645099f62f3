"""`autoresearch new`: what it writes, what it refuses, and that a wheel has what it needs."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from autoresearch import catalog, cli, new
from autoresearch.catalog import IMMUTABLE, Entry
from autoresearch.errors import Refusal
from autoresearch.oracle import check

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository without commits and with an empty folder for targets."""
    root = tmp_path / "project"
    (root / "targets").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def test_a_new_target_is_whole(project: Path) -> None:
    made = new.run(project, "two-words")
    assert [e.name for e in catalog.discover(project)] == ["two-words"]
    names = {*IMMUTABLE, "kernels.py", "peers.py", "program.md"}
    assert {p.name for p in (project / "targets" / "two_words").iterdir()} == names
    told = {"docs/targets/two-words.md", *(f"targets/two_words/{name}" for name in names)}
    assert set(made.files) == told
    assert all("$" not in (project / file).read_text() for file in made.files)
    assert "autoresearch check two-words" in made.next
    assert [p.name for p in (project / "targets").iterdir()] == ["two_words"]


def test_the_kernel_is_the_reference(project: Path) -> None:
    new.run(project, "one")
    reference, kernels = (project / "targets/one" / n for n in ("reference.py", "kernels.py"))
    assert kernels.read_bytes() == reference.read_bytes()


def test_the_peer_agrees_with_the_oracle(project: Path) -> None:
    new.run(project, "one")
    home = project / "targets" / "one"
    inputs = runpy.run_path(str(home / "inputs.py"))
    op = Entry(project, "one").facts().ops["scale_add"]
    (peer,) = runpy.run_path(str(home / "peers.py"))["PEERS"]
    for workload in inputs["BATTERY"]:
        rng = np.random.default_rng(2)
        static = inputs["static"](rng, workload.spec)
        each = inputs["each"](rng, workload.spec, static)
        expected = {"out": (each["a"] * static["x"] + each["y"]).astype(np.float32)}
        got = peer.answer(peer.make(workload, static)(each), each)
        truth = inputs["truth"](workload, static)(each)
        assert check(op, expected, got, truth) is None, workload.label


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("PqL2", "pq-l2"),
        ("pq_l2", "pq-l2"),
        ("pq l2", "pq-l2"),
        ("2fast", "fast"),
        ("a--b", "a-b"),
        ("-x", "x"),
        ("../x", "x"),
        ("a\n", "a"),
        ("é", "my-target"),
        ("", "my-target"),
        ("x" * 41, "x" * 40),
    ],
)
def test_a_name_that_is_none_gets_one_that_is(project: Path, name: str, near: str) -> None:
    with pytest.raises(Refusal, match="is no name of a target") as caught:
        new.run(project, name)
    assert f"`autoresearch new {near}`" in caught.value.remedy
    assert new.run(project, near).name == near


@pytest.mark.parametrize("there", ["targets/one", "docs/targets/one.md"])
def test_nothing_is_written_over(project: Path, there: str) -> None:
    path = project / there
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    with pytest.raises(Refusal, match=rf"{there} exists already\."):
        new.run(project, "one")
    assert path.read_text() == "mine"
    assert [p for p in (project / "targets").rglob("*") if p != path] == []


def test_a_folder_that_is_no_project(project: Path, tmp_path: Path) -> None:
    (project / "targets").rmdir()
    with pytest.raises(Refusal, match=r"no folder targets in .* `mkdir targets`"):
        new.run(project, "one")
    with pytest.raises(Refusal, match="not in a git repository"):
        new.run(tmp_path, "one")


def test_a_disk_that_takes_nothing_leaves_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(Refusal, match=r"could not be written \(No space left"):
            new.run(project, "one")
    assert not (project / "docs/targets/one.md").exists()
    assert list((project / "targets").iterdir()) == []
    assert new.run(project, "one").name == "one"


def test_for_programs_it_is_one_object(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["autoresearch", "--root", str(project), "new", "one"]
    monkeypatch.setattr(sys, "argv", [*words, "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    told = json.loads(capsys.readouterr().out)["new"]
    assert told["name"] == "one" and len(told["files"]) == 7
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "exists already" in capsys.readouterr().err


def test_a_wheel_has_every_template() -> None:
    package = ROOT / "src" / "autoresearch"
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    globs = shipped["package-data"]["autoresearch"]
    found = {path for pattern in globs for path in package.glob(pattern)}
    assert set((package / "templates").iterdir()) <= found
