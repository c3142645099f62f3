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

*Compiling.* Arrays are flat, as tuples as shapes and slices would compile more of numba than there
is code here; parts are called from compiled code alone and need no wrappers for Python.
"""

import numpy as np
from autoresearch import simd
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
U64 = simd.u64x8 if WIDE else simd.u64x4
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

part = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


# Layout


@njit
def prepare(codes, vectors):
    """codes u64[n, w], bit j in word j // 64, least first; vectors f32[n, 64 * w] for search, none
    for scan -> blocks u8[n / ROWS, 8 * w, ROWS] of codes, factors f32[n / ROWS, 4, ROWS], rounded
    vectors u8[n, 64 * w], vectors as they are, n, 8 * w."""
    n, w = codes.shape
    rows, d = vectors.shape
    padded, filled = -(-n // ROWS) * ROWS, -(-rows // ROWS) * ROWS
    blocks, turned = np.empty(padded * 8 * w, np.uint8), np.empty(ROWS * w, np.uint64)
    for first in range(0, padded, ROWS):
        transpose(codes, first, turned, blocks)
    factors, rounded = np.empty(4 * filled, np.float32), np.empty(rows * d, np.uint8)
    for i in range(rows):
        round_row(codes, vectors, i, factors, rounded)
    for i in range(rows, filled):  # what only fills the last block is never near
        put_factors(factors, i, np.float32(np.inf), np.float32(0), np.float32(0), np.float32(0))
    return blocks, factors, rounded, vectors, n, 8 * w


@part
def transpose(codes, row, turned, blocks):
    """A block from `row` on. Rows r and r + ROWS / 2 share 16 bits, so that sums come out in order;
    behind the last code comes the last code. First the words of eight rows at a time become eight
    words of one column each, then each column gathers its words."""
    n, w = codes.shape
    inside = simd.iota(simd.u8x64)
    inside = (inside << 3) | (inside >> 3)
    for first in range(0, ROWS, 8):
        place = simd.iota(simd.i64x8) + first
        place = (place >> 1) + (place & 1) * (ROWS // 2) + row
        place = simd.min(place, simd.splat(simd.i64x8, n - 1)) * w
        for word in range(w):
            eight = simd.bitcast(simd.u8x64, simd.gather(codes, place + word))
            simd.store(turned, word * ROWS + first, simd.lookup(eight, inside))
    groups = simd.iota(U64) << 3
    for word in range(w):
        for c in range(8):
            column = simd.gather(turned, groups + (word * ROWS + c))
            simd.store(blocks, (row * w + word * ROWS) * 8 + c * ROWS, column)


@part
def round_row(codes, vectors, i, factors, rounded):
    """Of o = vectors[i], factors |o|^2, 2 |o|^2 / sum |o[j]|, that times the ones of its code, and
    the step of its components rounded to -127..127, which are kept as 1..255."""
    d = vectors.shape[1]
    squares = sums = sizes = simd.zero(F32)
    for j in range(i * d, i * d + d, LANES):
        o = simd.load(F32, vectors, j)
        squares, sums = simd.fma(o, o, squares), sums + simd.abs(o)
        sizes = simd.max(sizes, simd.abs(o))
    ones = 0
    for word in range(codes.shape[1]):
        ones += simd.popcount(codes[i, word])
    square, total, widest = simd.reduce_add(squares), simd.reduce_add(sums), simd.reduce_max(sizes)
    factor = (square + square) / total if total > 0 else np.float32(0)
    put_factors(factors, i, square, factor, factor * np.float32(ones), widest / np.float32(127))
    steps = np.float32(127) / widest if widest > 0 else np.float32(0)
    for j in range(i * d, i * d + d, LANES):
        o = simd.load(F32, vectors, j) * steps + np.float32(128.5)
        simd.store(rounded, j, simd.saturate(BYTES, simd.convert(I32, o)))


@part
def put_factors(factors, i, square, factor, ones, step):
    at = factors_at(i)
    factors[at], factors[at + ROWS] = square, factor
    factors[at + 2 * ROWS], factors[at + 3 * ROWS] = ones, step


@part
def factors_at(i):
    """Where the first factor of row i lies; the next ones follow by ROWS."""
    return 4 * i - 3 * (i & (ROWS - 1))


@njit
def scratch(state):
    """Of one query: levels of 4 bits, their tables, components of 8 bits; and the pool."""
    columns = state[5]
    levels, rounded = np.empty(8 * columns, np.uint8), np.empty(8 * columns, np.uint8)
    tables = np.empty(columns * 2 * ENTRIES, np.uint8)
    return levels, tables, rounded, np.empty(POOL, np.float32), np.empty(POOL, np.int32)


# Products


@part
def fill_tables(levels, tables, columns):
    """tables[c, 0, x] = the sum of levels[8 * c + j] over the bits j that are set in x, for the low
    bits of a byte, and tables[c, 1] for the high ones, whatever comes behind them."""
    none, entry = simd.zero(TABLE), simd.iota(TABLE)
    for c in range(columns):
        low = high = none
        for j in simd.unroll(LOW):
            level = none + simd.load(np.uint8, levels, 8 * c + j)
            low += simd.select((entry >> j & 1) != 0, level, none)
        for j in simd.unroll(HIGH):
            level = none + simd.load(np.uint8, levels, 8 * c + LOW + j)
            high += simd.select((entry >> j & 1) != 0, level, none)
        simd.store(tables, 2 * c * ENTRIES, low)
        simd.store(tables, (2 * c + 1) * ENTRIES, high)


@part
def products_of(tables, blocks, b, columns):
    """Of a block: four vectors of u32, in order."""
    sums = simd.repeat(simd.zero(U32), 4)
    for first in range(0, columns, COLUMNS):
        both = odd = simd.zero(U16)  # odd bytes, and all bytes times their place's worth
        last = first + COLUMNS if first + COLUMNS < columns else columns
        for c in range(first, last, 2):
            two = simd.zero(U8)
            for i in simd.unroll(2):
                codes = simd.load(U8, blocks, (b * columns + c + i) * ROWS)
                simd.prefetch(blocks, (b * columns + c + i) * ROWS + AHEAD)
                above = simd.bitcast(U8, simd.bitcast(U16, codes) >> LOW)
                two += simd.lookup(simd.load(TABLE, tables, 2 * (c + i) * ENTRIES), codes)
                two += simd.lookup(simd.load(TABLE, tables, (2 * (c + i) + 1) * ENTRIES), above)
            words = simd.bitcast(U16, two)
            both += words
            odd += words >> 8
        even = both - (odd << 8)
        sums = simd.put(sums, 0, sums[0] + simd.convert(U32, simd.low(even)))
        sums = simd.put(sums, 1, sums[1] + simd.convert(U32, simd.high(even)))
        sums = simd.put(sums, 2, sums[2] + simd.convert(U32, simd.low(odd)))
        sums = simd.put(sums, 3, sums[3] + simd.convert(U32, simd.high(odd)))
    return sums


@njit
def scan(state, planes, products):
    """products[i] = sum_j bit[i, j] * u[j] for u in planes u64[4, w], plane p of weight 2^p."""
    blocks, _, _, _, n, columns = state
    levels, tables = np.empty(8 * columns, np.uint8), np.empty(columns * 2 * ENTRIES, np.uint8)
    for w in range(planes.shape[1]):
        level = simd.zero(simd.u8x64)
        for p in range(3, -1, -1):
            plane = simd.mask(simd.m64, planes[p, w])
            level += level + simd.select(plane, simd.splat(simd.u8x64, 1), simd.zero(simd.u8x64))
        simd.store(levels, 64 * w, level)
    fill_tables(levels, tables, columns)
    for first in range(0, n, ROWS):
        sums = products_of(tables, blocks, first // ROWS, columns)
        for quarter in simd.unroll(4):
            at = first + LANES * quarter
            if at + LANES <= n:
                simd.store(products, at, sums[quarter])
            else:
                simd.store_masked(products, at, sums[quarter], simd.first(MASK, n - at))


# Search


@njit
def search(state, scratch, q, ids, dists):
    """For each row of q f32[nq, d] ten vectors near it, nearest first, in ids i64[nq, 10], with
    their squared distances f32[nq, 10]; id -1 at distance inf where n is less."""
    blocks, factors, rounded, vectors, n, columns = state
    levels, tables, bytes_of_q, values, places = scratch
    for row in range(q.shape[0]):
        low, step, total, unit, whole = quantise(q, row, levels, bytes_of_q)
        fill_tables(levels, tables, columns)
        weights = -2 * low, -2 * step, total
        count = gather(blocks, n, columns, factors, tables, weights, values, places)
        refine(factors, rounded, bytes_of_q, unit, whole, values, places, count)
        count, _ = cut(values, places, count, FINAL)
        settle(vectors, q, row, places, count, ids, dists)


@part
def quantise(q, row, levels, bytes_of_q):
    """Components as levels of 4 bits and as bytes; for levels the low, the step and the sum of what
    q was rounded to, for bytes the step and the sum of them."""
    d = q.shape[1]
    least = most = simd.load(F32, q, row * d)
    for j in range(row * d, row * d + d, LANES):
        x = simd.load(F32, q, j)
        least, most = simd.min(least, x), simd.max(most, x)
    low, high = simd.reduce_min(least), simd.reduce_max(most)
    step, widest = (high - low) / np.float32(15), high if high > -low else -low
    steps = np.float32(1) / step if step > 0 else np.float32(0)
    units = np.float32(127) / widest if widest > 0 else np.float32(0)
    count = total = simd.zero(I32)
    for j in range(0, d, LANES):
        x = simd.load(F32, q, row * d + j)
        u = simd.convert(I32, (x - low) * steps + np.float32(0.5))
        u = simd.min(u, simd.splat(I32, 15))
        whole = simd.convert(I32, x * units + np.float32(128.5)) - 128
        count, total = count + u, total + whole
        simd.store(levels, j, simd.saturate(BYTES, u))
        simd.store(bytes_of_q, j, simd.saturate(SIGNED, whole))
    rounded = np.float32(d) * low + step * np.float32(simd.reduce_add(count))
    return low, step, rounded, widest / np.float32(127), np.int64(simd.reduce_add(total))


@part
def gather(blocks, n, columns, factors, tables, weights, values, places):
    """Least estimates, less |q|^2, and whose they are, into the pool; how many."""
    count, limit = 0, np.float32(np.inf)
    for b in range(-(-n // ROWS)):
        sums, near = products_of(tables, blocks, b, columns), simd.repeat(simd.zero(F32), 4)
        for part in simd.unroll(4):
            at = 4 * b * ROWS + LANES * part
            square, factor = simd.load(F32, factors, at), simd.load(F32, factors, at + ROWS)
            ones = simd.load(F32, factors, at + 2 * ROWS)
            inner = simd.splat(F32, weights[1]) 
            inner = simd.fma(inner, simd.convert(F32, sums[part]), simd.splat(F32, weights[2]))
            square = simd.fma(simd.splat(F32, weights[0]), ones, square)
            near = simd.put(near, part, simd.fma(factor, inner, square))
        least = simd.min(simd.min(near[0], near[1]), simd.min(near[2], near[3]))
        if simd.any(least < limit):
            if count + ROWS > POOL:
                count, limit = cut(values, places, count, KEPT)
            for part in simd.unroll(4):
                inside = near[part] < limit
                names = simd.iota(I32) + (b * ROWS + LANES * part)
                simd.store(values, count, simd.compress(near[part], inside))
                simd.store(places, count, simd.compress(names, inside))
                count += simd.count(inside)
    count, _ = cut(values, places, count, KEPT)
    return count


@part
def cut(values, places, count, least):
    """Leaves about the `least` best of the pool; how many, and a limit that better ones are below.

    What ties with the limit stays by whole vectors until there are enough.
    """
    if count <= least + TIES:
        return count, np.float32(np.inf)
    limit, ties = threshold(values, count, least)
    kept = 0
    for i in range(0, count, LANES):
        value, place = simd.load(F32, values, i), simd.load(I32, places, i)
        inside = simd.first(MASK, count - i)
        tied = (value == limit) & simd.first(MASK, LANES if ties > 0 else 0)
        stays = ((value < limit) | tied) & inside
        simd.store(values, kept, simd.compress(value, stays))
        simd.store(places, kept, simd.compress(place, stays))
        ties -= simd.count(tied & inside)
        kept += simd.count(stays)
    return kept, limit


@part
def threshold(values, count, least):
    """A number that `least` values are below, or a few more; else one that too few are below and,
    as many are equal to it, how many of these are missing."""
    small = large = simd.load(F32, values, 0)
    for i in range(0, count, LANES):  # more than a vector has
        value = simd.load(F32, values, i if i + LANES <= count else count - LANES)
        small, large = simd.min(small, value), simd.max(large, value)
    low, high, below = simd.reduce_min(small), np.float32(np.inf), 0
    middle = simd.reduce_max(large)
    while True:
        found = 0
        for i in range(0, count, LANES):
            under = simd.load(F32, values, i) < middle
            found += simd.count(under & simd.first(MASK, count - i))
        if found < least:
            low, below = middle, found
        elif found > least + TIES:
            high = middle
        else:
            return middle, 0
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        if not low < middle < high:
            return low, least - below


@part
def refine(factors, rounded, bytes_of_q, unit, whole, values, places, count):
    """Values of the pool become |o|^2 - 2 q.o, with q and o in bytes."""
    d = bytes_of_q.size
    for c in range(count):
        if c + 4 < count:
            for j in range(0, d, 64):
                simd.prefetch(rounded, places[c + 4] * d + j)
        i = np.int64(places[c])
        sums = simd.zero(I32)
        for j in range(0, d, ROWS):
            part = simd.load(I8, bytes_of_q, j)
            sums = simd.dot(sums, simd.load(U8, rounded, i * d + j), part)
        product = np.float32(simd.reduce_add(sums) - 128 * whole)
        at = factors_at(i)
        values[c] = factors[at] - 2 * unit * factors[at + 3 * ROWS] * product


@part
def settle(vectors, q, row, places, count, ids, dists):
    """Lets the vectors of the pool enter the answer by their distances."""
    for k in range(dists.shape[1]):
        ids[row, k], dists[row, k] = -1, np.inf
    for c in range(count):
        if c + 1 < count:
            for j in range(0, q.shape[1], 16):
                simd.prefetch(vectors, places[c + 1] * q.shape[1] + j)
        dist = gap(vectors, places[c] * q.shape[1], q, row * q.shape[1])
        at = dists.shape[1] - 1
        if dist < dists[row, at]:
            while at > 0 and dists[row, at - 1] > dist:
                ids[row, at], dists[row, at] = ids[row, at - 1], dists[row, at - 1]
                at -= 1
            ids[row, at], dists[row, at] = places[c], dist


@part
def gap(vectors, i, q, row):
    """|q - o|^2 of rows that begin there."""
    a = b = simd.zero(F32)
    for j in range(0, q.shape[1], 2 * LANES):
        x = simd.load(F32, vectors, i + j) - simd.load(F32, q, row + j)
        y = simd.load(F32, vectors, i + j + LANES) - simd.load(F32, q, row + j + LANES)
        a, b = simd.fma(x, x, a), simd.fma(y, y, b)
    return simd.reduce_add(a + b)
