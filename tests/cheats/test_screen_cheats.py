"""What the screen alone makes of every cheat, and that heads and README say what is there."""

from __future__ import annotations

import ast
import importlib.util
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from corpus import HERE, Cheat, cheats, table

from autoresearch.model import VERDICTS, Fault
from autoresearch.runner.normal import null_variant
from autoresearch.runner.screen import Screened, screen

TOYROOT = HERE.parent / "toyroot"
REFERENCE = (TOYROOT / "targets" / "toy" / "reference.py").read_text()
CLASSES = {1, 4, *range(11, 16), 17, 18, 20, 21, *range(30, 39), *range(43, 48), *range(49, 52)}
KERNELS = [c for c in cheats() if c.screen != "scenario"]
SCENARIOS = [c for c in cheats() if c.screen == "scenario"]
TOY = runpy.run_path(str(TOYROOT / "targets" / "toy" / "run_experiment.py"))["TARGET"]


def by_name(cheat: Cheat) -> str:
    return cheat.name


@pytest.mark.parametrize("cheat", KERNELS, ids=by_name)
def test_the_screen_answers_as_the_head_says(cheat: Cheat) -> None:
    found = screen(cheat.text().encode(), TOY, REFERENCE)
    if cheat.screen == "passes":
        assert isinstance(found, Screened), found
        again = screen(null_variant(found.text, 1, found.entry_points).encode(), TOY, REFERENCE)
        assert isinstance(again, Screened) and again.norm == found.norm
    else:
        assert isinstance(found, Fault) and found.verdict == "refused"
        assert cheat.refusal in found.reason and "line " in found.reason
        assert cheat.refusal


@pytest.mark.parametrize("cheat", cheats(), ids=by_name)
def test_a_head_is_complete(cheat: Cheat) -> None:
    ast.parse(cheat.text())
    assert cheat.tries and cheat.fails and cheat.wall
    assert cheat.screen in ("passes", "bypassed", "refused", "scenario")
    assert set(cheat.expect) <= set(VERDICTS)
    honest_inside = cheat.screen == "scenario" and "breached" in cheat.text()
    assert "keep" not in cheat.expect or honest_inside
    assert int(cheat.name[1:3]) == cheat.number


@pytest.mark.parametrize("cheat", KERNELS, ids=by_name)
def test_a_kernel_cheat_is_a_complete_candidate(cheat: Cheat) -> None:
    defined = {n.name for n in ast.parse(cheat.text()).body if isinstance(n, ast.FunctionDef)}
    assert {"prepare", "scratch", "weigh", "select"} <= defined


@pytest.mark.parametrize("cheat", SCENARIOS, ids=by_name)
def test_a_scenario_does_what_it_threatens(cheat: Cheat, tmp_path: Path) -> None:
    root, env = project(tmp_path / "root"), {"LANG": "C"}
    before = contents(root)
    spec = importlib.util.spec_from_file_location(cheat.name, cheat.path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.attack(root, env)
    after = contents(root)
    kernels = "targets/toy/kernels.py"
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert kernels in changed and (len(changed) > 1 or len(env) > 1)
    assert "breached" not in changed
    ast.parse((root / kernels).read_text())


def test_every_class_on_the_list_has_a_cheat() -> None:
    assert {c.number for c in cheats()} >= CLASSES


def test_the_readme_has_the_table() -> None:
    assert table() in (HERE / "README.md").read_text(), "run: python tests/cheats/corpus.py"


def project(root: Path) -> Path:
    """The toy project as a repository, with a ledger of two lines."""
    shutil.copytree(TOYROOT / "targets", root / "targets")
    ledger = root / ".autoresearch" / "toy"
    ledger.mkdir(parents=True)
    (ledger / "trials.jsonl").write_text('{"verdict": "baseline"}\n{"verdict": "revert"}\n')
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (["init", "-q"], ["add", "targets"], [*who, "commit", "-qm", "Toy"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file and link below `root` by name, git's own included."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): p.read_bytes() + b"@" * p.is_symlink() for p in files}
