"""Exact search among inverted lists: bounds from bytes for all, distances for the few they leave.

*Filter and refine.* A list holds, beside its vectors, approximations that are a quarter as long; a
query gets a lower and an upper bound of each distance from them. What lies, by its lower bound,
beyond the k-th least upper bound cannot be an answer; only the rest, k and a few, is read in full.
That is the VA-file (Weber, Schek, Blott: "A quantitative analysis and performance study for
similarity-search methods in high-dimensional spaces", VLDB 1998), its VA-NOA in two steps.

*Bounds.* Of a list with centroid c, u = q - c and r = x - c are integers a and b of a byte, times
a scale of each query and of each vector, and errors e and f: u = s a + e, r = t b + f, hence

    |q - x|^2 = |u|^2 + |r|^2 - 2 s t a.b - 2 (s a).f - 2 e.r

Integers multiply exactly. |f| is at most `beta` t, so that its term is a constant among the
integers; |e| |r| is at most |e| (g + |r|^2 / g) / 2 for any g, the list's typical |r| say, so that
it is one among the factors of |r|^2: bounds that cost nothing. A share `noise` of |u|^2 + |r|^2
pays for rounding. Where numbers overflow, the lower bound is -inf.

*Layout.* Approximations lie in blocks of LANES, transposed by four: the bytes 4 j to 4 j + 3 of
each in turn, which one instruction multiplies and adds up; then |r|^2 and t of each. A list begins
with a block of its own. A tile has up to ROWS queries and two blocks in registers (a micro-kernel
as in BLIS: Van Zee and van de Geijn, ACM TOMS 2015).

*Order.* Queries are turned around: each list passes once, by all queries that probe it, so that a
tile is full whenever a list is popular. What is read next is fetched a tile ahead, over the end of
a list too, since lists are short and a hardware prefetcher starts anew with each.

*Compilation.* What numba compiles apart is compiled again within each caller, so most functions are
written out where they are called. Tiles are not: a loop over inlined code counts the references of
its arrays, by atomic steps, at every turn, while a function of one loop does not count any.
"""

import numpy as np
from autoresearch import simd
from numba import njit

WIDE = simd.has("avx512f")
LANES = 16 if WIDE else 8
ROWS = 5 if WIDE else 4  # by two blocks: 16 sums in 32 registers, 8 in 16
F32 = simd.f32x16 if WIDE else simd.f32x8
I32 = simd.i32x16 if WIDE else simd.i32x8
I8 = simd.i8x64 if WIDE else simd.i8x32
U8 = simd.u8x64 if WIDE else simd.u8x32
BYTES = simd.i8x16 if WIDE else simd.i8x8  # of as many components as a vector of floats has
MASK = simd.m16 if WIDE else simd.m8
TILE = 2 * LANES  # vectors that a tile compares
LINE = 4 * LANES  # bytes of a block for four components
KNOBS = {"stretch": (131072, 65536, 262144), "slack": (64, 32, 128)}
STRETCH = KNOBS["stretch"][0]  # bytes of blocks that pass over all queries
SLACK = KNOBS["slack"][0]  # bounds that a pool gathers before it is cut
PLACES = 1 << 16  # of all pools together: so many queries at once as find room
MOST = 1 << 16  # components whose products still fit 32 bits
WHOLE = np.float32(3 << 22)  # floats of this size are whole, their low byte counts
TINY = np.float32(1e-30)  # what underflows is less
NEAR = 4  # bounds that may stay beside the k best when a pool is cut
AHEAD = 4  # blocks: what is fetched while a block is read
TERMS = 7  # of a query and a list: the factors of its bounds
inlined = njit(inline="always")  # where it is called: a function apart is compiled with each caller


# Approximations


@inlined
def noise(d):
    """The share of |u|^2 + |r|^2 that rounding may cost, twice over."""
    return np.float32(d + 64) * np.float32(2.0**-23)


@njit
def away(x, i, y, l, j):
    """Components from j on of the difference of row i of x and row l of y; zero beyond the last."""
    d = x.shape[1]
    inside = simd.first(MASK, d - j)
    other = simd.load_masked(F32, y, l * d + j, inside)
    return simd.load_masked(F32, x, i * d + j, inside) - other


@njit
def measured(x, i, centroids, l):
    """The greatest component of a difference and its square length."""
    most, total = simd.splat(F32, TINY), simd.zero(F32)
    for j in range(0, x.shape[1], LANES):
        u = away(x, i, centroids, l, j)
        most, total = simd.max(simd.abs(u), most), simd.fma(u, u, total)
    return simd.reduce_max(most), simd.reduce_add(total)


