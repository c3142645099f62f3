"""Inverted lists: vectors packed list after list, new ones waiting until they are next needed.

Knows vectors, ids and lists; nothing of how lists are chosen or searched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from . import engine
from .arguments import F32, I64


@dataclass(frozen=True)
class Packed:
    """List l is vectors[offsets[l]] to vectors[offsets[l + 1] - 1]; the last list is empty, and
    stands for a probe that was dropped.

    vectors f32[n, d], ids i64[n], offsets i64[nlist + 2], centres f32[nlist, d].
    """

    vectors: F32
    ids: I64
    offsets: I64
    centres: F32

    @cached_property
    def nowhere(self) -> int:
        """The number of the list that is empty."""
        return len(self.offsets) - 2

    @cached_property
    def sizes(self) -> I64:
        return np.diff(self.offsets)

    @cached_property
    def state(self) -> Any:
        """What the kernel of ivf-flat scans; it answers with places."""
        prepare, _ = engine.listed()
        extra = np.zeros((1, self.centres.shape[1]), np.float32)
        centres = np.concatenate([self.centres, extra])
        return prepare(
            np.ascontiguousarray(self.vectors), np.arange(len(self.ids)), self.offsets, centres
        )

    @cached_property
    def radii(self) -> F32:
        """The distance f32[nlist + 1] of each list's furthest vector from its centre, rounded up;
        0 for an empty list."""
        from .loops import radii

        found = np.zeros(len(self.sizes), np.float32)
        radii(self.vectors, self.offsets, self.centres, found)
        return found

    @classmethod
    def of(cls, x: F32, ids: I64, labels: I64, centres: F32) -> Packed:
        """x f32[n, d] sorted by list, those of one list in the order they came."""
        from .loops import scatter

        sizes = np.bincount(labels, minlength=len(centres) + 1)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        vectors, order = np.empty_like(x), np.empty(len(x), np.int64)
        scatter(x, labels, offsets[:-1].copy(), vectors, order)
        return cls(vectors, ids[order], offsets, centres)

    @property
    def labels(self) -> I64:
        """The list i64[n] of each vector."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


@dataclass
class Lists:
    """What was packed, and what waits: (x, ids, labels) of every add since."""

    packed: Packed
    waiting: list[tuple[F32, I64, I64]] = field(default_factory=list)
    _packing: Lock = field(default_factory=Lock)

    @classmethod
    def empty(cls, centres: F32) -> Lists:
        none = np.empty(0, np.int64)
        offsets = np.zeros(len(centres) + 2, np.int64)
        x = np.empty((0, centres.shape[1]), np.float32)
        return cls(Packed(x, none, offsets, centres))

    @property
    def total(self) -> int:
        return len(self.packed.ids) + sum(len(ids) for _, ids, _ in self.waiting)

    def ready(self) -> Packed:
        """All of them, packed: the cost of one copy after an add, nothing after that."""
        with self._packing:  # of several searches the first packs
            if self.waiting:
                self._pack()
            return self.packed

    def _pack(self) -> None:
        old = self.packed
        parts = [(old.vectors, old.ids, old.labels), *self.waiting]
        x, ids, labels = (np.concatenate(some) for some in zip(*parts, strict=True))
        self.packed, self.waiting = Packed.of(x, ids, labels, old.centres), []
