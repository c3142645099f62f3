"""One-bit codes of rotated vectors by tables of bytes in registers; search refines in bytes.

RaBitQ (Gao and Long, SIGMOD 2024): bit j of code i is 1 where o = vectors[i] has o[j] >= 0. With q
rounded to low + step * u, u in 0..15, the distance |q - o|^2 is estimated as
|o|^2 + |q|^2 - 2 |o|^2 / sum_j |o[j]| * sum_j (low + step * u[j]) * (2 bit[j] - 1).

*Products.* Codes stand in blocks, transposed: a vector holds the same eight bits of many codes. The
sums of u over the low and the high ones of eight bits are tables in a register (fast scan: Andre,
Kermarrec, Le Scouarnec, VLDB 2015): of 6 and 2 bits where `vpermb` takes an index of six, else of
4 and 4. Two lookups do for eight dimensions and all four planes, where counting takes four of each
of and, count and add; two columns sum up to 240 at most, which fits a byte.

*Search.* Estimates below a limit are compressed into a pool, which is cut to its best when it is
full (the reservoir of faiss/impl/ResultHandler.h). What remains is scored with vectors rounded to
bytes, a quarter of the memory and almost without error; only the best of these are read as floats.
"""

import numpy as np
from ... import simd
from numba import njit

KNOBS = {"kept": (200, 240), "slack": (128, 64, 256), "final": (16, 12, 24)}
KEPT = KNOBS["kept"][0]  # best estimates that are scored in bytes
SLACK = KNOBS["slack"][0]  # estimates that the pool gathers before it is cut
FINAL = KNOBS["final"][0]  # best scores whose distances are computed
AHEAD = 8192  # bytes: the processor's own prefetcher stops at every page
TIES = 16  # more than wanted may stay after a cut: as many as a vector has lanes

WIDE = simd.has("avx512bw")
ROWS = 64 if WIDE else 32  # of a block
LANES = 16 if WIDE else 8
U8 = simd.u8x64 if WIDE else simd.u8x32
I8 = simd.i8x64 if WIDE else simd.i8x32
U16 = simd.u16x32 if WIDE else simd.u16x16
U32 = simd.u32x16 if WIDE else simd.u32x8
I32 = simd.i32x16 if WIDE else simd.i32x8
F32 = simd.f32x16 if WIDE else simd.f32x8
MASK = simd.m16 if WIDE else simd.m8
BYTES = simd.u8x16 if WIDE else simd.u8x8
SIGNED = simd.i8x16 if WIDE else simd.i8x8

LOW = 6 if simd.has("avx512vbmi") else 4  # bits of a byte that the first of its tables sums
HIGH = 8 - LOW
TABLE = simd.u8x64 if LOW == 6 else simd.u8x16
ENTRIES = 1 << LOW
COLUMNS = 512  # whose sums fit 16 bits: 512 * 8 * 15 < 2^16
POOL = (KEPT + SLACK + TIES + ROWS + 63) // 64 * 64


# Layout


