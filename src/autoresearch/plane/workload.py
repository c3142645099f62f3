"""The reference workload of acceptance: clustered vectors of 768 dimensions, and true neighbours.

Knows an index and numpy; nothing of kernels or clocks. The same `n` gives the same index, anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..index.rabitq import IndexRaBitQ
from .model import F32, I64

DIM, K, RERANK = 768, 10, 20
QUERIES = 200
CLUSTERS = 1024
SPREAD = np.float32(0.5)  # of a cluster, where centres have a spread of 1
BLOCK = 50_000  # vectors at a time: 150 MB
SEED = 20_240_609


@dataclass(frozen=True, slots=True)
class Built:
    """An index, queries f32[QUERIES, DIM], and their true ids i64[QUERIES, K]."""

    index: IndexRaBitQ
    queries: F32
    truth: I64


def blocks(n: int) -> Iterator[F32]:
    """The n vectors, in blocks; a block has a seed of its own."""
    centres = np.random.default_rng(SEED).standard_normal((CLUSTERS, DIM), np.float32)
    for number, at in enumerate(range(0, n, BLOCK)):
        yield _around(centres, min(BLOCK, n - at), np.random.default_rng((SEED, number)))


def _around(centres: F32, count: int, rng: np.random.Generator) -> F32:
    x = rng.standard_normal((count, DIM), np.float32)
    x *= SPREAD
    x += centres[rng.integers(0, CLUSTERS, count)]
    return x


def build(n: int, kernel: str, tell: Callable[[str], None]) -> Built:
    """The index of n vectors with `kernel` enabled, and what its queries should find. A query lies
    near a vector: half as far as another of its cluster."""
    index = IndexRaBitQ(DIM, RERANK, kernels=(kernel,))
    queries, best = np.empty((0, DIM), np.float32), _Best()
    for x in blocks(n):
        if not index.is_trained:
            rng = np.random.default_rng((SEED, n))
            noise = rng.standard_normal((QUERIES, DIM), np.float32)
            queries = x[rng.integers(0, len(x), QUERIES)] + SPREAD / 2 * noise
            index.train(x)
        best.see(queries, x, index.ntotal)
        index.add(x)
        tell(f"building: {index.ntotal:,} of {n:,} vectors")
    return Built(index, queries, best.ids)


class _Best:
    """The nearest so far, by blocks."""

    def __init__(self) -> None:
        self.ids: I64 = np.empty((QUERIES, 0), np.int64)
        self._scores: NDArray[np.float32] = np.empty((QUERIES, 0), np.float32)

    def see(self, queries: F32, x: F32, first: int) -> None:
        """|x|^2 - 2 q x orders as |q - x|^2 does."""
        scores = np.einsum("ij,ij->i", x, x) - 2 * (queries @ x.T)
        near = np.argpartition(scores, min(K, len(x)) - 1, axis=1)[:, :K]
        self._scores = np.hstack([self._scores, np.take_along_axis(scores, near, 1)])
        self.ids = np.hstack([self.ids, near + first])
        order = np.argsort(self._scores, axis=1, kind="stable")[:, :K]
        self._scores = np.take_along_axis(self._scores, order, 1)
        self.ids = np.take_along_axis(self.ids, order, 1)
