"""Exact search among inverted lists: register tiles of products, and a pool for each query.

The squared distance splits as |q - x|^2 = |q|^2 + (|x|^2 - 2 q.x), and the bracket, here called the
score, ranks the vectors of one query at one multiply-add a component.

*Order.* Queries are turned around: each list passes once, by all queries that probe it, so that a
tile is full whenever a list is popular (the grouping of faiss/IndexIVFFlat's batched relatives).

*Layout.* Vectors lie in blocks of LANES, transposed: panels[b, j, l] is component j of vector
b * LANES + l, and panels[b, d, l] its squared length. A tile computes the products of up to ROWS
queries and two blocks in registers, with no sum across lanes (a micro-kernel as in BLIS: Van Zee
and van de Geijn, ACM TOMS 2015).

*Selection.* Each query has a pool with room for more than it wants. A score enters while it is
below the query's limit; a full pool is cut to about the best, which lowers the limit (the reservoir
of faiss/impl/ResultHandler.h). Only what remains at the end is ordered.

*Regimes.* Panels of a list pass in stretches that stay in the second-level cache while all queries
use them. A lone query reads every panel once: what it needs next is fetched a tile ahead, over the
end of a list too, since lists are short and a hardware prefetcher starts anew with each.

*Compilation.* What numba compiles apart is compiled again within each caller, so most functions are
written out where they are called. Tiles are not: a loop over inlined code counts the references of
its arrays, by atomic steps, at every turn, while a function of one loop does not count any.
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
inlined = njit(inline="always")  # where it is called: a function apart is compiled with each caller


# Layout


@inlined
def pack(vectors):
    """panels f32[blocks + 1, d + 1, LANES] of vectors f32[n, d]: components, and squared lengths.

    Pads are at distance inf; there is a block of them at the end, as tiles take two.
    """
    n, d = vectors.shape
    blocks = (n + LANES - 1) // LANES + 1
    panels = np.empty((blocks, d + 1, LANES), np.float32)
    for b in range(blocks):
        for lane in range(LANES):
            i = b * LANES + lane
            for j in range(d):
                panels[b, j, lane] = vectors[i, j] if i < n else 0
            panels[b, d, lane] = squares(vectors, i * d, d) if i < n else np.inf
    return panels


@njit
def squares(x, at, d):
    """The sum of the squares of x[at : at + d], counted through all axes."""
    total = simd.zero(F32)
    for j in range(0, d, LANES):
        part = simd.load_masked(F32, x, at + j, simd.first(MASK, d - j))
        total = simd.fma(part, part, total)
    return simd.reduce_add(total)


@inlined
def gap(panels, place, q, at):
    """|q - x|^2 by subtraction, for the vector at a place: exact where the score cancels."""
    b, lane = place // LANES, place % LANES
    total = np.float32(0)
    for j in range(panels.shape[1] - 1):
        apart = simd.load(np.float32, q, at + j) - panels[b, j, lane]
        total += apart * apart
    return total


# Selection: a pool for each query, `size` long, in values f32[PLACES] and places i32[PLACES]; how
# full it is in counts i64[...] and what enters in limits f32[...]


@inlined
def pool_size(k):
    return (k + SLACK + TILE + LANES - 1) // LANES * LANES


@inlined
def between(begin, end):
    return simd.first(MASK, end) & ~simd.first(MASK, begin)


@njit
def cut(pools, row, size, least, most):
    """Leaves the best of one pool: at least `least` of them, at most `most`."""
    values, places, counts, limits = pools
    base, count = row * size, counts[row]
    limit = threshold(values, base, count, least, most)
    ties = count  # that may stay
    if within(values, base, count, limit) > most:
        ties = least - within(values, base, count, np.nextafter(limit, np.float32(-np.inf)))
    kept = base
    for i in range(base, base + count):
        value = values[i]
        values[kept], places[kept] = value, places[i]
        tie = (value == limit) & (ties > 0)
        ties -= tie
        kept += (value < limit) | tie
    counts[row], limits[row] = kept - base, limit


@inlined
def threshold(values, base, count, least, most):
    """A number that at least `least` values do not exceed, and at most `most` unless they tie."""
    low = high = values[base]
    for i in range(base + 1, base + count):
        low, high = min(low, values[i]), max(high, values[i])
    if within(values, base, count, low) >= least:
        return low
    while True:
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        if not low < middle < high:
            return high
        found = within(values, base, count, middle)
        if found < least:
            low = middle
        elif found > most:
            high = middle
        else:
            return middle


@njit
def within(values, base, count, limit):
    """How many of the first `count` do not exceed the limit."""
    total = 0
    for i in range(0, count, LANES):
        near = simd.load(F32, values, base + i) <= limit
        total += simd.count(near & simd.first(MASK, count - i))
    return total


@inlined
def settle(pools, row, size, k, panels, rows, q, to, ids, dists):
    """The k best of a pool, nearest first, in row `to`; -1 at inf where it has fewer.

    Ordered by counting who is nearer: no branch to mispredict.
    """
    values, places, counts, _ = pools
    if counts[row] > k:
        cut(pools, row, size, k, k)
    base, count, d = row * size, counts[row], panels.shape[1] - 1
    square = squares(q, to * d, d)
    for i in range(base, base + count):
        dist = values[i] + square
        if dist < CANCELLED * square:
            dist = gap(panels, places[i], q, to * d)
        values[i] = dist
    for rank in range(k):
        ids[to, rank], dists[to, rank] = -1, np.inf
    for i in range(base, base + count):
        rank = nearer(values, base, count, values[i])
        while ids[to, rank] >= 0:
            rank += 1
        ids[to, rank], dists[to, rank] = rows[places[i]], values[i]


@inlined
def nearer(values, base, count, dist):
    total = 0
    for i in range(0, count, LANES):
        near = simd.load(F32, values, base + i) < dist
        total += simd.count(near & simd.first(MASK, count - i))
    return total


# Tiles


def tiler(rows):
    """Products of `rows` queries, which begin at q[at[r]], with two blocks, into out[r * TILE :]."""

    @njit
    def tile(panels, b, other, soon, q, at, out):
        low, high = simd.repeat(simd.zero(F32), rows), simd.repeat(simd.zero(F32), rows)
        for j in range(panels.shape[1] - 1):
            left, right = simd.load(F32, panels, (b, j, 0)), simd.load(F32, panels, (other, j, 0))
            simd.prefetch(panels, (soon, j, 0))
            simd.prefetch(panels, (soon + 1, j, 0))
            for r in simd.unroll(rows):
                factor = simd.splat(F32, simd.load(np.float32, q, at[r] + j))
                low = simd.put(low, r, simd.fma(factor, left, low[r]))
                high = simd.put(high, r, simd.fma(factor, right, high[r]))
        for s in simd.unroll(rows):
            simd.store(out, s * TILE, low[s])
            simd.store(out, s * TILE + LANES, high[s])

    return tile


tile_4, tile_all = tiler(4), tiler(ROWS)


@njit
def tile_1(panels, b, other, soon, q, at, out):
    """The same for one query. Four sums are kept apart, to hide the latency of addition."""
    low, high = simd.repeat(simd.zero(F32), 4), simd.repeat(simd.zero(F32), 4)
    d, begin = panels.shape[1] - 1, at[0]
    for j in range(0, d - 3, 4):
        for e in simd.unroll(4):
            left = simd.load(F32, panels, (b, j + e, 0))
            right = simd.load(F32, panels, (other, j + e, 0))
            simd.prefetch(panels, (soon, j + e, 0))
            simd.prefetch(panels, (soon + 1, j + e, 0))
            factor = simd.splat(F32, simd.load(np.float32, q, begin + j + e))
            low = simd.put(low, e, simd.fma(factor, left, low[e]))
            high = simd.put(high, e, simd.fma(factor, right, high[e]))
    one, two = (low[0] + low[1]) + (low[2] + low[3]), (high[0] + high[1]) + (high[2] + high[3])
    for j in range(d - d % 4, d):
        factor = simd.splat(F32, simd.load(np.float32, q, begin + j))
        one = simd.fma(factor, simd.load(F32, panels, (b, j, 0)), one)
        two = simd.fma(factor, simd.load(F32, panels, (other, j, 0)), two)
    simd.store(out, 0, one)
    simd.store(out, LANES, two)


@inlined
def scan(panels, begin, end, then, q, i, who, first, last, k, pools, size, tiles):
    """Offers the places begin to end - 1 to the queries who[first : last] behind query i; the
    place `then` is read next."""
    at, names, out = tiles
    values, places, counts, limits = pools
    twice = simd.splat(F32, np.float32(-2))
    d = panels.shape[1] - 1
    stop = (end + LANES - 1) // LANES
    step = max(2, STRETCH // (4 * LANES * d) // 2 * 2)
    for b0 in range(begin // LANES, stop, step):
        for w in range(first, last, ROWS):
            members = min(ROWS, last - w)
            for r in range(ROWS):
                names[r] = who[w + min(r, members - 1)]
                at[r] = (i + names[r]) * d
            for b in range(b0, min(b0 + step, stop), 2):
                other = min(b + 1, stop - 1)  # the next list's first block would come for nothing
                soon = b + 2 if b + 2 < stop else then // LANES
                simd.prefetch(panels, (soon, d, 0))
                simd.prefetch(panels, (soon + 1, d, 0))
                if members == 1:
                    tile_1(panels, b, other, soon, q, at, out)
                elif members <= 4:
                    tile_4(panels, b, other, soon, q, at, out)
                else:
                    tile_all(panels, b, other, soon, q, at, out)
                left, right = (
                    simd.load(F32, panels, (b, d, 0)),
                    simd.load(F32, panels, (other, d, 0)),
                )
                hits = np.uint64(0)
                for r in range(members):
                    low = simd.fma(simd.load(F32, out, r * TILE), twice, left)
                    high = simd.fma(simd.load(F32, out, r * TILE + LANES), twice, right)
                    simd.store(out, r * TILE, low)
                    simd.store(out, r * TILE + LANES, high)
                    limit = limits[names[r]]
                    hits |= np.uint64(simd.any((low < limit) | (high < limit))) << np.uint64(r)
                while hits:
                    r = simd.ctz(hits)
                    hits = simd.clear_lowest(hits)
                    row = names[r]
                    if counts[row] + TILE > size:
                        cut(pools, row, size, k, k + SLACK // 4)
                    for half in range(2):
                        place = (b + half) * LANES
                        score = simd.load(F32, out, r * TILE + half * LANES)
                        near = (score < limits[row]) & between(begin - place, end - place)
                        entry, named = row * size + counts[row], simd.iota(I32) + np.int32(place)
                        simd.store(values, entry, simd.compress(score, near))
                        simd.store(places, entry, simd.compress(named, near))
                        counts[row] += simd.count(near)


# Entry points


@njit(error_model="numpy")
def prepare(vectors, rows, offsets, centroids):
    """The packed vectors, list after list as they came, and who they are."""
    return pack(vectors), rows.copy(), offsets.copy()


@njit(error_model="numpy")
def scratch(state):
    """Places for the pools of as many queries as pass at once, and what a tile works on."""
    pools = np.empty(PLACES, np.float32), np.empty(PLACES, np.int32)
    rows = np.empty(PLACES // LANES, np.int64), np.empty(PLACES // LANES, np.float32)
    tiles = np.empty(ROWS, np.int64), np.empty(ROWS, np.int64), np.empty(ROWS * TILE, np.float32)
    return pools, rows, tiles


@inlined
def turned(probes, i, many, nlist):
    """Who of queries i to i + many - 1 probes which list: list l is wanted by
    who[starts[l] : starts[l + 1]], counted from i. One query keeps its order."""
    nprobe = probes.shape[1]
    starts, who = np.zeros(nlist + 1, np.int64), np.zeros(many * nprobe, np.int64)
    if many > 1:
        for r in range(i, i + many):
            for p in range(nprobe):
                starts[probes[r, p] + 1] += 1
        for l in range(nlist):
            starts[l + 1] += starts[l]
        at = starts.copy()
        for r in range(i, i + many):
            for p in range(nprobe):
                l = probes[r, p]
                who[at[l]] = r - i
                at[l] += 1
    return starts, who


@inlined
def search(state, scratch, q, probes, ids, dists):
    answer(state, scratch, q, probes, np.int64(0), ids, dists)


@inlined
def search_capped(state, scratch, q, probes, max_codes, ids, dists):
    """The first max_codes vectors in the order of the probes, query by query."""
    answer(state, scratch, q, probes, max_codes, ids, dists)


@njit
def answer(state, scratch, q, probes, max_codes, ids, dists):
    panels, rows, offsets = state
    (values, places), (counts, limits), tiles = scratch
    k, nlist = ids.shape[1], offsets.size - 1
    nq, nprobe = probes.shape
    size = pool_size(k)
    if size > values.size:
        values, places = np.empty(size, np.float32), np.empty(size, np.int32)
    pools = values, places, counts, limits
    chunk = 1 if max_codes > 0 else values.size // size
    for i in range(0, nq, chunk):
        many = min(chunk, nq - i)
        for r in range(many):
            counts[r], limits[r] = 0, np.inf
        starts, who = turned(probes, i, many, nlist)
        left = max_codes if max_codes > 0 else 1 << 62
        for t in range(nprobe if many == 1 else nlist):
            l, first, last = t, starts[t], starts[t + 1]
            if many == 1:
                l, first, last = probes[i, t], 0, 1
            begin = offsets[l]
            end = min(offsets[l + 1], begin + left)
            then = end if many > 1 or t + 1 == nprobe else offsets[probes[i, t + 1]]
            if first < last and begin < end:
                scan(panels, begin, end, then, q, i, who, first, last, k, pools, size, tiles)
                left -= end - begin
        for r in range(many):
            settle(pools, r, size, k, panels, rows, q, i + r, ids, dists)
