"""The contract of a target, held against every folder that discovery finds.

No target is named here: a new one is covered the moment it has a folder.
"""

from __future__ import annotations

import ast
import atexit
import json
import math
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spoil
from every import answered, complaints, load, stage
from fake import HERE as TOYROOT
from fake import Toy
from unit.test_floors import foreign

from autoresearch import catalog, cli, new
from autoresearch.catalog import IMMUTABLE, Entry
from autoresearch.model import Workload
from autoresearch.oracle import RANKED
from autoresearch.runner import layout
from autoresearch.runner.screen import Screened, screen

ROOT = Path(__file__).resolve().parents[1]


def anew() -> tuple[Entry, ...]:
    """A target as `autoresearch new` leaves it."""
    root = Path(tempfile.mkdtemp(prefix="every-target-"))
    atexit.register(shutil.rmtree, root)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", "init", "-q", str(root)], check=True, env=clean)
    (root / "targets").mkdir()
    new.run(root, "made-anew")
    return catalog.discover(root)


WHOLE = (*catalog.discover(ROOT), *anew())
EVERY = (*WHOLE, *catalog.discover(TOYROOT))  # the toy is smaller than a target may be
OPS = [(entry, op) for entry in EVERY for op in entry.facts().ops]
KINDS = {"vectors": 64, "integers": 0, "text": 0}  # of DATA, and a width for each
MOST_LINES = 250  # of the fixed files together
HEADS = {
    "program.md": ("## The API", "## Layout rules", "## Any machine", "## x86-64", "## aarch64"),
    "capsule": ("What", "Where", "Oracle", "Workloads", "Peers", "Best result", "What did not"),
}
CONTROL = (
    *(ast.For, ast.While, ast.If, ast.IfExp, ast.Try, ast.With, ast.Match),
    *(ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.comprehension, ast.AsyncFunctionDef),
)


def named(value: Any) -> str | None:
    return value.name if isinstance(value, Entry) else None


every = pytest.mark.parametrize("entry", EVERY, ids=named)
whole = pytest.mark.parametrize("entry", WHOLE, ids=named)
ops = pytest.mark.parametrize(("entry", "op"), OPS, ids=lambda v: named(v) or v)


def sizes(entry: Entry, workloads: Any) -> Mapping[str, set[int]]:
    """The whole numbers of some specs by key."""
    found: dict[str, set[int]] = {}
    for workload in workloads:
        for key, value in workload.spec.items():
            if isinstance(value, int) and not isinstance(value, bool):
                found.setdefault(key, set()).add(value)
    return found


def dists(workloads: Any) -> set[str]:
    return {workload.spec["dist"] for workload in workloads}


# Files


@every
def test_the_files_are_there(entry: Entry) -> None:
    for name in (*IMMUTABLE, "kernels.py", "program.md"):
        assert (entry.path / name).is_file(), name
    assert f"# {entry.name}\n" in (entry.path / "program.md").read_text()


@whole
def test_the_pages_have_their_headings(entry: Entry) -> None:
    program = (entry.path / "program.md").read_text()
    capsule = (entry.root / "docs" / "targets" / f"{entry.name}.md").read_text()
    assert [h for h in HEADS["program.md"] if f"\n{h}\n" not in program] == []
    assert re.search(r"^## Dead ends", program, re.MULTILINE)
    assert capsule.startswith(f"# {entry.name}\n")
    assert [h for h in HEADS["capsule"] if f"\n**{h}" not in capsule] == []


@every
@pytest.mark.parametrize("name", ["reference", "kernels"])
def test_a_kernel_has_every_entry_point_and_passes_the_screen(entry: Entry, name: str) -> None:
    reference = (entry.path / "reference.py").read_text()
    text = (entry.path / f"{name}.py").read_bytes()
    screened = screen(text, entry.facts(), reference)
    assert isinstance(screened, Screened), screened
    assert set(screened.entry_points) == set(load(entry).points)


@every
def test_the_facts_have_no_control_flow(entry: Entry) -> None:
    *facts, last = ast.parse((entry.path / "run_experiment.py").read_text()).body
    assert ast.unparse(last) == "if __name__ == '__main__':\n    ar.run_experiment(__file__)"
    assert not [node for part in facts for node in ast.walk(part) if isinstance(node, CONTROL)]


