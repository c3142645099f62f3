"""The nearest partitions of an inverted file: register tiles of products, and a pool for each query.

The squared distance splits as |q - c|^2 = |q|^2 + (|c|^2 - 2 q.c), and the bracket, here called the
score, ranks the centroids of one query at one multiply-add a component.

*Layout.* Vectors lie in blocks of LANES, transposed: panels[b, j, l] is component j of vector
b * LANES + l. A tile computes the scores of up to ROWS queries and two blocks in registers, with no
sum across lanes (a micro-kernel as in BLIS: Van Zee and van de Geijn, ACM TOMS 2015).

*Selection.* Each query has a pool with room for more than it wants. A score enters while it is
below the query's limit; a full pool is cut to about the best, which lowers the limit (the reservoir
of faiss/impl/ResultHandler.h). Only what remains at the end is ordered.

*Regimes.* Panels pass in stretches that stay in the second-level cache while all queries use them.
The fewer queries there are, the more sums of each are kept apart, to hide the latency of addition.
"""

import numpy as np
from autoresearch import simd
from numba import njit

WIDE = simd.has("avx512f")
LANES = 16 if WIDE else 8
ROWS = 8 if WIDE else 6  # by two blocks: 16 sums in 32 registers, 12 in 16
F32 = simd.f32x16 if WIDE else simd.f32x8
I32 = simd.i32x16 if WIDE else simd.i32x8
MASK = simd.m16 if WIDE else simd.m8
TILE = 2 * LANES  # vectors that a tile compares
KNOBS = {"stretch": (131072, 65536, 262144), "slack": (64, 32, 128)}
STRETCH = KNOBS["stretch"][0]  # bytes of panels that pass over all queries
SLACK = KNOBS["slack"][0]  # scores that a pool gathers before it is cut
PLACES = 1 << 16  # of all pools together: so many queries at once as find room
CANCELLED = np.float32(1 / 64)  # of |q|^2: a distance below it has lost six bits or more


# Layout


@njit
def pack(vectors):
    """panels f32[blocks + 1, d, LANES] and norms f32[blocks + 1, LANES] of vectors f32[n, d].

    Pads are at distance inf; there is a block of them at the end, as tiles take two.
    """
    n, d = vectors.shape
    blocks = (n + LANES - 1) // LANES + 1
    panels = np.zeros((blocks, d, LANES), np.float32)
    norms = np.full((blocks, LANES), np.inf, np.float32)
    for i in range(n):
        b, lane = i // LANES, i % LANES
        norms[b, lane] = squares(vectors, i * d, d)
        for j in range(d):
            panels[b, j, lane] = vectors[i, j]
    return panels, norms


@njit
def squares(x, at, d):
    """The sum of the squares of x[at : at + d], counted through all axes."""
    total = simd.zero(F32)
    for j in range(0, d, LANES):
        part = simd.load_masked(F32, x, at + j, simd.first(MASK, d - j))
        total = simd.fma(part, part, total)
    return simd.reduce_add(total)


@njit
def gap(panels, place, q, at):
    """|q - x|^2 by subtraction, for the vector at a place: exact where the score cancels."""
    b, lane = place // LANES, place % LANES
    total = np.float32(0)
    for j in range(panels.shape[1]):
        apart = simd.load(np.float32, q, at + j) - panels[b, j, lane]
        total += apart * apart
    return total


# Selection: a pool for each query, in rows of values f32[rows, size], places i32[rows, size],
# counts i64[rows], limits f32[rows]


@njit
def empty_pools(values, places, rows, k):
    """Pools for rows queries that want k each, in two long arrays."""
    size = pool_size(k)
    shape = (rows, size)
    return (
        values[: rows * size].reshape(shape),
        places[: rows * size].reshape(shape),
        np.zeros(rows, np.int64),
        np.full(rows, np.inf, np.float32),
    )


@njit
def pool_size(k):
    return (k + SLACK + TILE + LANES - 1) // LANES * LANES


@njit
def between(begin, end):
    return simd.first(MASK, end) & ~simd.first(MASK, begin)


