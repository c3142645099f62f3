"""No honest kernel is ever rejected: the oracle accepts each one on the whole battery.

The demo's candidates show the other side: what is wrong or cheats is named.
"""

import functools
import importlib.machinery
import importlib.resources
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from autoresearch.oracle import check
from targets.pq_l2 import inputs, reference
from targets.pq_l2.run_experiment import TARGET

FOLDER = Path(__file__).with_name("honest")
HONEST = sorted(set(FOLDER.glob("*.py")) - set(FOLDER.glob("test_*.py")))
OPERATIONS = 2


def _load(path):
    loader = importlib.machinery.SourceFileLoader(path.name.split(".")[0], str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def _run(module, workload, static, each_of):
    """The outputs of a few operations on one state and one scratch, as a worker would run them."""
    codebook, codes = static["codebook"], static["codes"]
    state = module.prepare(codebook, codes)
    scratch = module.scratch(state)
    for each in each_of:
        if workload.op == "search":
            got = {"ids": np.full(10, 99), "dists": np.full(10, np.nan, np.float32)}
            module.search(state, scratch, each["q"], got["ids"], got["dists"])
        else:
            got = {
                "table": np.full(codebook.shape[:2], np.nan, np.float32),
                "out": np.full(len(codes), np.nan, np.float32),
            }
            module.distance_table(state, each["q"], got["table"])
            module.compute_distances(state, got["table"], got["out"])
        yield got


@functools.cache
def _cases():
    """Workload, static, inputs, expected outputs and truths, drawn once for all kernels."""
    cases = []
    for i, workload in enumerate(inputs.BATTERY):
        rng = np.random.default_rng(i)
        static = inputs.static(rng, workload.spec)
        each_of = [inputs.each(rng, workload.spec, static) for _ in range(OPERATIONS)]
        truth = inputs.truth(workload, static)
        expected = list(_run(reference, workload, static, each_of))
        cases.append((workload, static, each_of, expected, [truth(each) for each in each_of]))
    return cases


def _first_complaint(path):
    module = _load(path)
    for workload, static, each_of, expected, truths in _cases():
        outputs = _run(module, workload, static, each_of)
        for want, got, truth in zip(expected, outputs, truths, strict=True):
            told = check(TARGET.ops[workload.op], want, got, truth)
            if told:
                return f"{workload.label}: {told}"
    return None


@pytest.mark.parametrize("path", HONEST, ids=lambda path: path.stem)
def test_honest_kernels_are_accepted(path):
    assert _first_complaint(path) is None


@pytest.mark.parametrize(
    ("name", "right"), [("faster", True), ("slower", True), ("wrong", False), ("cheating", False)]
)
def test_the_demo_candidates_are_what_they_claim(name, right):
    path = Path(str(importlib.resources.files("autoresearch") / "demo" / f"{name}.py.txt"))
    assert (_first_complaint(path) is None) is right
