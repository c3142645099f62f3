"""From vectors to one-bit codes, and from queries to four bits: the same bits on every machine.

RaBitQ (Gao and Long, SIGMOD 2024). Signs and sums only, in an order written down here: no BLAS or
LAPACK, whose last bits depend on the library, the processor and the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..compiled import kept

ROUNDS = 4  # of signs and transforms; with two a single spike still shows at some dimensions


def signs(dim: int, seed: int) -> np.ndarray:
    """The random rotation of vectors of `dim` components: f32[ROUNDS, width], each -1 or 1, width
    the next multiple of 64."""
    rng = np.random.Generator(np.random.PCG64(seed))
    bits = rng.integers(0, 2, (ROUNDS, -(-dim // 64) * 64), dtype=np.int8)
    return (2 * bits - 1).astype(np.float32)


@njit(nogil=True)
def rotate(x, centre, signs, out):
    """out f32[n, width] = the rotated x f32[n, d] - centre f32[d], zeros beyond d.

    Every round flips signs, then applies a normalised Hadamard transform to the longest head and
    the longest tail whose lengths are a power of two, so that together they reach everything; as
    the rotator of the RaBitQ library (github.com/VectorDB-NTU/RaBitQ-Library) does by turns.
    """
    width = out.shape[1]
    size = 1
    while 2 * size <= width:
        size *= 2
    for i in range(x.shape[0]):
        row = out[i]
        row[x.shape[1] :] = 0
        for j in range(x.shape[1]):
            row[j] = x[i, j] - centre[j]
        for flips in signs:
            for j in range(width):
                row[j] *= flips[j]
            _hadamard(row[:size])
            if size < width:
                _hadamard(row[width - size :])


@njit(nogil=True)
def _hadamard(x):
    """x f32[2^m] to its normalised Walsh-Hadamard transform, in place."""
    half = 1
    while half < x.size:
        for start in range(0, x.size, 2 * half):
            for j in range(start, start + half):
                a, b = x[j], x[j + half]
                x[j], x[j + half] = a + b, a - b
        half *= 2
    scale = np.float32(1 / np.sqrt(x.size))
    for j in range(x.size):
        x[j] *= scale


@njit(nogil=True)
def encode(rotated, codes, squares, scales, ones):
    """The code and the factors (see `Snapshot`) of each row of rotated f32[n, 64 * w]."""
    for i in range(rotated.shape[0]):
        square, total, count = 0.0, 0.0, 0
        codes[i] = 0
        for j in range(rotated.shape[1]):
            o = np.float64(rotated[i, j])
            square += o * o  # exact products of f32 in f64: fusing changes nothing
            total += abs(o)
            codes[i, j // 64] |= np.uint64(o >= 0) << np.uint64(j % 64)
            count += o >= 0
        squares[i] = square
        scales[i] = 2 * square / total if total > 0 else 0
        ones[i] = count


@njit(nogil=True)
def quantise(rotated, planes, coefs):
    """The four planes and the coefficients (see `ScanRequest`) of each row of rotated."""
    for r in range(rotated.shape[0]):
        q, total = rotated[r], 0.0
        low = q.min()
        step = (q.max() - low) / np.float32(15)
        planes[r] = 0
        for j in range(q.size):
            u = min(int((q[j] - low) / step + np.float32(0.5)), 15) if step > 0 else 0
            total += np.float64(low) + np.float64(step) * u
            for p in range(4):
                planes[r, p, j // 64] |= np.uint64(u >> p & 1) << np.uint64(j % 64)
        coefs[r, 0] = 2 * step
        coefs[r, 1] = 2 * low
        coefs[r, 2] = -total


kept(globals())