@njit
def cut(values, places, counts, limits, row, least, most):
    """Leaves the best of one pool: at least `least` of them, at most `most`."""
    count = counts[row]
    limit = threshold(values, row, count, least, most)
    ties = count  # that may stay
    if within(values, row, count, limit) > most:
        ties = least - within(values, row, count, np.nextafter(limit, np.float32(-np.inf)))
    kept = 0
    for i in range(count):
        value = values[row, i]
        values[row, kept], places[row, kept] = value, places[row, i]
        tie = (value == limit) & (ties > 0)
        ties -= tie
        kept += (value < limit) | tie
    counts[row], limits[row] = kept, limit


@njit
def threshold(values, row, count, least, most):
    """A number that at least `least` values do not exceed, and at most `most` unless they tie."""
    low, high = extremes(values, row, count)
    if within(values, row, count, low) >= least:
        return low
    while True:
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        if not low < middle < high:
            return high
        found = within(values, row, count, middle)
        if found < least:
            low = middle
        elif found > most:
            high = middle
        else:
            return middle


@njit
def extremes(values, row, count):
    low = high = values[row, 0]
    for i in range(1, count):
        low, high = min(low, values[row, i]), max(high, values[row, i])
    return low, high


@njit
def within(values, row, count, limit):
    """How many of the first `count` do not exceed the limit."""
    total = 0
    for i in range(0, count, LANES):
        near = simd.load(F32, values, (row, i)) <= limit
        total += simd.count(near & simd.first(MASK, count - i))
    return total


@njit
def settle(pools, row, k, panels, q, at, ids, dists):
    """The k best of a pool, nearest first, as places and distances; -1 at inf where it has fewer.

    Ordered by counting who is nearer: no branch to mispredict.
    """
    values, places, counts, limits = pools
    if counts[row] > k:
        cut(values, places, counts, limits, row, k, k)
    count, d = counts[row], panels.shape[1]
    size = squares(q, at, d)
    for i in range(count):
        dist = values[row, i] + size
        if dist < CANCELLED * size:
            dist = gap(panels, places[row, i], q, at)
        values[row, i] = dist
    ids[:], dists[:] = -1, np.inf
    for i in range(count):
        rank = nearer(values, row, count, values[row, i])
        while ids[rank] >= 0:
            rank += 1
        ids[rank], dists[rank] = places[row, i], values[row, i]


@njit
def nearer(values, row, count, dist):
    total = 0
    for i in range(0, count, LANES):
        near = simd.load(F32, values, (row, i)) < dist
        total += simd.count(near & simd.first(MASK, count - i))
    return total


# Tiles