@njit
def prepare(codes, vectors):
    """codes u64[n, w], bit j in word j // 64, least first; vectors f32[n, 64 * w] for search, none
    for scan -> blocks u8[n / ROWS, 8 * w, ROWS] of codes, factors, rounded vectors, vectors."""
    n, w = codes.shape
    blocks = np.zeros(((n + ROWS - 1) // ROWS, 8 * w, ROWS), np.uint8)
    for i in range(n):
        b, place = i // ROWS, place_of(i % ROWS)
        for c in range(8 * w):
            word = codes[i, c // 8]
            blocks[b, c, place] = np.uint8(word >> np.uint64(c % 8 * 8) & np.uint64(255))
    rows = vectors.shape[0]
    factors = np.zeros((4, (rows + ROWS - 1) // ROWS * ROWS), np.float32)
    factors[0] = np.inf  # what only fills the last block is never near
    rounded = np.empty(vectors.shape, np.uint8)
    for i in range(rows):
        round_row(codes, vectors, i, factors, rounded)
    return blocks, factors, rounded, vectors.copy(), n


@njit
def place_of(row):
    """In a block: rows r and r + ROWS / 2 share 16 bits, so that sums come out in order."""
    return 2 * row if row < ROWS // 2 else 2 * row - ROWS + 1


@njit
def round_row(codes, vectors, i, factors, rounded):
    """Of o = vectors[i], factors |o|^2, 2 |o|^2 / sum |o[j]|, that times the ones of its code, and
    the step of its components rounded to -127..127, which are kept as 1..255."""
    square, total, widest = np.float32(0), np.float32(0), np.float32(0)
    for o in vectors[i]:
        square += o * o
        total += abs(o)
        widest = max(widest, abs(o))
    ones = 0
    for word in codes[i]:
        ones += simd.popcount(word)
    factor = 2 * square / total if total > 0 else np.float32(0)
    factors[0, i], factors[1, i], factors[2, i] = square, factor, factor * np.float32(ones)
    factors[3, i] = widest / np.float32(127)
    steps = np.float32(127) / widest if widest > 0 else np.float32(0)
    for j in range(vectors.shape[1]):
        rounded[i, j] = np.uint8(vectors[i, j] * steps + np.float32(128.5))


@njit
def scratch(state):
    """Of one query: levels of 4 bits, their tables, components of 8 bits; and the pool."""
    columns = state[0].shape[1]
    return (
        np.empty(8 * columns, np.uint8),
        np.empty((columns, 2, ENTRIES), np.uint8),
        np.empty(8 * columns, np.int8),
        np.empty(POOL, np.float32),
        np.empty(POOL, np.int32),
    )


# Products


@njit
def fill_tables(levels, tables):
    """tables[c, 0, x] = the sum of levels[8 * c + j] over the bits j that are set in x, for the low
    bits of a byte, and tables[c, 1] for the high ones, whatever comes behind them."""
    for c in range(tables.shape[0]):
        low = high = simd.zero(TABLE)
        for j in simd.unroll(LOW):
            low += where_set(j, simd.load(np.uint8, levels, 8 * c + j))
        for j in simd.unroll(HIGH):
            high += where_set(j, simd.load(np.uint8, levels, 8 * c + LOW + j))
        simd.store(tables, (c, 0, 0), low)
        simd.store(tables, (c, 1, 0), high)


@njit
def where_set(j, level):
    none = simd.zero(TABLE)
    return simd.select((simd.iota(TABLE) >> j & 1) != 0, none + level, none)


@njit
def column(tables, blocks, b, c):
    """The sums of one column for a block."""
    codes = simd.load(U8, blocks, (b, c, 0))
    simd.prefetch(blocks, (b * blocks.shape[1] + c) * ROWS + AHEAD)
    above = simd.bitcast(U8, simd.bitcast(U16, codes) >> LOW)
    low = simd.lookup(simd.load(TABLE, tables, (c, 0, 0)), codes)
    return low + simd.lookup(simd.load(TABLE, tables, (c, 1, 0)), above)


@njit
def products_of(tables, blocks, b, first, last):
    """Of a block, over some columns: four vectors of u32, in order."""
    both = odd = simd.zero(U16)  # odd bytes, and all bytes times their place's worth
    for c in range(first, last, 2):
        two = column(tables, blocks, b, c) + column(tables, blocks, b, c + 1)
        words = simd.bitcast(U16, two)
        both += words
        odd += words >> 8
    even = both - (odd << 8)
    return (
        simd.convert(U32, simd.low(even)),
        simd.convert(U32, simd.high(even)),
        simd.convert(U32, simd.low(odd)),
        simd.convert(U32, simd.high(odd)),
    )


@njit
def scan(state, planes, products):
    """products[i] = sum_j bit[i, j] * u[j] for u in planes u64[4, w], plane p of weight 2^p."""
    blocks, n = state[0], state[4]
    columns = blocks.shape[1]
    levels = np.empty(8 * columns, np.uint8)
    tables = np.empty((columns, 2, ENTRIES), np.uint8)
    for w in range(planes.shape[1]):
        total = simd.zero(simd.u8x64)
        for p in simd.unroll(4):
            plane = simd.mask(simd.m64, planes[p, w])
            total |= simd.select(plane, simd.splat(simd.u8x64, 1 << p), simd.zero(simd.u8x64))
        simd.store(levels, 64 * w, total)
    fill_tables(levels, tables)
    whole = n // ROWS
    for b in range(whole):
        scan_block(tables, blocks, b, products, b * ROWS)
    if n % ROWS:
        rest = np.empty(ROWS, np.uint32)
        scan_block(tables, blocks, whole, rest, 0)
        products[whole * ROWS :] = rest[: n % ROWS]


@njit
def scan_block(tables, blocks, b, out, at):
    columns = blocks.shape[1]
    for first in range(0, columns, COLUMNS):
        parts = products_of(tables, blocks, b, first, min(first + COLUMNS, columns))
        before = simd.first(MASK, first)  # all lanes, but of the first columns none
        for part in simd.unroll(4):
            so_far = simd.load_masked(U32, out, at + LANES * part, before)
            simd.store(out, at + LANES * part, so_far + parts[part])


# Search


@njit
def search(state, scratch, q, ids, dists):
    """For each row of q f32[nq, d] ten vectors near it, nearest first, in ids i64[nq, 10], with
    their squared distances f32[nq, 10]; id -1 at distance inf where n is less."""
    _, _, rounded, vectors, _ = state
    levels, tables, bytes_of_q, values, places = scratch
    ids[:] = -1
    dists[:] = np.inf
    for row in range(q.shape[0]):
        low, step, total = quantise(q[row], levels)
        fill_tables(levels, tables)
        count = gather(state, tables, low, step, total, values, places)
        refine(state[1], rounded, q[row], bytes_of_q, values, places, count)
        count, _ = cut(values, places, count, FINAL)
        settle(vectors, q[row], places, count, ids[row], dists[row])


@njit
def quantise(q, levels):
    """The levels of q; its low and step, and the sum of what it was rounded to."""
    low, high = q[0], q[0]
    for x in q:
        low, high = min(low, x), max(high, x)
    step = (high - low) / np.float32(15)
    steps = np.float32(1) / step if step > 0 else np.float32(0)
    count = simd.zero(I32)
    for j in range(0, q.size, LANES):
        u = (simd.load(F32, q, j) - low) * steps + np.float32(0.5)
        u = simd.min(simd.convert(I32, u), simd.splat(I32, 15))
        count += u
        simd.store(levels, j, simd.saturate(BYTES, u))
    total = np.float32(q.size) * low + step * np.float32(simd.reduce_add(count))
    return low, step, total


@njit
def gather(state, tables, low, step, total, values, places):
    """Least estimates, less |q|^2, and whose they are, into the pool; how many."""
    blocks, factors = state[0], state[1]
    count, limit = 0, np.float32(np.inf)
    for b in range(blocks.shape[0]):
        parts = estimates(blocks, factors, tables, b, low, step, total)
        near = (parts[0] < limit) | (parts[1] < limit) | (parts[2] < limit) | (parts[3] < limit)
        if simd.any(near):
            if count + ROWS > POOL:
                count, limit = cut(values, places, count, KEPT)
            for part in simd.unroll(4):
                inside = parts[part] < limit
                names = simd.iota(I32) + np.int32(b * ROWS + LANES * part)
                simd.store(values, count, simd.compress(parts[part], inside))
                simd.store(places, count, simd.compress(names, inside))
                count += simd.count(inside)
    if count > KEPT + TIES:
        count, limit = cut(values, places, count, KEPT)
    return count


@njit
def estimates(blocks, factors, tables, b, low, step, total):
    """Of a block, four vectors in order."""
    columns = blocks.shape[1]
    out = simd.repeat(simd.zero(F32), 4)
    for first in range(0, columns, COLUMNS):
        parts = products_of(tables, blocks, b, first, min(first + COLUMNS, columns))
        for part in simd.unroll(4):
            out = simd.put(out, part, out[part] + simd.convert(F32, parts[part]))
    for part in simd.unroll(4):
        at = b * ROWS + LANES * part
        square, factor = simd.load(F32, factors, (0, at)), simd.load(F32, factors, (1, at))
        ones = simd.load(F32, factors, (2, at))
        inner = simd.fma(simd.splat(F32, -2 * step), out[part], simd.splat(F32, total))
        square = simd.fma(simd.splat(F32, -2 * low), ones, square)
        out = simd.put(out, part, simd.fma(factor, inner, square))
    return out


@njit
def cut(values, places, count, least):
    """Leaves about the `least` best of the pool; how many, and a limit that better ones are below.

    What ties with the limit stays by whole vectors until there are enough.
    """
    if count <= least + TIES:
        return count, np.float32(np.inf)
    limit = threshold(values, count, least)
    ties = least - within(values, count, np.nextafter(limit, np.float32(-np.inf)))
    kept = 0
    for i in range(0, count, LANES):
        value, place = simd.load(F32, values, i), simd.load(I32, places, i)
        tied = (value == limit) & simd.first(MASK, LANES if ties > 0 else 0)
        stays = ((value < limit) | tied) & simd.first(MASK, count - i)
        simd.store(values, kept, simd.compress(value, stays))
        simd.store(places, kept, simd.compress(place, stays))
        ties -= simd.count(tied)
        kept += simd.count(stays)
    return kept, limit


@njit
def threshold(values, count, least):
    """A number that at least `least` values do not exceed, and few more unless they tie."""
    low = high = values[0]
    for i in range(0, count):
        low, high = min(low, values[i]), max(high, values[i])
    if within(values, count, low) >= least:
        return low
    while True:
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        if not low < middle < high:
            return high
        found = within(values, count, middle)
        if found < least:
            low = middle
        elif found > least + TIES:
            high = middle
        else:
            return middle


@njit
def within(values, count, limit):
    """How many of the first `count` do not exceed the limit."""
    total = 0
    for i in range(0, count, LANES):
        near = simd.load(F32, values, i) <= limit
        total += simd.count(near & simd.first(MASK, count - i))
    return total


@njit
def refine(factors, rounded, q, bytes_of_q, values, places, count):
    """Values of the pool become |o|^2 - 2 q.o, with q and o in bytes."""
    step, total = round_query(q, bytes_of_q)
    for c in range(count):
        if c + 4 < count:
            for j in range(0, q.size, 64):
                simd.prefetch(rounded, (places[c + 4], j))
        i = places[c]
        sums = simd.zero(I32)
        for j in range(0, q.size, ROWS):
            part = simd.load(I8, bytes_of_q, j)
            sums = simd.dot(sums, simd.load(U8, rounded, (i, j)), part)
        product = np.float32(simd.reduce_add(sums) - 128 * total)
        values[c] = factors[0, i] - 2 * step * factors[3, i] * product


@njit
def round_query(q, bytes_of_q):
    """Its components in steps, -127 to 127; the step, and the sum of them."""
    widest = np.float32(0)
    for x in q:
        widest = max(widest, abs(x))
    steps = np.float32(127) / widest if widest > 0 else np.float32(0)
    total = simd.zero(I32)
    for j in range(0, q.size, LANES):
        scaled = simd.load(F32, q, j) * steps + np.float32(128.5)
        whole = simd.convert(I32, scaled) - 128
        total += whole
        simd.store(bytes_of_q, j, simd.saturate(SIGNED, whole))
    return widest / np.float32(127), np.int64(simd.reduce_add(total))


@njit
def settle(vectors, q, places, count, ids, dists):
    """Lets the vectors of the pool enter the answer by their distances."""
    for c in range(count):
        if c + 1 < count:
            for j in range(0, q.size, 16):
                simd.prefetch(vectors, (places[c + 1], j))
        dist = gap(vectors, places[c], q)
        if dist < dists[-1]:
            at = dists.size - 1
            while at > 0 and dists[at - 1] > dist:
                ids[at], dists[at] = ids[at - 1], dists[at - 1]
                at -= 1
            ids[at], dists[at] = places[c], dist


@njit
def gap(vectors, i, q):
    """|q - vectors[i]|^2."""
    a = b = simd.zero(F32)
    for j in range(0, q.size, 2 * LANES):
        x = simd.load(F32, vectors, (i, j)) - simd.load(F32, q, j)
        y = simd.load(F32, vectors, (i, j + LANES)) - simd.load(F32, q, j + LANES)
        a, b = simd.fma(x, x, a), simd.fma(y, y, b)
    return simd.reduce_add(a + b)
