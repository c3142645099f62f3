"""One-bit codes of rotated vectors, scanned with a query of four bits, in plain scalar code.

RaBitQ (Gao and Long, SIGMOD 2024): bit j of code i is 1 where o = vectors[i] has o[j] >= 0. With q
rounded to low + step * u, u in 0..15, the distance |q - o|^2 is estimated as
|o|^2 + |q|^2 - 2 |o|^2 / sum_j |o[j]| * sum_j (low + step * u[j]) * (2 bit[j] - 1).
"""

import numpy as np
from numba import njit

KEPT = 200  # best estimates whose distances are computed, twenty for each of the ten answers


@njit
def prepare(codes, vectors):
    """codes u64[n, w], bit j in word j // 64, least first; vectors f32[n, 64 * w] for search, none
    for scan -> state, any layout."""
    factors = np.zeros((vectors.shape[0], 3), np.float32)
    for i in range(vectors.shape[0]):
        square, total = np.float32(0), np.float32(0)
        for o in vectors[i]:
            square += o * o
            total += abs(o)
        factors[i, 0] = square
        factors[i, 1] = 2 * square / total if total > 0 else 0
        for word in codes[i]:
            factors[i, 2] += _ones(word)
    return codes.copy(), vectors.copy(), factors


@njit
def scratch(state):
    """Working memory of one thread: the planes of a query, and the best estimates."""
    w = state[0].shape[1]
    return np.empty((4, w), np.uint64), np.empty(KEPT, np.int64), np.empty(KEPT, np.float32)


@njit
def scan(state, planes, products):
    """products[i] = sum_j bit[i, j] * u[j] for u in planes u64[4, w], plane p of weight 2^p."""
    codes = state[0]
    for i in range(codes.shape[0]):
        products[i] = _product(codes, i, planes)


@njit
def search(state, scratch, q, ids, dists):
    """For each row of q f32[nq, d] ten vectors near it, nearest first, in ids i64[nq, 10], with
    their squared distances f32[nq, 10]; id -1 at distance inf where n is less."""
    codes, vectors, factors = state
    planes, best, estimates = scratch
    ids[:] = -1
    dists[:] = np.inf
    for row in range(q.shape[0]):
        low, step, total = _quantise(q[row], planes)
        best[:] = -1
        estimates[:] = np.inf
        for i in range(codes.shape[0]):
            ones = step * np.float32(_product(codes, i, planes)) + low * factors[i, 2]
            _enter(best, estimates, KEPT, i, factors[i, 0] - factors[i, 1] * (2 * ones - total))
        for i in best:
            if i >= 0:
                dist = np.float32(0)
                for j in range(q.shape[1]):
                    dist += (q[row, j] - vectors[i, j]) ** 2
                _enter(ids[row], dists[row], 10, i, dist)
        for last in range(9, 0, -1):
            i, dist = ids[row, last], dists[row, last]
            ids[row, last], dists[row, last] = ids[row, 0], dists[row, 0]
            dists[row, 0] = np.inf
            _enter(ids[row], dists[row], last, i, dist)


@njit
def _quantise(q, planes):
    """Fill the planes of q; its low and step, and the sum of what it was rounded to."""
    low, total = q.min(), np.float32(0)
    step = (q.max() - low) / np.float32(15)
    planes[:] = 0
    for j in range(q.size):
        u = min(int((q[j] - low) / step + np.float32(0.5)), 15) if step > 0 else 0
        total += low + step * np.float32(u)
        for p in range(4):
            planes[p, j // 64] |= np.uint64(u >> p & 1) << np.uint64(j % 64)
    return low, step, total


@njit
def _product(codes, i, planes):
    product = np.uint64(0)
    for p in range(4):
        for w in range(codes.shape[1]):
            product += _ones(codes[i, w] & planes[p, w]) << np.uint64(p)
    return product


@njit
def _ones(word):
    """How many bits of a word are set, by sums of fields of 1, 2 and 4 bits."""
    fours = np.uint64(0x3333333333333333)
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & fours) + ((word >> np.uint64(2)) & fours)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@njit
def _enter(ids, dists, size, i, dist):
    """Let i replace the first of a heap, its furthest, if it is nearer."""
    if dist < dists[0]:
        at = 0
        while 2 * at + 1 < size:
            child = 2 * at + 1
            child += child + 1 < size and dists[child + 1] > dists[child]
            if dists[child] <= dist:
                break
            ids[at], dists[at] = ids[child], dists[child]
            at = child
        ids[at], dists[at] = i, dist
