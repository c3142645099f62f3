"""The toy's variants are what tests of the whole loop take them for."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from autoresearch.oracle import check

ROOT = Path(__file__).parents[1] / "toyroot"


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOY = Path("targets/toy")
REFERENCE, INPUTS = _load(TOY / "reference.py"), _load(TOY / "inputs.py")
TARGET = _load(TOY / "run_experiment.py").TARGET


def _run(module, op, static, each):
    state = module.prepare(static["weights"])
    if op == "weigh":
        total = np.full(1, np.nan, np.float32)
        module.weigh(state, module.scratch(state), each["x"], total)
        return {"total": total}
    rows = np.full(each["x"].size, 77, np.uint32)
    return {"n": module.select(each["x"], each["bound"], rows), "rows": rows}


def _first_complaint(module, workloads):
    for workload in workloads:
        rng = np.random.default_rng(7)
        static = INPUTS.static(rng, workload.spec)
        each = INPUTS.each(rng, workload.spec, static)
        want = _run(REFERENCE, workload.op, static, each)
        got = _run(module, workload.op, static, each)
        truth = INPUTS.truth(workload, static)(each)
        if told := check(TARGET.ops[workload.op], want, got, truth):
            return told
    return None


def test_the_seed_is_the_reference():
    reference, kernels = (ROOT / TOY / name for name in ("reference.py", "kernels.py"))
    assert reference.read_text() == kernels.read_text()


@pytest.mark.parametrize("name", ["faster", "slower", "renamed"])
def test_right_variants_are_accepted(name):
    module = _load(Path("variants") / f"{name}.py")
    assert _first_complaint(module, INPUTS.BATTERY + INPUTS.WORKLOADS) is None


def test_the_wrong_variant_is_named():
    module = _load(Path("variants/wrong.py"))
    assert _first_complaint(module, INPUTS.BATTERY).startswith("total[0] is ")
