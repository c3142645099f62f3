"""Measures a whole knob space: every setting compiled once, then timed on several shapes, round by
round, so that a slow minute meets all settings alike.

A setting runs in a forked child, so that one that crashes or hangs is a point that failed. The
inputs lie on the same pages for all. Nothing here is a trial: the kernels are this project's own.
"""

from __future__ import annotations

import ast
import mmap
import runpy
import shutil
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ..catalog import Entry
from ..errors import Refusal
from ..model import Target, Workload
from ..runner import driver, layout
from ..runner.case import Case
from ..runner.knobs import Setting, read_knobs, with_knobs
from ..runner.source import parse
from .forked import child
from .journal import Line, append, lines, noise, point
from .space import Knobs, Space

OPERATIONS = 4  # in one call: as many different inputs
WARM, CALLS = 2, 9  # of each shape in a round
SEED = 20240


@dataclass(frozen=True)
class Plan:
    """What is to be measured: a kernel with knobs, one op of its target, and specs to time it on,
    which the file lists as `TARGET`, `OP` and `SHAPES`."""

    root: Path
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def knobs(self) -> Mapping[str, tuple[Setting, ...]]:
        return read_knobs(parse(self.text.encode()))

    @cached_property
    def settings(self) -> tuple[Knobs, ...]:
        chosen = product(*self.knobs.values())
        return tuple(dict(zip(self.knobs, values, strict=True)) for values in chosen)

    @cached_property
    def entry(self) -> Entry:
        return Entry(self.root, str(self._said("TARGET")))

    @cached_property
    def op(self) -> str:
        return str(self._said("OP"))

    @cached_property
    def target(self) -> Target:
        """The target with this op alone, so that nothing else is compiled."""
        facts = self.entry.facts()
        return replace(facts, ops={self.op: facts.ops[self.op]})

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        return tuple(Workload(self.op, spec) for spec in self._said("SHAPES"))

    def _said(self, name: str) -> Any:
        for node in ast.parse(self.text).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return ast.literal_eval(node.value)
        raise Refusal(f"{self.path} has no {name}.", "Write it as a literal at its top.")


def build(plan: Plan, folder: Path, setting: Knobs | None) -> tuple[Any, Any]:
    """The kernel of a setting, of the reference if None, and its loop, compiled or from the cache
    in `folder`. In a child only: a process has one module `kernels`."""
    from ..runner import worker

    folder.mkdir(parents=True, exist_ok=True)
    reference = (plan.entry.path / "reference.py").read_text()
    text = reference if setting is None else with_knobs(plan.text, setting)
    for name, content in (("kernels", text), (f"drive_{plan.op}", _loop(plan))):
        path = folder / f"{name}.py"
        if not path.exists() or path.read_text() != content:
            shutil.rmtree(folder / "cache", ignore_errors=True)  # numba looks at names and lines
            path.write_text(content)
    sys.dont_write_bytecode = True
    kernels, drives = worker.compiled({"build_dir": str(folder), "shift": 64}, plan.target)
    return kernels, drives[plan.op]


def _loop(plan: Plan) -> str:
    return driver.source(plan.target, plan.op)


