"""Exact search among inverted lists: register tiles of products, and a pool for each query.

The squared distance splits as |q - x|^2 = |q|^2 + (|x|^2 - 2 q.x), and the bracket, here called the
score, ranks the vectors of one query at one multiply-add a component.

*Order.* Queries are turned around: each list passes once, by all queries that probe it, so that a
tile is full whenever a list is popular (the grouping of faiss/IndexIVFFlat's batched relatives).

*Layout.* Vectors lie in blocks of LANES, transposed: panels[b, j, l] is component j of vector
b * LANES + l. A tile computes the scores of up to ROWS queries and two blocks in registers, with no
sum across lanes (a micro-kernel as in BLIS: Van Zee and van de Geijn, ACM TOMS 2015).

*Selection.* Each query has a pool with room for more than it wants. A score enters while it is
below the query's limit; a full pool is cut to about the best, which lowers the limit (the reservoir
of faiss/impl/ResultHandler.h). Only what remains at the end is ordered.

*Regimes.* Panels of a list pass in stretches that stay in the second-level cache while all queries
use them. A lone query reads every panel once: what it needs next is fetched a tile ahead, over the
end of a list too, since lists are short and a hardware prefetcher starts anew with each.
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


# Selection: pools is (values f32[rows, size], places i32[rows, size], counts i64[rows],
# limits f32[rows]), a row for each query


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
def offer(pools, row, k, low, high, place, begin, end):
    """To one pool the scores of the places from `place` on, as far as they are in begin to end."""
    values, _, counts, limits = pools
    if counts[row] + TILE > values.shape[1]:
        cut(pools, row, k, k + SLACK // 4)
    limit, after = limits[row], place + LANES
    append(pools, row, low, (low < limit) & between(begin - place, end - place), place)
    append(pools, row, high, (high < limit) & between(begin - after, end - after), after)


@njit
def between(begin, end):
    return simd.first(MASK, end) & ~simd.first(MASK, begin)


@njit
def append(pools, row, scores, near, place):
    values, places, counts, _ = pools
    end = counts[row]
    named = simd.iota(I32) + np.int32(place)
    simd.store(values, (row, end), simd.compress(scores, near))
    simd.store(places, (row, end), simd.compress(named, near))
    counts[row] = end + simd.count(near)


@njit
def cut(pools, row, least, most):
    """Leaves the best of one pool: at least `least` of them, at most `most`."""
    values, places, counts, limits = pools
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
    values, places, counts, _ = pools
    if counts[row] > k:
        cut(pools, row, k, k)
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


def tile(rows, depth):
    """Products of `rows` queries with two blocks, `depth` sums of each being kept apart."""
    many, pairs, more = 2 * rows * depth, 2 * rows, depth - 1

    @njit
    def products(panels, b, other, soon, q, at, out):
        """out[r, :TILE] = q[at[r] :] . vectors of two blocks; the block `soon` and the one after it
        are fetched meanwhile."""
        d = panels.shape[1]
        deep = d - d % depth
        sums = simd.repeat(simd.zero(F32), many)
        for j in range(0, deep, depth):
            for e in simd.unroll(depth):
                low = simd.load(F32, panels, (b, j + e, 0))
                high = simd.load(F32, panels, (other, j + e, 0))
                simd.prefetch(panels, (soon, j + e, 0))
                simd.prefetch(panels, (soon + 1, j + e, 0))
                for r in simd.unroll(rows):
                    factor = simd.splat(F32, simd.load(np.float32, q, at[r] + j + e))
                    s = 2 * (rows * e + r)
                    sums = simd.put(sums, s, simd.fma(factor, low, sums[s]))
                    sums = simd.put(sums, s + 1, simd.fma(factor, high, sums[s + 1]))
        for j in range(deep, d):
            low, high = simd.load(F32, panels, (b, j, 0)), simd.load(F32, panels, (other, j, 0))
            for r in simd.unroll(rows):
                factor = simd.splat(F32, simd.load(np.float32, q, at[r] + j))
                sums = simd.put(sums, 2 * r, simd.fma(factor, low, sums[2 * r]))
                sums = simd.put(sums, 2 * r + 1, simd.fma(factor, high, sums[2 * r + 1]))
        for s in simd.unroll(pairs):
            total = sums[s]
            for e in simd.unroll(more):
                total += sums[s + 2 * rows * (e + 1)]
            simd.store(out, s * LANES, total)

    return products


tile_1, tile_2, tile_4, tile_all = tile(1, 4), tile(2, 2), tile(4, 1), tile(ROWS, 1)


@njit
def scan(panels, norms, begin, end, then, q, who, first, last, k, pools):
    """Offers the places begin to end - 1 to the queries who[first : last] of q; the place `then`
    is read next."""
    d = panels.shape[1]
    stop = (end + LANES - 1) // LANES
    step = max(2, STRETCH // (4 * LANES * d) // 2 * 2)
    at, out = np.empty(ROWS, np.int64), np.empty((ROWS, TILE), np.float32)
    for b0 in range(begin // LANES, stop, step):
        for w in range(first, last, ROWS):
            members = min(ROWS, last - w)
            for r in range(ROWS):
                at[r] = who[w + min(r, members - 1)] * d
            for b in range(b0, min(b0 + step, stop), 2):
                other = min(b + 1, stop - 1)  # the next list's first block would come for nothing
                soon = b + 2 if b + 2 < stop else then // LANES
                if members == 1:
                    tile_1(panels, b, other, soon, q, at, out)
                elif members == 2:
                    tile_2(panels, b, other, soon, q, at, out)
                elif members <= 4:
                    tile_4(panels, b, other, soon, q, at, out)
                else:
                    tile_all(panels, b, other, soon, q, at, out)
                for r in range(members):
                    consider(out, r, norms, b, other, begin, end, who[w + r], k, pools)


@njit
def consider(products, r, norms, b, other, begin, end, row, k, pools):
    """Offers what two blocks have below the limit of one query, given its products with them."""
    twice = simd.splat(F32, np.float32(-2))
    low = simd.fma(simd.load(F32, products, (r, 0)), twice, simd.load(F32, norms, (b, 0)))
    high = simd.load(F32, products, (r, LANES))
    high = simd.fma(high, twice, simd.load(F32, norms, (other, 0)))
    limit = pools[3][row]
    if simd.any((low < limit) | (high < limit)):
        offer(pools, row, k, low, high, b * LANES, begin, end)


# Entry points


@njit
def prepare(vectors, rows, offsets, centroids):
    """The packed vectors, list after list as they came, and who they are."""
    panels, norms = pack(vectors)
    return panels, norms, rows.copy(), offsets.copy()


@njit
def scratch(state):
    """Places for the pools of as many queries as pass at once."""
    return np.empty(PLACES, np.float32), np.empty(PLACES, np.int32)


@njit
def turned(probes, nlist):
    """Who probes which list: list l is wanted by who[starts[l] : starts[l + 1]], rows of probes."""
    nq, nprobe = probes.shape
    starts = np.zeros(nlist + 1, np.int64)
    for i in range(nq):
        for p in range(nprobe):
            starts[probes[i, p] + 1] += 1
    for l in range(nlist):
        starts[l + 1] += starts[l]
    who, at = np.empty(nq * nprobe, np.int64), starts.copy()
    for i in range(nq):
        for p in range(nprobe):
            l = probes[i, p]
            who[at[l]] = i
            at[l] += 1
    return starts, who


@njit
def search(state, scratch, q, probes, ids, dists):
    panels, norms, rows, offsets = state
    values, places = scratch
    nq, d = q.shape
    k = ids.shape[1]
    size = pool_size(k)
    if size > values.size:
        values, places = np.empty(size, np.float32), np.empty(size, np.int32)
    chunk = values.size // size
    for i in range(0, nq, chunk):
        part, wanted = q[i : i + chunk], probes[i : i + chunk]
        pools = empty_pools(values, places, part.shape[0], k)
        if part.shape[0] == 1:
            alone = np.zeros(1, np.int64)
            for p in range(wanted.shape[1]):
                l, after = wanted[0, p], wanted[0, min(p + 1, wanted.shape[1] - 1)]
                begin, end, then = offsets[l], offsets[l + 1], offsets[after]
                scan(panels, norms, begin, end, then, part, alone, 0, 1, k, pools)
        else:
            starts, who = turned(wanted, offsets.size - 1)
            for l in range(offsets.size - 1):
                if starts[l] < starts[l + 1] and offsets[l] < offsets[l + 1]:
                    begin, end = offsets[l], offsets[l + 1]
                    first, last = starts[l], starts[l + 1]
                    scan(panels, norms, begin, end, end, part, who, first, last, k, pools)
        for r in range(part.shape[0]):
            settle(pools, r, k, panels, part, r * d, ids[i + r], dists[i + r])
            named(rows, ids[i + r])


@njit
def named(rows, ids):
    """Places to rows."""
    for i in range(ids.size):
        if ids[i] >= 0:
            ids[i] = rows[ids[i]]


@njit
def search_capped(state, scratch, q, probes, max_codes, ids, dists):
    """The first max_codes vectors in the order of the probes, query by query."""
    if max_codes <= 0:
        search(state, scratch, q, probes, ids, dists)
        return
    panels, norms, rows, offsets = state
    values, places = scratch
    k = ids.shape[1]
    if pool_size(k) > values.size:
        values, places = np.empty(pool_size(k), np.float32), np.empty(pool_size(k), np.int32)
    alone = np.zeros(1, np.int64)
    for i in range(q.shape[0]):
        pools, one, left = empty_pools(values, places, 1, k), q[i : i + 1], max_codes
        for l in probes[i]:
            begin = offsets[l]
            end = min(offsets[l + 1], begin + left)
            if begin < end:
                scan(panels, norms, begin, end, end, one, alone, 0, 1, k, pools)
            left -= end - begin
        settle(pools, 0, k, panels, one, 0, ids[i], dists[i])
        named(rows, ids[i])
