"""A target's kernel in the harness's own memory, without a sandbox: laid out, poisoned, checked.

A call runs in a child process that maps a stage as a worker does: inputs read-only, a guard page
behind every array. The drivers run as plain Python around the compiled reference, so that a fault
is a wrapper and costs no compilation. Knows no target by name.
"""

from __future__ import annotations

import ast
import faulthandler
import importlib.util
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from autoresearch.catalog import Entry
from autoresearch.model import Target, Workload
from autoresearch.runner import driver, layout, worker
from autoresearch.runner.case import Case
from autoresearch.runner.judge import Stage

BATCHES = 2
SMALL = 1 << 18  # bytes of work: a larger case teaches a wrapper nothing
MOST = 8  # cases of one op

Kernel = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A target's three fixed files, run once for all tests."""

    entry: Entry
    target: Target
    inputs: ModuleType
    reference: ModuleType

    @property
    def points(self) -> dict[str, Kernel]:
        """The reference's entry points by name."""
        return {name: getattr(self.reference, name) for name in driver.entry_points(self.target)}

    def outputs(self, op: str) -> list[str]:
        """The names of an op's output arrays."""
        out = self.target.ops[op].out
        return [name for name, text in out.items() if not layout.declared(text).scalar]


@cache
def load(entry: Entry) -> Loaded:
    return Loaded(entry, entry.facts(), _module(entry, "inputs"), _module(entry, "reference"))


def _module(entry: Entry, name: str) -> ModuleType:
    unique = f"{entry.folder}_{name}_of_{entry.root.name}"
    spec = importlib.util.spec_from_file_location(unique, entry.path / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drive(target: Target, op: str, points: Mapping[str, Kernel]) -> Kernel:
    """The generated driver of an op as plain Python around any entry points."""
    tree = ast.parse(driver.source(target, op))
    tree.body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    found: dict[str, Any] = {"kernels": SimpleNamespace(**points)}
    exec(compile(tree, f"drive_{op}", "exec"), found)
    driven: Kernel = found["drive"]
    return driven


def answered(loaded: Loaded, workload: Workload, operations: int = 2, batches: int = 1) -> Case:
    """A case drawn from a fixed seed, with the reference's answers."""
    rng = np.random.default_rng(7)
    target, inputs = loaded.target, loaded.inputs
    static = inputs.static(rng, workload.spec) if target.static else {}
    case = Case(target, inputs, workload, static, operations)
    case.draw(batches, rng)
    points = loaded.points
    case.answer(SimpleNamespace(**points), drive(target, workload.op, points))
    return case


@cache
def stage(entry: Entry, op: str) -> Stage:
    """The op's small cases of the battery, answered by the reference; the largest come first."""
    loaded = load(entry)
    sized = [(loaded.inputs.work(w).bytes, n, w) for n, w in enumerate(loaded.inputs.BATTERY)]
    small = sorted(s for s in sized if s[2].op == op and s[0] <= SMALL)[-MOST:]
    cases = [answered(loaded, w, batches=BATCHES) for _, _, w in reversed(small)]
    return Stage(cases, np.random.default_rng(11))


def complaints(entry: Entry, op: str, points: Mapping[str, Kernel]) -> Iterator[str | None]:
    """What the harness says of each call that a kernel answers, None where nothing is wrong."""
    checked, target = stage(entry, op), load(entry).target
    driven = drive(target, op, points)
    for index in range(len(checked.cases)):
        for batch in range(BATCHES):
            checked.load(index, batch)
            died = _called(checked, index, target, SimpleNamespace(**points), driven)
            yield died or checked.check(index, batch, 0)


def _called(checked: Stage, index: int, target: Target, kernels: Any, driven: Kernel) -> str | None:
    """One call in a child; a word on how it ended unless it returned."""
    with warnings.catch_warnings():
        # BLAS keeps idle threads; the child calls compiled code that needs none, and leaves.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        code = 1
        try:
            faulthandler.disable()
            _bound(checked, index, target, kernels, driven)
            code = 0
        finally:
            os._exit(code)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGSEGV, -signal.SIGBUS), f"the child ended with {ended}"
    return f"killed by {signal.Signals(-ended).name}" if ended else None


def _bound(checked: Stage, index: int, target: Target, kernels: Any, driven: Kernel) -> None:
    """What a worker does between "ready" and "done"."""
    plan = checked.plan()[index]
    space = worker.Space(*checked.descriptors()[:3])
    static = space.arrays("static", plan["static"])
    bound = worker.Bound(target, plan, static, space.inputs(plan), kernels, driven)
    bound.prepare()
    bound.call()
