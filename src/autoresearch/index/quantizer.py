"""A product quantiser: what its centroids are, how they are learnt, what codes stand for.

Knows vectors and codes; nothing of lists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import clusters, engine
from .arguments import F32, I64

U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Quantizer:
    """centroids f32[M, K, ds], K <= 256: vector i is centroids[m, codes[i, m]], side by side."""

    centroids: F32

    @cached_property
    def columns(self) -> F32:
        """f32[M, ds, 256]: what the loops multiply with."""
        M, K, ds = self.centroids.shape
        columns = aligned((M, ds, 256), np.float32)
        columns[:, :, :K] = self.centroids.transpose(0, 2, 1)
        return columns

    @cached_property
    def halves(self) -> F32:
        """f32[M, 256]: half of each centroid's square, inf where there is none."""
        M, K, _ = self.centroids.shape
        halves = np.full((M, 256), np.inf, np.float32)
        halves[:, :K] = (self.centroids * self.centroids).sum(2) / 2
        return halves

    def encode(self, x: F32, threads: int = 1) -> U8:
        """The codes u8[n, M] nearest to x f32[n, d]."""
        from .tables import encode

        codes = np.empty((len(x), len(self.centroids)), np.uint8)

        def part(begin: int, end: int) -> None:
            encode(self.columns, self.halves, x[begin:end], codes[begin:end])

        engine.spread(part, len(x), threads)
        return codes

    def decode(self, codes: U8) -> F32:
        """The vectors f32[n, d] that codes u8[n, M] stand for."""
        M, _, ds = self.centroids.shape
        found: F32 = self.centroids[np.arange(M), codes].reshape(len(codes), M * ds)
        return found

    @classmethod
    def learnt(cls, x: F32, M: int, K: int, seed: int, threads: int = 1) -> Quantizer:
        """K centroids for each of M slices of x f32[n, d], by k-means."""
        slices = x.reshape(len(x), M, -1).transpose(1, 0, 2)
        learnt = [
            clusters.kmeans(np.ascontiguousarray(one), K, seed + m, threads=threads, near=_near)
            for m, one in enumerate(slices)
        ]
        return cls(np.stack(learnt))


def _near(x: F32, centres: F32, threads: int) -> I64:
    """As engine.labels, for up to 256 centres of few components."""
    return Quantizer(centres[None]).encode(x, threads)[:, 0].astype(np.int64)


def aligned(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Zeros from a multiple of 64 on: no load straddles two lines of a cache."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(size + 64, np.uint8)
    begin = -room.ctypes.data % 64
    return room[begin : begin + size].view(dtype).reshape(shape)
