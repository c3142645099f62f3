"""Who races in the racing process: compiled kernels and native libraries, called on one case.

Each has `lap` (one batch, timed) and `wrong` (outside the clock, what the oracle says of it).
Everything here is trusted; nothing of processes, statistics or pages.
"""

from __future__ import annotations

import gc
import mmap
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from .. import oracle
from ..model import Operation, Peer
from ..runner import layout
from ..runner.case import Case
from ..runner.sealed import raw_clock
from ..runner.worker import Bound


class Field:
    """One case's memory as workers see it: static data, the inputs of one batch, poisoned outputs.

    Page-aligned, so that arrays lie as they do in a trial.
    """

    def __init__(self, case: Case, rng: np.random.Generator) -> None:
        self.case = case
        self.memory = {kind: _pages(region.size) for kind, region in case.regions.items()}
        size = case.regions["out"].size
        self.poison = rng.integers(0, 256, size, dtype=np.uint8)
        for name, view in self.views("static").items():
            view[...] = case.static[name]

    def views(self, kind: str) -> dict[str, layout.Array]:
        return self.case.regions[kind].views(self.memory[kind])

    def load(self, batch: int) -> None:
        """Write one batch's inputs anew: whoever comes next finds them in the same caches."""
        image = self.case.images[batch]
        self.memory["each"][: image.size] = image
        self.memory["out"][: self.poison.size] = self.poison

    def operations(self) -> list[dict[str, Any]]:
        """The arrays and scalars of each operation of the batch that is loaded."""
        case, views = self.case, self.views("each")
        return [
            {name: _piece(case, views, name, i) for name in case.op.each}
            for i in range(case.operations)
        ]


def _pages(size: int) -> layout.Array:
    return np.frombuffer(mmap.mmap(-1, max(size, layout.PAGE)), np.uint8)


def _piece(case: Case, views: Mapping[str, layout.Array], name: str, i: int) -> Any:
    """As declared: a scalar of its type, a flat array where lengths vary, else one in shape."""
    decl = case.declared[name]
    if decl.scalar:
        return views[name][i]
    begin, end = views[f"{name}_at"][i]
    flat = views[name][begin:end]
    return flat if decl.ragged else flat.reshape(layout.resolve(decl, case.dims))


class Racer(Protocol):
    """Champion, reference or peer on one workload."""

    def enter(self, field: Field) -> None:
        """Make ready for the batches of a case."""

    def lap(self) -> int:
        """ns of the operations of the batch that is loaded."""
        ...

    def wrong(self, batch: int) -> str | None:
        """One sentence when the outputs of that batch are not right."""

    def recall(self) -> float | None:
        """The share of true ids found so far; None where the op is not lossy."""


class Kernel:
    """A kernel behind its generated driver: a batch is one call, as it is for a worker."""

    def __init__(self, kernels: Any, drive: Any, arm: int) -> None:
        self.kernels, self.drive, self.arm = kernels, drive, arm

    def enter(self, field: Field) -> None:
        self.field, case = field, field.case
        plan = case.plan(dict.fromkeys(case.regions, 0))
        static, arrays = field.views("static"), field.views("each") | field.views("out")
        self.bound = Bound(case.target, plan, static, arrays, self.kernels, self.drive)
        self.bound.prepare()

    def lap(self) -> int:
        drive, args = self.bound.drive, self.bound.args
        begin = raw_clock()
        drive(*args)
        return raw_clock() - begin

    def wrong(self, batch: int) -> str | None:
        poison = self.field.poison
        out = self.field.memory["out"][: poison.size]
        return self.field.case.check(batch, out, poison, self.arm)

    def recall(self) -> float | None:
        found = self.field.case.recalls()
        return found[self.arm] if found else None


class Guest:
    """A native library, called once per operation in a Python loop, as people call it."""

    def __init__(self, peer: Peer, case: Case) -> None:
        """Raises whatever `make` raises."""
        self.peer, self.workload, self.static = peer, case.workload, case.static
        self.call: Callable[[Any], Any] = peer.make(case.workload, case.static)
        self.tally = np.zeros(2)  # true ids found, and all

    def enter(self, field: Field) -> None:
        self.field = field

    def lap(self) -> int:
        """Only the last result is held: libraries may use their buffers again, as they do when a
        caller drops what it has read."""
        self.operations = self.field.operations()
        self.given = [self.peer.given(self.workload, self.static, e) for e in self.operations]
        call, raw = self.call, None
        begin = raw_clock()
        for one in self.given:
            raw = call(one)
        took = raw_clock() - begin
        self.last = raw
        return took

    def wrong(self, batch: int) -> str | None:
        """The last result as it was timed, then the others, called once more."""
        last = len(self.operations) - 1
        for i in (last, *range(last)):
            raw = self.last if i == last else self.call(self.given[i])
            got = self.peer.answer(raw, self.operations[i])
            told = self._checked(self.field.case, batch, i, got)
            if told:
                return f"operation {i}: {told}"
        return None

    def _checked(self, case: Case, batch: int, i: int, got: Mapping[str, Any]) -> str | None:
        expected, truth = case.expected[batch][i], case.truths[batch][i]
        told = oracle.check(case.op, expected, got, truth)
        if case.op.oracle == "recall" and not told:
            ids, _ = oracle.ranked(case.op, expected)
            self.tally += oracle.found(truth["ids"], np.asarray(got[ids]))
        return told

    def recall(self) -> float | None:
        return float(self.tally[0] / self.tally[1]) if self.tally[1] else None


def empty_call_ns(calls: int = 20_000) -> float:
    """What one turn of a guest's loop costs around a function that does nothing; least of five."""
    call: Callable[[Any], Any] = lambda each: None  # noqa: E731 - as most peers are written
    given: list[Operation] = [{}] * calls
    took = []
    gc.disable()
    for _ in range(5):
        begin = raw_clock()
        for one in given:
            raw = call(one)
        took.append(raw_clock() - begin)
    gc.enable()
    del raw
    return min(took) / calls
