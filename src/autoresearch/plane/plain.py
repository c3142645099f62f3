"""The `cpu` kernel's code: the definition of a scan in plain scalar loops, right everywhere.

Knows the seed of rabitq for its products; nothing of vectors or accelerators.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..compiled import kept
from ..kernels import seed

_scan = seed("rabitq").scan
prepare = seed("rabitq").prepare


@njit(nogil=True)
def answer(state, index, request, response):
    """Fill a response of a request, both as tuples of their arrays in order."""
    squares, scales, ones, vectors = index
    queries, planes, coefs = request
    candidates, ids, dists = response
    products = np.empty(squares.size, np.uint32)
    estimates = np.empty(candidates.shape[1], np.float64)
    for r in range(queries.shape[0]):
        _scan(state, planes[r], products)
        estimates[:] = np.inf
        for i in range(products.size):
            found = estimate(products[i], squares[i], scales[i], ones[i], coefs[r])
            if found < estimates[0]:
                enter(candidates[r], estimates, i, found)
        in_order(candidates[r])
        for i in candidates[r]:
            if i >= 0:
                insert(ids[r], dists[r], i, distance(queries[r], vectors[i]))


@njit(nogil=True)
def estimate(product, square, scale, ones, coefs):
    """The estimate of one code, as `ScanRequest` defines it."""
    ahead = np.float64(coefs[0]) * np.float64(product) + np.float64(coefs[1]) * np.float64(ones)
    x = np.float32(ahead + np.float64(coefs[2]))
    return np.float64(square) - np.float64(scale) * np.float64(x)


@njit(nogil=True)
def enter(ids, estimates, i, found):
    """Put (found, i) in place of the first of a heap, its greatest by (estimate, id)."""
    at, size = 0, ids.size
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _after(estimates, ids, child + 1, child):
            child += 1
        if not (estimates[child] > found or (estimates[child] == found and ids[child] > i)):
            break
        ids[at], estimates[at] = ids[child], estimates[child]
        at = child
    ids[at], estimates[at] = i, found


@njit(nogil=True)
def _after(estimates, ids, a, b):
    return estimates[a] > estimates[b] or (estimates[a] == estimates[b] and ids[a] > ids[b])


@njit(nogil=True)
def in_order(ids):
    """Sort ids i64[n], -1 behind all others (Shell 1959; numba takes seconds to compile a sort)."""
    keys = ids.view(np.uint64)  # where -1 is the greatest
    gap = keys.size // 2
    while gap > 0:
        for i in range(gap, keys.size):
            key, at = keys[i], i
            while at >= gap and keys[at - gap] > key:
                keys[at] = keys[at - gap]
                at -= gap
            keys[at] = key
        gap //= 2


@njit(nogil=True)
def distance(q, v):
    """|q - v|^2 in the order that `ScanResponse` defines."""
    sums = np.zeros(8, np.float64)
    for j in range(q.size):
        gap = np.float64(np.float32(q[j] - v[j]))
        sums[j % 8] += gap * gap  # exact: 24 bits squared are 48
    for half in (4, 2, 1):
        for lane in range(half):
            sums[lane] += sums[lane + half]
    return np.float32(sums[0])


@njit(nogil=True)
def insert(ids, dists, i, dist):
    """Let (dist, i) enter a sorted row, if it belongs there; ids come rising: ties stay behind."""
    at = ids.size - 1
    if dist < dists[at]:
        while at > 0 and dists[at - 1] > dist:
            ids[at], dists[at] = ids[at - 1], dists[at - 1]
            at -= 1
        ids[at], dists[at] = i, dist


kept(globals())
