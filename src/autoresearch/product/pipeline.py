"""An end-to-end workload: a pipeline whose every operation comes from a kit of kernels.

Knows arrays and kits; nothing of where a kernel is from, of processes or of clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike, NDArray

from ..runner.layout import ALIGN, SLACK

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Kit = Mapping[str, Any]  # target -> the functions of a kernel, by their names in the reference
Inputs = Callable[[str], SimpleNamespace]  # target -> its inputs.py
Run = Callable[[int], dict[str, Array]]  # runs one batch of queries; what it answered


@dataclass(frozen=True, slots=True)
class Size:
    """How large a pipeline is drawn (`scale` 1 is the real size), and how many batches it has."""

    scale: float
    batches: int

    def of(self, full: int, least: int = 1) -> int:
        return max(least, int(full * self.scale))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`draw` makes its data and all batches of queries, `open` prepares kernels of `targets` on
    them and gives the function that is timed. `answers` says how two arms' answers compare: exact,
    ranked (ids and dists; any order among near-ties) or lossy (the recall of `true` ids too).

    Drawn arrays named `scale` f32[batches, queries] hold the sum of |terms| behind a distance.
    """

    name: str
    targets: tuple[str, ...]
    answers: str
    draw: Callable[[Inputs, Generator, Size], dict[str, Array]]
    open: Callable[[Kit, Arrays], Run]


@dataclass(frozen=True, slots=True)
class Request:
    """What a process opens: `kernels` names a file for each target, of which `target` is the op
    that is compared; its machine code lies `moved` bytes further than it would."""

    target: str
    kernels: Mapping[str, str]
    pipelines: tuple[str, ...]
    folder: Path
    batches: int
    moved: int


@dataclass(frozen=True, slots=True)
class Share:
    """ns of a pipeline as a whole and inside the op, over as many batches; calls of it in one."""

    whole: float
    op: float
    calls: float


def room(shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
    """An output as kernels may expect it: aligned, and writable a little beyond both ends."""
    kind = np.dtype(dtype)
    nbytes = kind.itemsize * (prod(shape) if isinstance(shape, tuple) else shape)
    raw = np.zeros(nbytes + ALIGN + 2 * SLACK, np.uint8)
    start = SLACK + -(raw.ctypes.data + SLACK) % ALIGN
    return raw[start : start + nbytes].view(kind).reshape(shape)


def rows(n: int, k: int, dtype: DTypeLike) -> Array:
    """[n, k], of which every row by itself is an output as `room` gives one."""
    slack = SLACK // np.dtype(dtype).itemsize
    stride = -(-k // slack) * slack + 2 * slack
    return room((n, stride), dtype)[:, slack : slack + k]


class Merger:
    """The k least of sorted runs, by the kernel of topk-merge, as partial results meet."""

    def __init__(self, kit: Kit, runs: int, length: int, k: int) -> None:
        self.merge = kit["topk-merge"]
        self.scratch = self.merge.scratch(np.array([runs, runs * length], np.int64))
        self.scores, self.ids = room(runs * length, np.float32), room(runs * length, np.uint64)
        self.least, self.named = room((1, k), np.float32), room((1, k), np.uint64)

    def __call__(self, scores: Array, ids: Array) -> tuple[Array, Array]:
        """scores f32[runs, length], inf where there is nothing; ids alike. Copies of (ids,
        scores), each [k]: id -1 where there is nothing."""
        order = np.lexsort((ids, scores))  # a kernel may leave equal scores in any order
        scores, ids = np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)
        real = scores != np.inf
        offsets = np.zeros(len(scores) + 1, np.int64)
        np.cumsum(real.sum(1), out=offsets[1:])
        n = offsets[-1]
        self.scores[:n], self.ids[:n] = scores[real], ids[real]
        given = (offsets, self.scores[:n], self.ids[:n])
        self.merge.merge_topk(self.scratch, len(scores), *given, self.least, self.named)
        return self.named[0].astype(np.int64), self.least[0].copy()