class Bench:
    """The shapes of a plan, drawn and answered, in memory that all children share."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        from numba.core.registry import cpu_target

        from .. import simd  # noqa: F401 - what all children need is loaded once
        from ..runner import worker

        cpu_target.typing_context.refresh()  # and what it knows of numpy: a second each
        cpu_target.target_context.refresh()
        self.plan, self.folder, self.worker = plan, folder, worker
        inputs = SimpleNamespace(**runpy.run_path(str(plan.entry.path / "inputs.py")))
        self.cases = [self._case(inputs, w) for w in plan.workloads]
        answers, told = child(self._answers)
        if answers is None:
            raise Refusal(f"The reference of {plan.entry.name} fails ({told}).", "Correct it.")
        for case, expected in zip(self.cases, answers, strict=True):
            case.expected = expected
        self.outs = [_shared(case.regions["out"].size) for case in self.cases]

    def _case(self, inputs: SimpleNamespace, workload: Workload) -> Case:
        rng = np.random.default_rng(SEED)
        static = inputs.static(rng, workload.spec)
        case = Case(self.plan.target, inputs, workload, static, OPERATIONS)
        case.draw(1, rng)
        return case

    def _answers(self) -> list[Any]:
        kernels, drive = build(self.plan, self.folder / "reference", None)
        for case in self.cases:
            case.answer(kernels, drive)
        return [case.expected for case in self.cases]

    def compile(self, at: int) -> str:
        """Compiles a setting; what went wrong, empty if nothing."""
        return child(lambda: self._built(at) is None)[1]

    def measure(self, at: int) -> tuple[list[float] | None, str]:
        """ns per operation of one setting on each shape, every output checked."""
        return child(lambda: self._measured(at))

    def _built(self, at: int) -> tuple[Any, Any]:
        return build(self.plan, self.folder / f"{at:04d}", self.plan.settings[at])

    def _measured(self, at: int) -> list[float]:
        kernels, drive = self._built(at)
        bound = [self._bound(i, kernels, drive) for i in range(len(self.cases))]
        times = np.zeros((CALLS, len(bound)))
        for call in range(-WARM, CALLS):
            for i, one in enumerate(bound):
                begin = time.perf_counter_ns()
                one.call()
                times[max(call, 0), i] = time.perf_counter_ns() - begin
        return [float(t) for t in np.median(times, axis=0) / OPERATIONS]

    def _bound(self, i: int, kernels: ModuleType, drive: Any) -> Any:
        """One shape, prepared, called once and checked."""
        case, out = self.cases[i], self.outs[i]
        out[:] = poison = np.full(out.size, 0xA5, np.uint8)
        plan = case.plan(dict.fromkeys(case.regions, 0))
        arrays = case.regions["each"].views(case.images[0]) | case.regions["out"].views(out)
        bound = self.worker.Bound(self.plan.target, plan, dict(case.static), arrays, kernels, drive)
        bound.prepare()
        bound.call()
        told = case.check(0, out, poison)
        if told:
            raise ValueError(f"incorrect: {told}")
        return bound


def _shared(size: int) -> layout.Array:
    """Zeroed memory that forked children write together."""
    return np.frombuffer(mmap.mmap(-1, max(1, size)), np.uint8, size)


def compiled(bench: Bench, journal: Path, until: float) -> int:
    """Compiles what is not compiled yet; how many settings are left when time is up."""
    done = {line.at for line in lines(journal)}
    left = [at for at in range(len(bench.plan.settings)) if at not in done]
    for n, at in enumerate(left):
        if time.monotonic() > until:
            return len(left) - n
        begin = time.perf_counter()
        append(journal, Line(-1, at, (), bench.compile(at), time.perf_counter() - begin))
    return 0


def measured(bench: Bench, journal: Path, rounds: int, until: float) -> int:
    """Times what is compiled, in `rounds` random orders; how many measurements are left. What
    failed once is not tried again."""
    known = list(lines(journal))
    done = {(line.round, line.at) for line in known}
    bad = {line.at for line in known if line.failed}
    built = {line.at for line in known if line.round < 0}
    left = [pair for pair in _rounds(built, rounds) if pair not in done]
    for n, (round_, at) in enumerate(left):
        if at in bad:
            continue
        if time.monotonic() > until:
            return len(left) - n
        begin = time.perf_counter()
        ns, failed = bench.measure(at)
        append(journal, Line(round_, at, tuple(ns or ()), failed, time.perf_counter() - begin))
        bad |= {at} if failed else set()
    return 0


def _rounds(built: Collection[int], rounds: int) -> Iterator[tuple[int, int]]:
    for round_ in range(rounds):
        order = np.random.default_rng(round_).permutation(sorted(built))
        yield from ((round_, int(at)) for at in order)


def spaces(
    plan: Plan, journal: Path, machine: str, caches: tuple[int, ...], versions: Mapping[str, str]
) -> list[Space]:
    """A space for each shape: a setting's time is the median over the rounds; Refusal while any
    setting has neither a time nor a failure."""
    known = list(lines(journal))
    left = len(plan.settings) - len({line.at for line in known if line.ns or line.failed})
    if left:
        raise Refusal(f"{left} settings are not measured yet.", "Go on with --compile, --measure.")
    seconds = sum(line.seconds for line in known) / len(plan.settings)
    found = []
    for i, workload in enumerate(plan.workloads):
        points = tuple(
            point([x for x in known if x.at == at], i) for at in range(len(plan.settings))
        )
        facts = (plan.entry.name, plan.op, workload.label, machine)
        found.append(Space(*facts, plan.knobs, points, caches, versions, seconds, noise(known, i)))
    return found