@njit
def rounded(x, i, centroids, l, scale, codes, at):
    """A difference as bytes in codes[at:]; their sum, their square length and that of the error."""
    inverse, back = simd.splat(F32, np.float32(1) / scale), simd.splat(F32, -scale)
    total = squares = errors = simd.zero(F32)
    for j in range(0, x.shape[1], LANES):
        u = away(x, i, centroids, l, j)
        shifted = u * inverse + WHOLE
        simd.store(codes, at + j, simd.convert(BYTES, simd.bitcast(I32, shifted)))
        a = shifted - WHOLE
        error = simd.fma(back, a, u)
        total, squares = total + a, simd.fma(a, a, squares)
        errors = simd.fma(error, error, errors)
    return simd.reduce_add(total), simd.reduce_add(squares), simd.reduce_add(errors)


@inlined
def padded(d):
    """Room for the bytes of a difference: four sums kept apart have four each."""
    return (d + 15) // 16 * 16


@njit(error_model="numpy")
def prepare(vectors, rows, offsets, centroids):
    """Blocks u8[blocks, bytes], the first block of each list, typical lengths of differences,
    `beta`, and what was given."""
    d, nlist = vectors.shape[1], offsets.size - 1
    firsts, typical = np.zeros(nlist + 1, np.int64), np.empty(nlist, np.float32)
    for l in range(nlist):
        firsts[l + 1] = firsts[l] + (offsets[l + 1] - offsets[l] + LANES - 1) // LANES
    end, blocks = padded(d) * LANES, firsts[nlist]
    room = np.empty(blocks * (end + 2 * LINE) + 64, np.uint8)
    start = -room.ctypes.data & 63  # a load that crosses a cache line is two
    panels = room[start : room.size - 64 + start].reshape((blocks, end + 2 * LINE))
    codes, beta = np.zeros(padded(d), np.int8), 0.0
    for l in range(nlist):
        mean, begin, count = 0.0, offsets[l], offsets[l + 1] - offsets[l]
        for i in range((firsts[l + 1] - firsts[l]) * LANES):
            b, lane = firsts[l] + i // LANES, 4 * (i % LANES)
            length, scale = np.float32(np.inf), np.float32(0)  # a pad: beyond any limit
            if i < count:
                most, length = measured(vectors, begin + i, centroids, l)
                scale = most / np.float32(127)
                _, _, errors = rounded(vectors, begin + i, centroids, l, scale, codes, 0)
                for j in range(0, end, LINE):
                    word = simd.load(np.uint32, codes, j // LANES) ^ np.uint32(0x80808080)
                    simd.store(panels, (b, j + lane), np.uint32(word))
                ratio = np.sqrt(errors) / scale * (1 + noise(d))
                if length < np.inf and ratio < np.inf:
                    beta, mean = max(beta, ratio), mean + length
                else:
                    length, scale = np.float32(-np.inf), np.float32(0)
            simd.store(panels, (b, end + lane), length)
            simd.store(panels, (b, end + LINE + lane), scale)
        typical[l] = np.sqrt(mean / max(1, count))
    return panels, firsts, typical, beta, vectors, rows, offsets, centroids


@inlined
def aim(state, q, i, l, r, aims):
    """The bytes of query i for list l, as row r of a tile, and the terms of its bounds: lower ones
    are TERMS 0 + |r|^2 1 - t 2 (a.b + offset); upper ones lie 3 + |r|^2 4 + t 5 above."""
    _, _, typical, beta, _, _, _, centroids = state
    codes, offsets, terms = aims
    d = q.shape[1]
    share, at = noise(d), r * TERMS
    most, length = measured(q, i, centroids, l)
    scale = most / np.float32(127)
    total, squares, errors = rounded(q, i, centroids, l, scale, codes, r * padded(d))
    error = np.sqrt(errors) * (1 + share)
    g = max(max(typical[l], 2 * error), TINY)
    slack = np.ceil(beta * np.sqrt(squares) * (1 + share))
    base, twice = length - length * share - error * g - TINY, 2 * scale
    if not abs(base) < np.inf or not slack < 1 << 28 or d > MOST:
        base, error, g, twice, slack, total = np.float32(-np.inf), 0, 1, 0, 0, 0
    offsets[r] = np.int32(slack) - 128 * np.int32(total)
    terms[at], terms[at + 1], terms[at + 2] = base, 1 - error / g - share, twice
    terms[at + 3] = 2 * (error * g + share * length + TINY)
    terms[at + 4], terms[at + 5] = 2 * (error / g + share), 2 * twice * slack


# Selection: a pool for each query, `size` long, in lows f32[PLACES], highs f32[PLACES] and places
# i32[PLACES]; how full it is in counts i64[...] and what may enter in limits f32[...]


@njit
def cut(pools, row, size, k, vectors, q, i):
    """Leaves of one pool what may be among the k best. Where bounds tell too little for that,
    distances take their place, and no more than k stay."""
    lows, highs, places, counts, limits = pools
    base, end = row * size, row * size + counts[row]
    limit = threshold(highs, base, counts[row], k, k + NEAR)
    if within(lows, base, counts[row], limit) > size - TILE - LANES:
        for at in range(base, end):
            lows[at] = highs[at] = gap(vectors, places[at], q, i)
        limit = threshold(highs, base, counts[row], k, k)
        spare = k - within(lows, base, counts[row], np.nextafter(limit, np.float32(-np.inf)))
        for at in range(base, end):
            if lows[at] == limit:
                lows[at] = limit if spare > 0 else np.inf
                spare -= 1
    kept = base
    for at in range(base, end, LANES):
        low = simd.load(F32, lows, at)
        near = (low <= limit) & (low < np.inf) & simd.first(MASK, end - at)
        simd.store(lows, kept, simd.compress(low, near))
        simd.store(highs, kept, simd.compress(simd.load(F32, highs, at), near))
        simd.store(places, kept, simd.compress(simd.load(I32, places, at), near))
        kept += simd.count(near)
    counts[row], limits[row] = kept - base, limit


@njit
def threshold(values, base, count, least, most):
    """A number that at least `least` values do not exceed, and at most `most` unless they tie; inf
    where so many are not finite."""
    lowest, highest = simd.splat(F32, np.inf), simd.splat(F32, -np.inf)
    for i in range(0, count, LANES):
        value, inside = simd.load(F32, values, base + i), simd.first(MASK, count - i)
        lowest = simd.select((value < lowest) & inside, value, lowest)
        highest = simd.select((value > highest) & (value < np.inf) & inside, value, highest)
    low, high = simd.reduce_min(lowest), simd.reduce_max(highest)
    if within(values, base, count, high) < least:
        return np.float32(np.inf)
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


@njit
def gap(vectors, place, q, i):
    """|q - x|^2 by subtraction."""
    d = q.shape[1]
    one = other = simd.zero(F32)
    for j in range(0, d, TILE):
        apart = away(q, i, vectors, place, j)
        one = simd.fma(apart, apart, one)
        apart = away(q, i, vectors, place, j + LANES)
        other = simd.fma(apart, apart, other)
    return simd.reduce_add(one + other)


@inlined
def settle(pools, row, spare, size, k, state, q, to, ids, dists):
    """The k best of a pool, nearest first, in row `to`; -1 at inf where it has fewer. First the
    vectors whose upper bound is among the least, then those that may still be nearer; the pool
    `spare` holds them and their distances.

    Ordered by counting who is nearer: no branch to mispredict.
    """
    lows, highs, places, counts, _ = pools
    vectors, rows = state[4], state[5]
    base, count, begin, end = row * size, counts[row], spare * size, spare * size
    sure = worst = np.float32(np.inf)
    if count > k:
        sure = threshold(highs, base, count, k, k + NEAR)
    for turn in range(2):
        known = end
        for i in range(0, count, LANES):
            high = simd.load(F32, highs, base + i)
            near = high <= sure
            if turn == 1:
                near = (high > sure) & (simd.load(F32, lows, base + i) <= worst)
            near &= simd.first(MASK, count - i)
            simd.store(places, end, simd.compress(simd.load(I32, places, base + i), near))
            end += simd.count(near)
        for i in range(known, end):
            lows[i] = gap(vectors, places[i], q, to)
        if turn == 0 and count > k:
            worst = lows[begin]
            for i in range(begin, end):
                worst = max(worst, lows[i])
    for rank in range(k):
        ids[to, rank], dists[to, rank] = -1, np.inf
    for i in range(begin, end):
        rank = nearer(lows, begin, end, lows[i])
        while rank < k and ids[to, rank] >= 0:
            rank += 1
        if rank < k and lows[i] < np.inf:
            ids[to, rank], dists[to, rank] = rows[places[i]], lows[i]


@inlined
def nearer(values, begin, end, dist):
    total = 0
    for i in range(begin, end, LANES):
        near = simd.load(F32, values, i) < dist
        total += simd.count(near & simd.first(MASK, end - i))
    return total


# Tiles


def tiler(rows, depth):
    """Lower bounds of `rows` queries for two blocks, into out[r * TILE :], and which queries have
    any below their limit. `depth` sums of each are kept apart, to hide the latency of addition."""
    pairs, many, more = 2 * rows, 2 * rows * depth, depth - 1

    @njit
    def tile(panels, b, other, soon, aims, out):
        codes, offsets, terms = aims
        stride, end = codes.size // ROWS, panels.shape[1] - 2 * LINE
        sums = simd.repeat(simd.zero(I32), many)
        for first in range(0, end, depth * LINE):
            for e in simd.unroll(depth):
                j = first + e * LINE
                left, right = simd.load(U8, panels, (b, j)), simd.load(U8, panels, (other, j))
                simd.prefetch(panels, (soon, j))
                simd.prefetch(panels, (soon + 1, j))
                for r in simd.unroll(rows):
                    word = simd.load(np.int32, codes, r * stride + j // LANES)
                    factor, s = simd.bitcast(I8, simd.splat(I32, word)), 2 * (rows * e + r)
                    sums = simd.put(sums, s, simd.dot(sums[s], left, factor))
                    sums = simd.put(sums, s + 1, simd.dot(sums[s + 1], right, factor))
        hits = np.uint64(0)
        for half in simd.unroll(2):
            at = b if half == 0 else other
            simd.prefetch(panels, (soon + half, end))
            simd.prefetch(panels, (soon + half, end + LINE))
            length, scale = simd.load(F32, panels, (at, end)), simd.load(F32, panels, (at, end + LINE))
            for r in simd.unroll(rows):
                term, total = r * TERMS, sums[2 * r + half] + offsets[r]
                for e in simd.unroll(more):
                    total += sums[pairs * (e + 1) + 2 * r + half]
                low = simd.fma(length, simd.splat(F32, terms[term + 1]), simd.splat(F32, terms[term]))
                low -= simd.convert(F32, total) * (scale * terms[term + 2])
                simd.store(out, r * TILE + half * LANES, low)
                hits |= np.uint64(simd.any(~(low >= terms[term + 6]))) << np.uint64(r)
        return hits

    return tile


tile_1, tile_all = tiler(1, 4), tiler(ROWS, 1)


@inlined
def scan(state, l, begin, end, then, q, i, who, first, last, k, pools, size, tiles):
    """Offers the places begin to end - 1, those of list l, to the queries who[first : last] behind
    query i; the block `then` is read next."""
    panels, firsts, _, _, vectors, _, _, _ = state
    names, aims, out = tiles
    lows, highs, places, counts, limits = pools
    _, _, terms = aims
    tail = panels.shape[1] - 2 * LINE
    stop = firsts[l] + (end - begin + LANES - 1) // LANES
    step = max(2, STRETCH // panels.shape[1] // 2 * 2)
    for b0 in range(firsts[l], stop, step):
        for w in range(first, last, ROWS):
            members = min(ROWS, last - w)
            for r in range(members):
                names[r] = who[w + r]
                aim(state, q, i + names[r], l, r, aims)
                terms[r * TERMS + 6] = limits[names[r]]
            for b in range(b0, min(b0 + step, stop), 2):
                other = min(b + 1, stop - 1)  # the next list's first block would come for nothing
                soon = b + AHEAD if b + AHEAD < stop else then + b + AHEAD - stop
                if members == 1:
                    hits = tile_1(panels, b, other, soon, aims, out)
                else:
                    hits = tile_all(panels, b, other, soon, aims, out)
                hits &= (np.uint64(1) << np.uint64(members)) - np.uint64(1)
                while hits:
                    r = simd.ctz(hits)
                    hits = simd.clear_lowest(hits)
                    row, at = names[r], r * TERMS
                    if counts[row] + TILE > size:
                        cut(pools, row, size, k, vectors, q, i + row)
                        terms[at + 6] = limits[row]
                    for half in range(2):
                        place = begin + (b + half - firsts[l]) * LANES
                        low = simd.load(F32, out, r * TILE + half * LANES)
                        near = ~(low >= limits[row]) & simd.first(MASK, end - place)
                        block = b if half == 0 else other
                        length = simd.load(F32, panels, (block, tail))
                        scale = simd.load(F32, panels, (block, tail + LINE))
                        high = low + terms[at + 3] + length * terms[at + 4] + scale * terms[at + 5]
                        high = simd.select(low > -np.inf, high, simd.splat(F32, np.inf))
                        entry, named = row * size + counts[row], simd.iota(I32) + np.int32(place)
                        simd.store(lows, entry, simd.compress(low, near))
                        simd.store(highs, entry, simd.compress(high, near))
                        simd.store(places, entry, simd.compress(named, near))
                        counts[row] += simd.count(near)


# Entry points


@njit(error_model="numpy")
def scratch(state):
    """Places for the pools of as many queries as pass at once, and what a tile works on."""
    pools = np.empty(PLACES, np.float32), np.empty(PLACES, np.float32), np.empty(PLACES, np.int32)
    rows = np.empty(PLACES // SLACK, np.int64), np.empty(PLACES // SLACK, np.float32)
    codes = np.zeros(ROWS * padded(state[4].shape[1]), np.int8)
    aims = codes, np.zeros(ROWS, np.int32), np.zeros(ROWS * TERMS, np.float32)
    return pools, rows, (np.empty(ROWS, np.int64), aims, np.empty(ROWS * TILE, np.float32))


@inlined
def search(state, scratch, q, probes, ids, dists):
    answer(state, scratch, q, probes, np.int64(0), ids, dists)


@inlined
def search_capped(state, scratch, q, probes, max_codes, ids, dists):
    """The first max_codes vectors in the order of the probes, query by query."""
    answer(state, scratch, q, probes, max_codes, ids, dists)


@inlined
def turned(probes, i, many, nlist):
    """How many lists queries i to i + many - 1 probe, which, and who: lists[t] is wanted by
    who[starts[t] : starts[t + 1]], counted from i. The lists of one query keep their order."""
    count = nprobe = probes.shape[1]
    total = many * nprobe
    lists, starts = np.empty(total + 1, np.int64), np.empty(total + 1, np.int64)
    who = np.zeros(total, np.int64)
    if many == 1:
        for p in range(nprobe):
            lists[p], starts[p] = probes[i, p], p
    else:
        count, at = 0, np.zeros(nlist + 1, np.int64)
        for r in range(i, i + many):
            for p in range(nprobe):
                at[probes[r, p] + 1] += 1
        for l in range(nlist):
            if at[l + 1] > 0:
                lists[count], starts[count] = l, at[l]
                count += 1
            at[l + 1] += at[l]
        for r in range(i, i + many):
            for p in range(nprobe):
                l = probes[r, p]
                who[at[l]] = r - i
                at[l] += 1
    lists[count], starts[count] = lists[max(0, count - 1)], total
    return count, lists, starts, who


@njit(error_model="numpy")
def answer(state, scratch, q, probes, max_codes, ids, dists):
    _, firsts, _, _, _, _, offsets, _ = state
    (lows, highs, places), (counts, limits), tiles = scratch
    k, nlist = ids.shape[1], offsets.size - 1
    nq, nprobe = probes.shape
    size = (4 * k + SLACK + TILE) // LANES * LANES
    if 2 * size + LANES > lows.size:
        lows, highs = np.empty(2 * size + LANES, np.float32), np.empty(2 * size, np.float32)
        places = np.empty(2 * size + LANES, np.int32)
    pools = lows, highs, places, counts, limits
    spare = (lows.size - LANES) // size - 1  # the last pool is for what others leave
    chunk = 1 if max_codes > 0 else spare
    for i in range(0, nq, chunk):
        many = min(chunk, nq - i)
        for r in range(many):
            counts[r], limits[r] = 0, np.inf
        count, lists, starts, who = turned(probes, i, many, nlist)
        left = max_codes if max_codes > 0 else 1 << 62
        for t in range(count):
            l, begin = lists[t], offsets[lists[t]]
            end = min(offsets[l + 1], begin + left)
            if begin < end:
                then, first, last = firsts[lists[t + 1]], starts[t], starts[t + 1]
                scan(state, l, begin, end, then, q, i, who, first, last, k, pools, size, tiles)
                left -= end - begin
        for t in range(count):  # one after another whose nearest list is the same: they share rows
            for w in range(starts[t], starts[t + 1]):
                if probes[i + who[w], 0] == lists[t]:
                    settle(pools, who[w], spare, size, k, state, q, i + who[w], ids, dists)
