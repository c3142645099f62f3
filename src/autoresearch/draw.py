"""Input distributions that targets share, deterministic given the generator.

Knows shapes and distributions; nothing of targets, kernels or where the seed comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Shape = tuple[int, ...]

_ONE_THREAD = 1 << 18  # multiply-adds: OpenBLAS wakes no second thread for a product this small


def floats(rng: Generator, shape: Shape, dist: str) -> F32:
    """f32 values of a named distribution (`FLOATS`); vectors lie along the last axis."""
    return np.ascontiguousarray(FLOATS[dist](rng, shape), np.float32)


def codes(rng: Generator, shape: Shape, levels: int, dist: str) -> U8:
    """Integers below `levels` (at most 256) of a named distribution (`CODES`)."""
    return np.asarray(CODES[dist](rng, shape, levels), np.uint8)


def codebook(rng: Generator, sample: F32, m: int, k: int, rounds: int = 3) -> F32:
    """f32[m, k, ds]: k centroids for each of m slices of the sample's f32[s, m * ds] vectors.

    Lloyd's algorithm from k random members; a centroid that attracts nothing stays where it was.
    """
    slices = _slices(sample, m)
    size = len(sample)
    centres = slices[:, rng.choice(size, k, replace=size < k)]
    for _ in range(rounds):
        for j in range(m):
            _settle(centres[j], slices[j])
    return np.ascontiguousarray(centres)


def encode(book: F32, vectors: F32) -> U8:
    """u8[s, m]: the nearest centroid of each slice of each vector."""
    m = len(book)
    slices = _slices(vectors, m)
    out = np.empty((len(vectors), m), np.uint8)
    for j in range(m):
        out[:, j] = _nearest(book[j], slices[j])
    return out


def resample(rng: Generator, rows: U8, n: int, mutated: float = 0.3) -> U8:
    """u8[n, m]: rows drawn from `rows` in which a share of the codes comes from another row.

    Each column keeps its own frequencies, hence n may far exceed the rows that were encoded.
    """
    first, other = rng.integers(0, len(rows), (2, n))
    swapped = rng.integers(0, 256, (n, rows.shape[1]), dtype=np.uint8) < int(256 * mutated)
    out: U8 = rows[first]
    np.copyto(out, rows[other], where=swapped)
    return out


def _clustered(rng: Generator, shape: Shape) -> NDArray[Any]:
    centres = rng.standard_normal((200, shape[-1]), np.float32)
    return centres[rng.integers(0, 200, shape[:-1])] + _normal(rng, shape) * np.float32(0.5)


def _normal(rng: Generator, shape: Shape) -> F32:
    return rng.standard_normal(shape, np.float32)


def _uniform(rng: Generator, shape: Shape) -> F32:
    return rng.random(shape, np.float32)


def _wide(rng: Generator, shape: Shape) -> NDArray[Any]:
    return _normal(rng, shape) * np.exp2(rng.integers(-30, 31, shape)).astype(np.float32)


def _outlier(rng: Generator, shape: Shape) -> F32:
    out = _normal(rng, shape)
    out[..., shape[-1] // 2] *= np.float32(1000)
    return out


def _masked(share: float) -> Callable[[Generator, Shape], NDArray[Any]]:
    return lambda rng, shape: _normal(rng, shape) * (rng.random(shape, np.float32) < share)


FLOATS: dict[str, Callable[[Generator, Shape], NDArray[Any]]] = {
    "normal": _normal,
    "uniform": _uniform,
    "clustered": _clustered,
    "sparse": _masked(0.1),
    "mostly_zero": _masked(0.01),
    "wide": _wide,
    "outlier": _outlier,
    "zero": lambda rng, shape: np.zeros(shape, np.float32),
}

CODES: dict[str, Callable[[Generator, Shape, int], NDArray[Any]]] = {
    "uniform": lambda rng, shape, levels: rng.integers(0, levels, shape, np.uint8, endpoint=False),
    "skewed": lambda rng, shape, levels: levels * rng.random(shape) ** 4,
    "few": lambda rng, shape, levels: rng.choice(rng.integers(0, levels, 3), shape),
    "constant": lambda rng, shape, levels: np.full(shape, levels - 1),
}


def _slices(vectors: F32, m: int) -> F32:
    """f32[m, s, ds], each slice contiguous."""
    return np.ascontiguousarray(vectors.reshape(len(vectors), m, -1).swapaxes(0, 1))


def _nearest(centres: F32, points: F32) -> NDArray[np.intp]:
    """argmin |p - c|^2 = argmin (|c|^2 - 2 p.c), in blocks that stay in cache."""
    folded = (-2 * centres).T
    norms = (centres * centres).sum(-1)
    rows = max(1, _ONE_THREAD // centres.size)
    out = np.empty(len(points), np.intp)
    scores = np.empty((min(rows, len(points)), len(centres)), np.float32)
    for start in range(0, len(points), rows):
        block = points[start : start + rows]
        part = scores[: len(block)]
        np.matmul(block, folded, out=part)
        part += norms
        part.argmin(axis=1, out=out[start : start + rows])
    return out


def _settle(centres: F32, points: F32) -> None:
    """One round: every centre that attracts points moves to their mean."""
    nearest = _nearest(centres, points)
    count = np.bincount(nearest, minlength=len(centres))
    sums = [np.bincount(nearest, column, len(centres)) for column in points.T]
    kept = count > 0
    centres[kept] = (np.stack(sums, axis=1)[kept] / count[kept, None]).astype(np.float32)