@every
def test_the_facts_are_declared_in_known_words(entry: Entry) -> None:
    target = entry.facts()
    assert target.unit and target.site and target.ops
    for op in target.ops.values():
        assert op.oracle in ("exact", "close", *RANKED)
        assert op.steps and op.out
        for text in (*target.static.values(), *op.each.values(), *op.out.values()):
            layout.declared(text)  # refuses what it does not know


@every
def test_the_fixed_files_are_short(entry: Entry) -> None:
    lines = [len((entry.path / name).read_text().splitlines()) for name in IMMUTABLE]
    assert sum(lines) < MOST_LINES, lines


@every
def test_imports_are_the_facade_numpy_and_numba(entry: Entry) -> None:
    told = foreign(entry.root / "targets")
    assert [line for line in told if line.startswith(f"{entry.folder}/")] == []


# Workloads


@whole
def test_the_workloads_are_a_covering_choice(entry: Entry) -> None:
    timed = load(entry).inputs.WORKLOADS
    shapes = [{k: v for k, v in w.spec.items() if k != "dist"} for w in timed]
    assert 8 <= len(timed) <= 12
    assert len({w.label for w in timed}) == len(timed)
    assert len({repr(shape) for shape in shapes}) >= 3
    assert len(dists(timed)) >= 3


@whole
def test_the_battery_is_broad(entry: Entry) -> None:
    battery = load(entry).inputs.BATTERY
    found = sizes(entry, battery)
    edges = [key for key, v in found.items() if {0, 1} <= v and any(n % 2 and n > 1 for n in v)]
    assert edges, f"no size is 0, 1 and an odd number: {found}"
    assert len(dists(battery)) >= 5


@every
def test_every_op_is_checked_and_timed(entry: Entry) -> None:
    loaded = load(entry)
    for workloads in (loaded.inputs.BATTERY, loaded.inputs.WORKLOADS):
        assert {w.op for w in workloads} == set(loaded.target.ops)


@every
def test_jitter_replaces_what_every_spec_has(entry: Entry) -> None:
    inputs = load(entry).inputs
    assert inputs.JITTER
    assert all(len(values) for values in inputs.JITTER.values())
    for workload in inputs.WORKLOADS:
        assert set(inputs.JITTER) <= set(workload.spec), workload.label


@every
def test_work_is_positive(entry: Entry) -> None:
    inputs = load(entry).inputs
    for workload in inputs.WORKLOADS:
        work = inputs.work(workload)
        assert 0 < work.bytes < math.inf and work.units > 0 and work.fmas >= 0, workload.label


@ops
def test_a_hidden_workload_draws_and_answers(entry: Entry, op: str) -> None:
    """The one of eight with the least work, as a reader waits for it."""
    loaded, rng = load(entry), np.random.default_rng(3)
    given = [w for w in loaded.inputs.WORKLOADS if w.op == op]
    jitter = loaded.inputs.JITTER
    moved = [
        Workload(op, {**w.spec, **{k: v[int(rng.integers(len(v)))] for k, v in jitter.items()}})
        for w in (given * 8)[:8]
    ]
    case = answered(loaded, min(moved, key=lambda w: loaded.inputs.work(w).bytes), 1)
    ((expected,),) = case.expected
    assert set(expected) == set(loaded.target.ops[op].out)


@every
def test_real_data_names_known_ops(entry: Entry) -> None:
    loaded = load(entry)
    kind = getattr(loaded.inputs, "DATA", None)
    assert (kind is None) == (not hasattr(loaded.inputs, "data"))
    if kind is None:
        return
    made = loaded.inputs.data(1000, KINDS[kind])
    assert 2 <= len(made) <= 4
    assert {w.op for w in made} <= set(loaded.target.ops)
    assert dists(made) == {"data"}


@every
def test_peers_name_known_ops(entry: Entry) -> None:
    path = entry.path / "peers.py"
    if not path.exists():
        return
    assert {peer.op for peer in runpy.run_path(str(path))["PEERS"]} <= set(entry.facts().ops)


# Inputs


def drawn(entry: Entry, workload: Workload, seed: int) -> list[bytes]:
    """Everything one operation is given, as bytes."""
    inputs, rng = load(entry).inputs, np.random.default_rng(seed)
    static = inputs.static(rng, workload.spec) if entry.facts().static else {}
    each = inputs.each(rng, workload.spec, static)
    return [np.asarray(given[name]).tobytes() for given in (static, each) for name in sorted(given)]


@ops
def test_draws_follow_the_generator_alone(entry: Entry, op: str) -> None:
    workloads = [case.workload for case in stage(entry, op).cases[:2]]
    assert all(drawn(entry, w, 5) == drawn(entry, w, 5) for w in workloads)
    assert any(drawn(entry, w, 5) != drawn(entry, w, 6) for w in workloads)


