"""Vectors of sixteen: table entries side by side, sixteen rows at once, a mask of those that enter."""

import numpy as np
from autoresearch import simd
from numba import njit


@njit
def prepare(codebook, codes):
    """The codebook transposed and its rows padded to sixteen; the codes by blocks of sixteen."""
    M, K, ds = codebook.shape
    n = codes.shape[0]
    columns = np.zeros((M, ds, (K + 15) // 16 * 16), np.float32)
    for m in range(M):
        for k in range(K):
            for j in range(ds):
                columns[m, j, k] = codebook[m, k, j]
    blocks = np.zeros(((n + 15) // 16, M, 16), np.uint8)
    for i in range(n):
        for m in range(M):
            blocks[i // 16, m, i % 16] = codes[i, m]
    return columns, blocks, n, K


@njit
def scratch(state):
    columns, _, _, K = state
    return np.empty((columns.shape[0], K), np.float32)


@njit
def distance_table(state, q, table):
    columns, _, _, K = state
    M, ds, _ = columns.shape
    for m in range(M):
        for k in range(0, K, 16):
            total = simd.zero(simd.f32x16)
            for j in range(ds):
                gap = q[m * ds + j] - simd.load(simd.f32x16, columns, (m, j, k))
                total += gap * gap
            simd.store_masked(table, m * K + k, total, simd.first(simd.m16, K - k))


@njit(inline="always")
def distances(table, blocks, b):
    """Of the sixteen rows of block b."""
    total = simd.zero(simd.f32x16)
    for m in range(blocks.shape[1]):
        codes = simd.convert(simd.i32x16, simd.load(simd.u8x16, blocks, (b, m, 0)))
        total += simd.gather(table, codes + m * table.shape[1])
    return total


@njit
def compute_distances(state, table, out):
    _, blocks, n, _ = state
    for b in range(blocks.shape[0]):
        rows = simd.first(simd.m16, n - 16 * b)
        simd.store_masked(out, 16 * b, distances(table, blocks, b), rows)


@njit
def insert(ids, dists, i, total):
    at = ids.size - 1
    while at > 0 and dists[at - 1] > total:
        dists[at] = dists[at - 1]
        ids[at] = ids[at - 1]
        at -= 1
    dists[at] = total
    ids[at] = i


@njit
def search(state, scratch, q, ids, dists):
    _, blocks, n, _ = state
    distance_table(state, q, scratch)
    last = ids.size - 1
    ids[:] = -1
    dists[:] = np.inf
    for b in range(blocks.shape[0]):
        total = distances(scratch, blocks, b)
        near = (total < dists[last]) & simd.first(simd.m16, n - 16 * b)
        waiting = simd.bits(near)
        while waiting:
            lane = simd.ctz(waiting)
            waiting = simd.clear_lowest(waiting)
            value = simd.lane(total, lane)
            if value < dists[last]:
                insert(ids, dists, 16 * b + lane, value)
