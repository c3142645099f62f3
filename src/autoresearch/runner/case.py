"""One workload of a stage in the oracle process: batches drawn, laid out, answered, checked.

Trusted side only. Knows arrays and the reference; nothing of workers, clocks or verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from .. import oracle
from ..errors import Refusal
from ..model import Operation, Target, Workload
from . import layout, worker

_REFERENCE = 2
_Places = dict[str, tuple[int, int]]  # first element and end of each output
_Slots = dict[str, layout.Array]  # the same of every operation: i64[operations, 2]


class Case:
    """A workload's static data, fresh batches of operations, and their true outputs."""

    def __init__(
        self,
        target: Target,
        inputs: SimpleNamespace,
        workload: Workload,
        static: Mapping[str, layout.Array],
        operations: int,
        misaligned: bool = False,
    ) -> None:
        self.target, self.inputs, self.workload = target, inputs, workload
        self.op = target.ops[workload.op]
        self.operations, self.misaligned = operations, misaligned
        self.regions = {kind: layout.Region() for kind in ("static", "each", "out")}
        self.declared = {n: layout.declared(t) for n, t in {**self.op.each, **self.op.out}.items()}
        self.dims: dict[str, int] = {}
        self.static = static
        self.images: list[layout.Array] = []
        self.places: list[list[_Places]] = []
        self.expected: list[list[dict[str, layout.Array]]] = []
        self.truths: list[list[Mapping[str, Any]]] = []
        self.found = np.zeros((3, 2))  # incumbent, candidate, reference: true ids found, and all

    def draw(self, batches: int, rng: np.random.Generator) -> None:
        """Draw every batch, decide where it lies and write it down."""
        spec = self.workload.spec
        drawn = [
            [self.inputs.each(rng, spec, self.static) for _ in range(self.operations)]
            for _ in range(batches)
        ]
        self._bind([each for batch in drawn for each in batch])
        self.shapes = {n: self._form(self.declared[n]) for n in self.op.out}
        self._lay_static()
        slots = [self._slots(batch, rng) for batch in drawn]
        self._lay(slots)
        self.images = [self._image(b, at, rng) for b, at in zip(drawn, slots, strict=True)]
        self.places = [self._spots(image) for image in self.images]
        truth = self._truth()
        self.truths = [[_remembering(truth(each)) for each in batch] for batch in drawn]

    @property
    def queries(self) -> int:
        """Answers in one operation: the rows of its outputs."""
        return max(math.prod(shape[:-1]) for shape in self.shapes.values())

    def answer(self, reference: ModuleType, drive: Any) -> None:
        """Run the reference over every batch: the expected outputs."""
        bound = worker.Bound(
            self.target,
            self.plan(dict.fromkeys(self.regions, 0)),
            dict(self.static),
            {},
            reference,
            drive,
        )
        for image in self.images:
            out = np.zeros(self.regions["out"].size, np.uint8)
            bound.arrays = self.regions["each"].views(image) | self.regions["out"].views(out)
            (bound.bind if bound.env else bound.prepare)()
            bound.call()
            batch = len(self.expected)
            views = self.regions["out"].views(out)
            self.expected.append([self._read(views, spot) for spot in self.places[batch]])

    def plan(self, bases: Mapping[str, int]) -> dict[str, Any]:
        """What a worker must know: where arrays lie. No seed, no data."""
        return {
            "op": self.workload.op,
            "operations": self.operations,
            "shapes": {n: self._shape(n) for n, d in self.declared.items() if len(d.dims) > 1},
            **{kind: region.plan(bases[kind]) for kind, region in self.regions.items()},
        }

    def check(
        self, batch: int, out: layout.Array, poison: layout.Array, arm: int = 0
    ) -> str | None:
        """None, or one sentence on the first thing wrong with what a call left in `out`."""
        for extent in self.regions["out"].extents:
            for now, was in zip(extent.margins(out), extent.margins(poison), strict=True):
                if not np.array_equal(now, was):
                    return f"{extent.name} was written over {layout.SLACK} bytes outside its bounds"
        views = self.regions["out"].views(out)
        for i, places in enumerate(self.places[batch]):
            got, expected = self._read(views, places), self.expected[batch][i]
            told = oracle.check(self.op, expected, got, self.truths[batch][i])
            if told:
                return f"operation {i}: {told}"
            if self.op.oracle == "recall":
                ids, _ = oracle.ranked(self.op, expected)
                true = self.truths[batch][i]["ids"]
                self.found[arm] += oracle.found(true, got[ids])
                self.found[_REFERENCE] += oracle.found(true, expected[ids])
        return None

    def recalls(self) -> list[float | None] | None:
        """Recall of incumbent, candidate and reference over all calls so far; None unless lossy,
        and for an arm that was not called."""
        if self.op.oracle != "recall":
            return None
        return [float(found / real) if real else None for found, real in self.found]

    def _truth(self) -> Callable[[Operation], Mapping[str, Any]]:
        make = getattr(self.inputs, "truth", None)
        answer: Callable[[Operation], Mapping[str, Any]] = (
            make(self.workload, self.static) if make else lambda each: {}
        )
        return answer

    def _bind(self, operations: Sequence[Operation]) -> None:
        """Dimensions come from the arrays, and from scalars: `nprobe` given as i64 is one too."""
        for names, arrays in ((self.target.static, self.static), (self.op.each, operations[0])):
            for name, text in names.items():
                layout.bind(layout.declared(text), np.shape(arrays[name]), self.dims, name)
        used = {dim for name in self.op.out for dim in self.declared[name].dims}
        for name in used & set(self.op.each):
            if len({int(each[name]) for each in operations}) > 1:
                raise Refusal(
                    f"The dimension {name} varies between the operations of {self.workload.label}.",
                    "Correct inputs.py: each must give one value for a spec.",
                )
            self.dims[name] = int(operations[0][name])

    def _form(self, decl: layout.Declared) -> tuple[int, ...]:
        """The shape of one operation's piece: () for a scalar, left flat where lengths vary."""
        if decl.dims:
            return layout.resolve(decl, self.dims)
        return () if decl.scalar else (-1,)

    def _shape(self, name: str) -> tuple[int, ...]:
        return layout.resolve(self.declared[name], self.dims)

    def _lay_static(self) -> None:
        for name, text in self.target.static.items():
            dtype = layout.declared(text).dtype
            self.regions["static"].add(name, dtype, self.static[name].shape, self.misaligned)

    def _lengths(self, batch: Sequence[Operation]) -> dict[str, list[int]]:
        """Elements of every array in each operation; a varying output has its capacity."""
        lengths = {}
        for name, decl in self.declared.items():
            if decl.scalar:
                continue
            if not decl.ragged:
                lengths[name] = [math.prod(self._shape(name))] * len(batch)
            elif name in self.op.each:
                lengths[name] = [len(each[name]) for each in batch]
            else:
                lengths[name] = [self.inputs.capacity(self.workload.spec, e)[name] for e in batch]
        return lengths

    def _slots(self, batch: Sequence[Operation], rng: np.random.Generator) -> _Slots:
        """Where every array of each operation lies, at distances of this batch alone."""
        found = {}
        for name, lengths in self._lengths(batch).items():
            itemsize = layout.DTYPES[self.declared[name].dtype].itemsize
            gaps = rng.integers(0, layout.GAPS, max(0, len(lengths) - 1))
            found[name] = layout.slots(lengths, itemsize, gaps)
        return found

    def _lay(self, slots: Sequence[_Slots]) -> None:
        for name, decl in self.declared.items():
            total = self.operations
            if not decl.scalar:
                total = max(int(at[name][-1, 1]) for at in slots)
                self.regions["each"].add(f"{name}_at", "i64", (self.operations, 2))
            kind = "each" if name in self.op.each else "out"
            self.regions[kind].add(name, decl.dtype, (total,), self.misaligned and not decl.scalar)

    def _image(
        self, batch: Sequence[Operation], slots: _Slots, rng: np.random.Generator
    ) -> layout.Array:
        """The bytes of one batch; everything between the arrays is random or like them."""
        image = rng.integers(0, 256, self.regions["each"].size, dtype=np.uint8)
        views = self.regions["each"].views(image)
        for name, decl in self.declared.items():
            if not decl.scalar:
                views[f"{name}_at"][...] = slots[name]
            if name in self.op.each:
                for i, each in enumerate(batch):
                    _piece(views, name, decl, i)[...] = np.ravel(each[name])
                if not decl.scalar:
                    spans = slots[name] * views[name].itemsize
                    layout.disguise(views[name].view(np.uint8), spans, rng)
        return image

    def _spots(self, image: layout.Array) -> list[_Places]:
        """Where every output of every operation of a batch lies, as plain integers."""
        views = self.regions["each"].views(image)
        ends = {n: views[f"{n}_at"].tolist() for n in self.op.out if not self.declared[n].scalar}
        return [
            {n: tuple(ends[n][i]) if n in ends else (i, i + 1) for n in self.op.out}
            for i in range(self.operations)
        ]

    def _read(self, views: Mapping[str, layout.Array], places: _Places) -> dict[str, layout.Array]:
        """One operation's outputs in their declared shapes."""
        return {n: views[n][b:e].reshape(self.shapes[n]) for n, (b, e) in places.items()}


def _remembering(truth: Mapping[str, Any]) -> Mapping[str, Any]:
    """Both arms, in every pair of a stage, are held against the distances at much the same ids:
    asked for the last ones again, `at` answers as before. For 2048 queries that is most of a check.
    """
    if "at" not in truth:
        return truth
    at = truth["at"]
    last: list[Any] = []

    def remembered(ids: layout.Array) -> Any:
        if not (last and np.array_equal(last[0], ids)):
            last[:] = ids.copy(), at(ids)
        return last[1]

    return {**truth, "at": remembered}


def _piece(
    views: Mapping[str, layout.Array], name: str, decl: layout.Declared, i: int
) -> layout.Array:
    if decl.scalar:
        return views[name][i : i + 1]
    begin, end = views[f"{name}_at"][i]
    return views[name][begin:end]