def sweeper(rows, depth):
    """A pass of up to `rows` queries over blocks, `depth` sums of each product being kept apart."""
    many, pairs, more = 2 * rows * depth, 2 * rows, depth - 1

    @njit
    def sweep(panels, norms, span, q, at, names, members, k, pools, out):
        """Offers the places begin to end - 1 of blocks b0 to b1 - 1, span being these four, to the
        queries names[:members], which begin at q[at[r]].

        One function, since numba counts the references of arrays afresh, by atomic steps, around
        every call of a loop or a branch: that took twice as long as the products of 64 components.
        """
        b0, b1, begin, end = span
        values, places, counts, limits = pools
        d = panels.shape[1]
        deep, twice = d - d % depth, simd.splat(F32, np.float32(-2))
        for b in range(b0, b1, 2):
            sums = simd.repeat(simd.zero(F32), many)
            for j in range(0, deep, depth):
                for e in simd.unroll(depth):
                    low = simd.load(F32, panels, (b, j + e, 0))
                    high = simd.load(F32, panels, (b + 1, j + e, 0))
                    for r in simd.unroll(rows):
                        factor = simd.splat(F32, simd.load(np.float32, q, at[r] + j + e))
                        s = 2 * (rows * e + r)
                        sums = simd.put(sums, s, simd.fma(factor, low, sums[s]))
                        sums = simd.put(sums, s + 1, simd.fma(factor, high, sums[s + 1]))
            for j in range(deep, d):
                low, high = simd.load(F32, panels, (b, j, 0)), simd.load(F32, panels, (b + 1, j, 0))
                for r in simd.unroll(rows):
                    factor = simd.splat(F32, simd.load(np.float32, q, at[r] + j))
                    sums = simd.put(sums, 2 * r, simd.fma(factor, low, sums[2 * r]))
                    sums = simd.put(sums, 2 * r + 1, simd.fma(factor, high, sums[2 * r + 1]))
            for e in simd.unroll(more):
                for s in simd.unroll(pairs):
                    sums = simd.put(sums, s, sums[s] + sums[s + pairs * (e + 1)])
            low, high = simd.load(F32, norms, (b, 0)), simd.load(F32, norms, (b + 1, 0))
            hits = np.uint64(0)
            for r in simd.unroll(rows):
                sums = simd.put(sums, 2 * r, simd.fma(sums[2 * r], twice, low))
                sums = simd.put(sums, 2 * r + 1, simd.fma(sums[2 * r + 1], twice, high))
                limit = limits[names[r]]
                near = (sums[2 * r] < limit) | (sums[2 * r + 1] < limit)
                hits |= np.uint64(simd.any(near)) << np.uint64(r)
            if hits:
                for s in simd.unroll(pairs):
                    simd.store(out, s * LANES, sums[s])
            while hits:
                r = simd.ctz(hits)
                hits = simd.clear_lowest(hits)
                if r >= members:
                    break
                row = names[r]
                if counts[row] + TILE > values.shape[1]:
                    cut(values, places, counts, limits, row, k, k + SLACK // 4)
                for half in simd.unroll(2):
                    place = (b + half) * LANES
                    scores = simd.load(F32, out, (r, half * LANES))
                    near = (scores < limits[row]) & between(begin - place, end - place)
                    named = simd.iota(I32) + np.int32(place)
                    simd.store(values, (row, counts[row]), simd.compress(scores, near))
                    simd.store(places, (row, counts[row]), simd.compress(named, near))
                    counts[row] += simd.count(near)

    return sweep


sweep_1, sweep_2, sweep_4 = sweeper(1, 4), sweeper(2, 2), sweeper(4, 1)
sweep_all = sweeper(ROWS, 1)


@njit
def scan(panels, norms, begin, end, q, who, first, last, k, pools):
    """Offers the places begin to end - 1 to the queries who[first : last] of q."""
    d = panels.shape[1]
    stop = (end + LANES - 1) // LANES
    step = max(2, STRETCH // (4 * LANES * d) // 2 * 2)
    if last - first <= ROWS:
        step = max(2, stop)  # one pass: nothing has to stay in the cache for the next
    at, names = np.empty(ROWS, np.int64), np.empty(ROWS, np.int64)
    out = np.empty((ROWS, TILE), np.float32)
    for b0 in range(begin // LANES, stop, step):
        span = b0, min(b0 + step, stop), begin, end
        for w in range(first, last, ROWS):
            members = min(ROWS, last - w)
            for r in range(ROWS):
                names[r] = who[w + min(r, members - 1)]
                at[r] = names[r] * d
            if members == 1:
                sweep_1(panels, norms, span, q, at, names, members, k, pools, out)
            elif members == 2:
                sweep_2(panels, norms, span, q, at, names, members, k, pools, out)
            elif members <= 4:
                sweep_4(panels, norms, span, q, at, names, members, k, pools, out)
            else:
                sweep_all(panels, norms, span, q, at, names, members, k, pools, out)


# Entry points


@njit
def prepare(centroids):
    """The packed centroids, and how many there are."""
    panels, norms = pack(centroids)
    return panels, norms, centroids.shape[0]


@njit
def scratch(state):
    """Places for the pools of as many queries as pass at once."""
    return np.empty(PLACES, np.float32), np.empty(PLACES, np.int32)


@njit
def select(state, scratch, q, nprobe, ids, dists):
    panels, norms, n = state
    values, places = scratch
    size = pool_size(nprobe)
    if size > values.size:
        values, places = np.empty(size, np.float32), np.empty(size, np.int32)
    chunk = min(q.shape[0], values.size // size)
    who = np.arange(chunk)
    for i in range(0, q.shape[0], max(1, chunk)):
        part = q[i : i + chunk]
        pools = empty_pools(values, places, part.shape[0], nprobe)
        scan(panels, norms, 0, n, part, who, 0, part.shape[0], nprobe, pools)
        for r in range(part.shape[0]):
            settle(pools, r, nprobe, panels, part, r * q.shape[1], ids[i + r], dists[i + r])