@ops
def test_arrays_have_their_declared_types(entry: Entry, op: str) -> None:
    loaded = load(entry)
    declared = {**loaded.target.static, **loaded.target.ops[op].each}
    for case in stage(entry, op).cases:
        each = loaded.inputs.each(np.random.default_rng(5), case.workload.spec, case.static)
        given = {**case.static, **each}
        assert set(declared) <= set(given), case.workload.label
        for name, text in declared.items():
            decl = layout.declared(text)
            if not decl.scalar:
                assert given[name].dtype == layout.DTYPES[decl.dtype], (case.workload.label, name)


@ops
def test_capacity_is_told_for_every_output_that_varies(entry: Entry, op: str) -> None:
    loaded = load(entry)
    out = loaded.target.ops[op].out
    varying = {name for name, text in out.items() if layout.declared(text).ragged}
    for case in stage(entry, op).cases:
        each = loaded.inputs.each(np.random.default_rng(5), case.workload.spec, case.static)
        capacity = loaded.inputs.capacity(case.workload.spec, each)
        assert varying <= set(capacity)
        assert all(n >= 0 for n in capacity.values())
        for expected in (answer for batch in case.expected for answer in batch):
            for name in varying & {n for n in out if layout.declared(out[n]).count}:
                assert 0 <= expected[layout.declared(out[name]).count] <= expected[name].size


# Good and bad kernels


@ops
def test_the_reference_is_accepted(entry: Entry, op: str) -> None:
    told = list(complaints(entry, op, load(entry).points))
    assert told and not any(told), told


def spoiled() -> list[Any]:
    """(target, op, output, fault) of every bad kernel that a declaration gives rise to."""
    found = []
    for entry, op in OPS:
        for name, text in entry.facts().ops[op].out.items():
            decl = layout.declared(text)
            for fault in () if decl.scalar else spoil.SPOILED:
                if fault != "nan" or decl.dtype.startswith("f"):
                    case = f"{entry.name}-{op}-{name}-{fault.replace(' ', '_')}"
                    found.append(pytest.param(entry, op, name, fault, id=case))
    return found


@pytest.mark.parametrize(("entry", "op", "name", "fault"), spoiled())
def test_a_bad_kernel_is_refused(entry: Entry, op: str, name: str, fault: str) -> None:
    target = entry.facts()
    points = load(entry).points
    bad = spoil.with_output(target, target.ops[op], points, name, spoil.SPOILED[fault])
    assert any(complaints(entry, op, bad)), f"{fault} of {name} goes unseen"


def counts() -> list[Any]:
    return [
        pytest.param(entry, op, name, id=f"{entry.name}-{op}-{name}")
        for entry, op in OPS
        for name, text in entry.facts().ops[op].out.items()
        if text == "count"
    ]


@pytest.mark.parametrize(("entry", "op", "name"), counts())
def test_a_wrong_count_is_refused(entry: Entry, op: str, name: str) -> None:
    bad = spoil.with_count(entry.facts().ops[op], load(entry).points, name)
    assert any(complaints(entry, op, bad))


@every
def test_a_kernel_that_writes_to_its_inputs_dies(entry: Entry) -> None:
    target, points = entry.facts(), load(entry).points
    given = {name: name for name, text in target.static.items()}
    for op, facts in target.ops.items():
        given |= {n: op for n, text in facts.each.items() if not layout.declared(text).scalar}
    assert given
    for name, only in given.items():
        told = [
            next(filter(None, complaints(entry, op, bad)), None)
            for op in target.ops
            if only in (op, name)
            and (bad := spoil.with_input(target, target.ops[op], points, name)) != points
        ]
        assert any(t and t.startswith("killed by SIG") for t in told), (name, told)


# A new folder is enough


@pytest.mark.slow
def test_a_second_folder_is_found_and_checked(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(toy.kernels.parent, toy.root / "targets" / "toy_again")

    def said(*words: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["autoresearch", "--root", str(toy.root), *words])
        with suppress(SystemExit):
            cli.main()
        return json.loads(capsys.readouterr().out)

    listed = said("targets", "--json")["targets"]
    assert [line["name"] for line in listed] == ["toy", "toy-again"]
    result = said("check", "toy-again", "--json")["trial"]["result"]
    assert (result["target"], result["correctness"]) == ("toy-again", "pass")
