"""The nearest partitions of an inverted file, with knobs that are real choices: how many queries and
blocks a tile of products takes, how many sums are kept apart, how wide a register is, and how much
passes over all queries at once. The selection is plain: what is below the last of the best moves
to its place."""

import numpy as np
from autoresearch import simd
from numba import njit

TARGET = "ivf-partition"
OP = "select"
SHAPES = (
    {"nq": 1, "nlist": 1024, "d": 128, "nprobe": 16, "dist": "clustered"},
    {"nq": 16, "nlist": 1024, "d": 128, "nprobe": 16, "dist": "normal"},
    {"nq": 16, "nlist": 2048, "d": 64, "nprobe": 32, "dist": "uniform"},
    {"nq": 4, "nlist": 512, "d": 768, "nprobe": 8, "dist": "sparse"},
)
KNOBS = {
    "rows": (4, 1, 2, 8),
    "depth": (1, 2, 4),
    "blocks": (2, 1, 4),
    "lanes": (16, 8),
    "stretch": (131072, 16384, 1048576),
}
ROWS = KNOBS["rows"][0]  # queries of a tile
DEPTH = KNOBS["depth"][0]  # sums of each product that are kept apart
BLOCKS = KNOBS["blocks"][0]  # of vectors in a tile
LANES = KNOBS["lanes"][0]  # vectors of a block
STRETCH = KNOBS["stretch"][0]  # bytes of panels that pass over all queries
F32 = {8: simd.f32x8, 16: simd.f32x16}[LANES]
SUMS = ROWS * BLOCKS
MANY = SUMS * DEPTH
MORE = DEPTH - 1
TILE = BLOCKS * LANES


@njit
def prepare(centroids):
    """Panels f32[blocks, d, LANES] of the centroids, their norms, and how many there are; pads are
    at distance inf."""
    n, d = centroids.shape
    blocks = (n + TILE - 1) // TILE * BLOCKS
    panels = np.zeros((blocks, d, LANES), np.float32)
    norms = np.full((blocks, LANES), np.inf, np.float32)
    for i in range(n):
        b, lane, total = i // LANES, i % LANES, np.float32(0)
        for j in range(d):
            panels[b, j, lane] = centroids[i, j]
            total += centroids[i, j] * centroids[i, j]
        norms[b, lane] = total
    return panels, norms, n


@njit
def scratch(state):
    return np.empty((ROWS, TILE), np.float32), np.empty(ROWS, np.int64)


@njit
def select(state, scratch, q, nprobe, ids, dists):
    panels, norms, _ = state
    out, at = scratch
    nq, d = q.shape
    ids[:], dists[:] = -1, np.inf
    step = max(1, STRETCH // (4 * TILE * d)) * BLOCKS
    for b0 in range(0, panels.shape[0], step):
        for i in range(0, nq, ROWS):
            for r in range(ROWS):
                at[r] = min(i + r, nq - 1) * d
            for b in range(b0, min(b0 + step, panels.shape[0]), BLOCKS):
                products(panels, norms, b, q, at, out)
                for r in range(min(ROWS, nq - i)):
                    for k in simd.unroll(BLOCKS):
                        score = simd.load(F32, out, (r, k * LANES))
                        if simd.any(score < dists[i + r, nprobe - 1]):
                            offer(out, r, k * LANES, (b + k) * LANES, ids[i + r], dists[i + r])
    for i in range(nq):
        size = np.float32(0)
        for j in range(d):
            size += q[i, j] * q[i, j]
        for p in range(nprobe):
            dists[i, p] = max(np.float32(0), dists[i, p] + size)


@njit
def products(panels, norms, b, q, at, out):
    """out[r, :TILE] = |c|^2 - 2 q.c of ROWS queries with the vectors of BLOCKS blocks from b on."""
    d = panels.shape[1]
    deep = d - d % DEPTH
    sums = simd.repeat(simd.zero(F32), MANY)
    for j in range(0, deep, DEPTH):
        for e in simd.unroll(DEPTH):
            for r in simd.unroll(ROWS):
                factor = simd.splat(F32, simd.load(np.float32, q, at[r] + j + e))
                for k in simd.unroll(BLOCKS):
                    s = SUMS * e + BLOCKS * r + k
                    vector = simd.load(F32, panels, (b + k, j + e, 0))
                    sums = simd.put(sums, s, simd.fma(factor, vector, sums[s]))
    for j in range(deep, d):
        for r in simd.unroll(ROWS):
            factor = simd.splat(F32, simd.load(np.float32, q, at[r] + j))
            for k in simd.unroll(BLOCKS):
                s = BLOCKS * r + k
                vector = simd.load(F32, panels, (b + k, j, 0))
                sums = simd.put(sums, s, simd.fma(factor, vector, sums[s]))
    for r in simd.unroll(ROWS):
        for k in simd.unroll(BLOCKS):
            total = sums[BLOCKS * r + k]
            for e in simd.unroll(MORE):
                total += sums[SUMS * (e + 1) + BLOCKS * r + k]
            norm = simd.load(F32, norms, (b + k, 0))
            simd.store(out, (r, k * LANES), norm - (total + total))


@njit
def offer(out, r, begin, place, ids, dists):
    """Puts what is below the last of the best in its place among them."""
    last = dists.size - 1
    for lane in range(LANES):
        score = out[r, begin + lane]
        if score < dists[last]:
            p = last
            while p > 0 and dists[p - 1] > score:
                dists[p], ids[p] = dists[p - 1], ids[p - 1]
                p -= 1
            dists[p], ids[p] = score, place + lane
