"""A small knob space measured in full, with settings that fail in every way there is."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from autoresearch.errors import Refusal
from autoresearch.replay import brute, forked, journal

ROOT = Path(__file__).resolve().parents[2]
KERNEL = """
import numpy as np
from numba import njit

TARGET = "take"
OP = "words"
SHAPES = (
    {"op": "words", "source": 50, "n": 64, "dist": "uniform", "width": 8, "text": ""},
    {"op": "words", "source": 500, "n": 96, "dist": "sorted", "width": 8, "text": ""},
)
KNOBS = {"how": ("right", "wrong", "broken", "hung", "dead")}
HOW = KNOBS["how"][0]
DEAD = HOW == "dead"
if DEAD:
    import os

    os._exit(3)


@njit
def take(values, indices, out):
    for i in range(indices.size):
        out[i] = values[indices[i]] + np.uint32(HOW == "wrong")
    if HOW == "broken":
        out.no_such_thing()
    while HOW == "hung":
        out[0] += 1
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> brute.Bench:
    path = tmp_path / "toy.py"
    path.write_text(KERNEL)
    monkeypatch.setattr(forked, "LIMIT", 12.0)
    return brute.Bench(brute.Plan(ROOT, path), tmp_path / "builds")


@pytest.mark.slow
def test_every_setting_is_a_time_or_a_failure(bench: brute.Bench, tmp_path: Path) -> None:
    path, far = tmp_path / "journal.jsonl", time.monotonic() + 600
    assert brute.compiled(bench, path, time.monotonic() - 1) == 5
    assert brute.compiled(bench, path, far) == 0
    with pytest.raises(Refusal, match="3 settings are not measured yet"):
        brute.spaces(bench.plan, path, "here", (), {})
    with path.open("a") as file:
        file.write('{"round": 0, "at": 0, "ns"')  # a kill in the middle of a line
        file.write("\n")
    assert brute.measured(bench, path, 2, far) == 0
    before = path.read_text()
    assert brute.measured(bench, path, 2, far) == 0
    assert path.read_text() == before, "what is measured is not measured again"
    found = brute.spaces(bench.plan, path, "here", (1, 2), {"numba": "1"})
    assert [s.shape for s in found] == [w.label for w in bench.plan.workloads]
    right, wrong, broken, hung, dead = found[0].points
    assert isinstance(right, float) and right > 0
    assert str(wrong).startswith("ValueError: incorrect: operation 0")
    assert "no_such_thing" in str(broken) or "Typing" in str(broken)
    assert (hung, dead) == ("timeout", "crash: ended with 3")
    assert found[0].seconds > 0 and journal.scatter(path) >= 1


def test_noise_is_the_error_of_a_median_and_not_a_slow_round() -> None:
    rng = np.random.default_rng(0)
    known = [
        journal.Line(n, at, (1000.0 * (1 + at) * 2**n * float(np.exp(rng.normal(0, 0.04))),), "", 1)
        for n in range(9)
        for at in range(200)
    ]
    assert journal.noise(known, 0) == pytest.approx(journal.MEDIAN * 0.04 / 3, rel=0.1)
    assert journal.noise([line for line in known if line.round == 0], 0) == 0.0


def test_a_child_returns_raises_hangs_or_dies() -> None:
    assert forked.child(lambda: np.arange(3).tolist()) == ([0, 1, 2], "")
    assert forked.child(lambda: 1 / 0) == (None, "ZeroDivisionError: division by zero")
    assert forked.child(lambda: time.sleep(60), 0.2) == (None, "timeout")


def test_a_plan_without_its_facts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy.py"
    path.write_text('KNOBS = {"a": (1, 2)}\nx = KNOBS["a"][0]\n')
    with pytest.raises(Refusal, match="has no TARGET"):
        _ = brute.Plan(ROOT, path).entry


@pytest.mark.parametrize(
    "path", sorted((ROOT / "scripts" / "brute").glob("*.py")), ids=lambda p: p.stem
)
def test_the_plans_that_come_along_are_whole(path: Path) -> None:
    plan = brute.Plan(ROOT, path)
    assert len(plan.settings) >= 200 and 3 <= len(plan.knobs) <= 5
    assert len(plan.workloads) == 4 and plan.op in plan.target.ops
    assert plan.settings[0] == {name: values[0] for name, values in plan.knobs.items()}


def test_a_word_of_several_kernels_is_explained() -> None:
    paths = sorted((ROOT / "scripts" / "brute").glob("*.py"))
    known = [name for path in paths for name in brute.Plan(ROOT, path).knobs]
    shared = {name for name in known if known.count(name) > 1}
    told = (ROOT / "docs" / "prior.md").read_text()
    assert shared == set(re.findall(r"^\| `(\w+)` \| ", told, re.M))


def test_haswell_is_compiled_for_without_what_it_lacks() -> None:
    env = runpy.run_path(str(ROOT / "scripts" / "brute_force.py"))["HASWELL"]
    told = "from autoresearch.simd.target import has; print(has('avx2'), has('avx512f'))"
    command = [sys.executable, "-c", told]
    done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
