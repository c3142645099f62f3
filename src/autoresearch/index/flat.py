"""Exact search over all vectors, by squared distance or inner product, with faiss's names.

Knows its vectors and the engine; nothing of how a kernel finds what is near.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Self

import numpy as np

from ..errors import Refusal
from . import arguments, engine, storage
from .arguments import F32, I64
from .lists import Packed

MATRIX = 1 << 26  # bytes of scores that are held at once
SOME = 256  # vectors
MODES = ("auto", "matrix", "chunked")


class _Flat(arguments.Threaded):
    """What both metrics share: vectors by number, in the order they were added."""

    kind = ""
    is_trained = True
    missing = np.float32(np.inf)

    def __init__(self, d: int) -> None:
        self.d = arguments.components(d)
        self._parts: list[F32] = []
        self._packed: Packed | None = None

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: vectors and settings; what was packed is packed anew."""
        return vars(self) | {"_packed": None}

    @property
    def ntotal(self) -> int:
        return sum(map(len, self._parts))

    @property
    def x(self) -> F32:
        """All vectors, f32[ntotal, d]."""
        if len(self._parts) != 1:
            self._parts = [np.concatenate([np.empty((0, self.d), np.float32), *self._parts])]
        return self._parts[0]

    def train(self, x: Any) -> None:
        """Nothing to learn; the vectors are checked all the same."""
        arguments.vectors(x, self.d)

    def add(self, x: Any) -> None:
        """Vectors f32[n, d], numbered from ntotal on; they are copied."""
        self._parts.append(arguments.vectors(x, self.d).copy())
        self._packed = None

    def add_with_ids(self, *_: Any) -> None:
        """Refused as by faiss: numbers are places here."""
        what = f"{type(self).__name__} numbers its vectors itself."
        raise Refusal(what, "Use add(), or an IndexIVFFlat, which keeps ids.")

    def reset(self) -> None:
        self._parts, self._packed = [], None

    def reconstruct(self, i: int) -> F32:
        """A copy of vector `i`."""
        return np.array(self.x[arguments.row(i, self.ntotal)])

    def save(self, path: str | os.PathLike[str]) -> None:
        storage.save(path, {"kind": self.kind, "d": self.d}, {"x": self.x})

    @classmethod
    def restored(cls, head: dict[str, Any], arrays: dict[str, Any]) -> Self:
        """The index of a file; its vectors stay in the file until they are read."""
        made = cls(head["d"])
        made._parts = [arrays["x"]]
        return made

    def _asked(self, q: Any, k: Any) -> tuple[F32, int]:
        return arguments.vectors(q, self.d, "q"), arguments.count(k)


class IndexFlatL2(_Flat):
    """The nearest by squared distance: one inverted list that all queries probe, in the kernel of
    ivf-flat."""

    kind = "flat-l2"

    def search(self, q: Any, k: int) -> tuple[F32, I64]:
        """Squared distances f32[nq, k] and numbers i64[nq, k] of the nearest of q f32[nq, d],
        nearest first; inf and -1 where there are fewer than k."""
        q, k = self._asked(q, k)
        if self._packed is None:
            self._packed = _one_list(self.x)
        dists, ids = np.empty((len(q), k), np.float32), np.empty((len(q), k), np.int64)
        _, run = engine.listed()
        held, probes = self._packed, np.zeros((len(q), 1), np.int64)
        call = partial(run, held.state, *held.named, 0.0)
        engine.share(call, (q, probes, ids, dists), self.num_threads, max(1, len(q)))
        return dists, ids

    def range_search(self, q: Any, radius: float) -> tuple[I64, F32, I64]:
        """All vectors at a squared distance below `radius`: limits i64[nq + 1], then distances and
        numbers, those of query i from limits[i] to limits[i + 1] - 1."""
        from .loops import distances
        from .ranges import in_range

        q, near = arguments.vectors(q, self.d, "q"), arguments.limit(radius)
        return in_range(q, self.x, distances, lambda found: found < near)


def _one_list(x: F32) -> Packed:
    """x as a list; its centre is the median of some, which no single huge component moves."""
    n, d = x.shape
    some = x[:: max(1, n // SOME)] if n else np.zeros((1, d), np.float32)
    return Packed(x, np.arange(n), np.array([0, n, n]), np.median(some, 0, keepdims=True))


class IndexFlatIP(_Flat):
    """The greatest inner products, by matrix products of numpy's BLAS and a selection over them.

    `search_mode`: `matrix` makes all scores at once, `chunked` at most 64 MB of them, `auto` is the
    one that fits.
    """

    kind = "flat-ip"
    missing = np.float32(-np.inf)

    def __init__(self, d: int) -> None:
        super().__init__(d)
        self.search_mode = "auto"

    def search(self, q: Any, k: int) -> tuple[F32, I64]:
        """Products f32[nq, k] and numbers i64[nq, k], greatest first; -inf and -1 where there are
        fewer than k."""
        q, k = self._asked(q, k)
        ids = np.full((len(q), k), -1, np.int64)
        best = np.full((len(q), k), self.missing, np.float32)

        def part(begin: int, end: int) -> None:
            at = slice(begin, end)
            self._part(q[at], ids[at], best[at])

        engine.spread(part, len(q), self.num_threads)
        return best, ids

    def _part(self, q: F32, ids: I64, best: F32) -> None:
        from .loops import keep_greatest

        queries, columns = self._block(len(q))
        for i in range(0, len(q), queries):
            for j in range(0, self.ntotal, columns):
                scores = q[i : i + queries] @ self.x[j : j + columns].T
                keep_greatest(scores, j, ids[i : i + queries], best[i : i + queries])

    def _block(self, nq: int) -> tuple[int, int]:
        """Queries and vectors whose scores are made at once."""
        if self.search_mode not in MODES:
            what = f"search_mode is {self.search_mode!r}."
            raise Refusal(what, f"Choose one of {', '.join(MODES)}.")
        fits = 4 * nq * self.ntotal <= MATRIX
        if self.search_mode == "matrix" or (self.search_mode == "auto" and fits):
            return max(1, nq), max(1, self.ntotal)
        queries = min(max(1, nq), 1024)
        return queries, max(1, MATRIX // (4 * queries))

    def range_search(self, q: Any, radius: float) -> tuple[I64, F32, I64]:
        """All vectors whose product exceeds `radius`; as of IndexFlatL2."""
        from .loops import products
        from .ranges import in_range

        q, near = arguments.vectors(q, self.d, "q"), arguments.limit(radius)
        return in_range(q, self.x, products, lambda found: found > near)
