"""Inverted lists: vectors packed list after list, new ones waiting until they are next needed.

Knows vectors, ids and lists; nothing of how lists are chosen or searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from . import engine
from .arguments import F32, I64

Part = tuple[Any, I64, I64]  # rows [n, width], ids i64[n], lists i64[n]


class Runs:
    """Rows sorted by list: list l is rows offsets[l] to offsets[l + 1] - 1; the last list is empty,
    and stands for a probe that was dropped. ids i64[n], offsets i64[nlist + 2]."""

    ids: I64
    offsets: I64

    @cached_property
    def nowhere(self) -> int:
        """The number of the list that is empty."""
        return len(self.offsets) - 2

    @cached_property
    def named(self) -> tuple[I64, I64]:
        """Offsets and ids, read-only as those of a file are: one compiled form serves both."""
        return shown(self.offsets), shown(self.ids)

    @cached_property
    def sizes(self) -> I64:
        return np.diff(self.offsets)

    @property
    def labels(self) -> I64:
        """The list i64[n] of each row."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


@dataclass(frozen=True)
class Packed(Runs):
    """Lists of vectors f32[n, d], with centres f32[nlist, d]."""

    vectors: F32
    ids: I64
    offsets: I64
    centres: F32

    @cached_property
    def state(self) -> Any:
        """What the kernel of ivf-flat scans; it answers with places."""
        prepare, _ = engine.listed()
        extra = np.zeros((1, self.centres.shape[1]), np.float32)
        centres = np.concatenate([self.centres, extra])
        vectors = shown(np.ascontiguousarray(self.vectors))  # kept as they are, beside their codes
        return prepare(vectors, np.arange(len(self.ids)), self.offsets, centres)

    @cached_property
    def radii(self) -> F32:
        """The distance f32[nlist + 1] of each list's furthest vector from its centre, rounded up;
        0 for an empty list."""
        from .loops import radii

        found = np.zeros(len(self.sizes), np.float32)
        radii(self.vectors, self.offsets, self.centres, found)
        return found

    @property
    def rows(self) -> F32:
        return self.vectors

    def holding(self, parts: Sequence[Part]) -> Packed:
        """What these parts hold, sorted by list."""
        vectors, ids, offsets = sort(parts, len(self.centres))
        return replace(self, vectors=vectors, ids=ids, offsets=offsets)

    def emptied(self) -> Packed:
        return self.empty(self.centres)

    @classmethod
    def empty(cls, centres: F32) -> Packed:
        none = np.empty(0, np.int64)
        x = np.empty((0, centres.shape[1]), np.float32)
        return cls(x, none, np.zeros(len(centres) + 2, np.int64), centres)


def shown(array: Any) -> Any:
    """A read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view


def sort(parts: Sequence[Part], nlist: int) -> tuple[Any, I64, I64]:
    """Rows [n, width] and ids sorted by list, those of one list in the order they came; offsets."""
    from .loops import scatter

    sizes = sum(np.bincount(labels, minlength=nlist + 1) for _, _, labels in parts)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    first, _, _ = parts[0]
    rows = np.empty((offsets[-1], first.shape[1]), first.dtype)
    names, places = np.empty(len(rows), np.int64), offsets[:-1].copy()
    for some, ids, labels in parts:
        scatter(shown(some), shown(ids), labels, places, rows, names)
    return rows, names, offsets


@dataclass
class Lists:
    """What was packed, and what waits: the part of every add since."""

    packed: Any
    waiting: list[Part] = field(default_factory=list)
    _packing: Lock = field(default_factory=Lock)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy: all packed, without what was derived from it."""
        return Lists, (replace(self.ready()),)

    @property
    def total(self) -> int:
        return len(self.packed.ids) + sum(len(ids) for _, ids, _ in self.waiting)

    def add(self, part: Part) -> None:
        """Takes copies: to where they belong if they are as many as all before, which costs no
        more than keeping them would; else until they are needed."""
        rows, ids, labels = part
        if not self.waiting and len(ids) >= len(self.packed.ids):
            self._pack([part])
        else:
            self.waiting.append((rows.copy(), ids, labels))

    def ready(self) -> Any:
        """All of them, packed: the cost of one copy after an add, nothing after that."""
        if self.waiting:
            with self._packing:  # of several searches the first packs
                if self.waiting:
                    self._pack(self.waiting)
                    self.waiting = []  # last: who sees nothing wait may take what is packed
        return self.packed

    def _pack(self, parts: Sequence[Part]) -> None:
        old = self.packed
        held = [(old.rows, old.ids, old.labels)] if len(old.ids) else []
        self.packed = old.holding([*held, *parts])
