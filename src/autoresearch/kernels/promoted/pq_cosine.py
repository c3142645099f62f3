"""Cosine search over product-quantised vectors of length one; search by lower bounds in bytes.

Cosine is L2 after normalisation: |u - c|^2 with u = q / |q|, and u = 0 where |q| = 0.

Rows stand in blocks, transposed, so that one vector holds the same code of many rows. Search looks
codes up in tables of bytes that lie in registers: entries above the least of their slice, rounded
down, sum up to a lower bound, and only rows whose bound is below the worst distance kept
are summed from the table itself. A step is so small that four entries of a near row half fill a
byte; what is further saturates, which leaves a lower bound.

The best of a first sample, by their bounds, set the limit that the rest has to pass.

Centroids are renamed so that near ones share the low bits of their code: 16, 64 and 128 groups.
The least entry of each group makes a smaller table, cheaper to look up and looser as a bound;
search takes the cheapest that lets few rows through. Fast scan (Andre, Kermarrec, Le Scouarnec:
"Cache locality is not enough", VLDB 2015) has such minimum tables of 16; tables of 256 in registers
are of its successor, "Quicker ADC" (2019).

All distances are looked up in registers too: the four bytes of a float have a table each.
"""

import numpy as np
from ... import simd
from numba import njit

KNOBS = {"each": (24, 16, 32), "spare": (16, 8, 32), "sample": (16, 8, 32)}
EACH = KNOBS["each"][0]  # steps that a slice of a row near the limit has on average
SPARE = KNOBS["spare"][0]  # the more, the fewer rows may pass before a finer table is tried
SAMPLE = KNOBS["sample"][0]  # blocks whose best rows set the first limit
AHEAD = 8192  # bytes: the processor's own prefetcher stops at every page
STRETCH = 8  # blocks that are marked at once
MOST = 1024  # slices whose sums still fit 16 bits; of more, all bounds are zero
WHOLE = np.float32((1 << 23) + 256)  # floats of this size are whole, their low byte counts
NOISE = np.float32(1e-6)  # relative error of a sum in single precision, and more
TINY = np.float32(1e-30)

WIDE = simd.has("avx512bw")
VBMI = simd.has("avx512vbmi")
ROWS = 64 if WIDE else 32  # of a block
U8 = simd.u8x64 if WIDE else simd.u8x32
U16 = simd.u16x32 if WIDE else simd.u16x16
FEWEST = np.int64(1 if VBMI else 0)  # `vpermb` has 64 entries at the price of 16
FINEST = np.int64(3)  # of tables: 0 has 16 groups, 1 has 64, 2 has 128, this one every centroid

# A trial waits for the compiler: helpers have no entry for Python, and one type of each argument,
# which a literal would not be.
inner = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
merged = njit(inline="always")  # of what one place calls: LLVM goes through it once less


@inner
def aligned(count, dtype):
    """An array that begins where a cache line does: a load of 64 bytes is two where it crosses."""
    room = np.empty(count + 64, dtype)
    start = (-room.ctypes.data & 63) // room.itemsize
    return room[start : start + count]


@inner
def keys(nodes, ds, centre, first, i):
    """Of 16 nodes, from first + i on: squared distance to the centre, and i in the low byte; the
    bit above is set, so that no key is zero."""
    total = simd.zero(simd.f32x16)
    for j in range(ds):
        gap = simd.load(simd.f32x16, nodes, 512 * j + first + i) - nodes[512 * j + centre]
        total = simd.fma(gap, gap, total)
    return simd.bitcast(simd.u32x16, total) & ~511 | simd.iota(simd.u32x16) + np.uint32(i + 256)


@inner
def pair(nodes, ds, first, count, outness, places):
    """Puts the means of pairs of near nodes behind them; the outermost node chooses first.

    places[i] is twice the number of its pair, and which of the two it is."""
    for i in range(0, count, 16):
        simd.store(outness, 4 * i, keys(nodes, ds, np.int64(511), first, i))
    for p in range(count // 2):
        most, least = simd.zero(simd.u32x16), ~simd.zero(simd.u32x16)
        for i in range(0, count, 16):
            most = simd.max(most, simd.load(simd.u32x16, outness, 4 * i))
        a = np.int64(simd.reduce_max(most)) & 255
        simd.store(outness, 4 * a, np.uint32(0))
        for i in range(0, count, 16):
            taken = simd.load(simd.u32x16, outness, 4 * i) == 0
            near = keys(nodes, ds, first + a, first, i)
            least = simd.select(taken, least, simd.min(least, near))
        b = np.int64(simd.reduce_min(least)) & 255
        simd.store(outness, 4 * b, np.uint32(0))
        places[first + a], places[first + b] = 2 * p, 2 * p + 1
        for j in range(ds):
            at = 512 * j + first
            nodes[at + count + p] = (nodes[at + a] + nodes[at + b]) / 2


@merged
def rename(nodes, ds, outness, places, names, at):
    """names[at + k]: pairs of near centroids differ in bit 7, near pairs in bit 6, and so on."""
    for k in range(256):
        names[at + k] = 0
    first = np.int64(0)
    for bit in range(7, 3, -1):
        pair(nodes, ds, first, 2 << bit, outness, places)
        first += 2 << bit
    for k in range(256):
        node, first = k, 0
        for bit in range(7, 3, -1):
            place = np.int64(places[first + node])
            names[at + k] |= (place & 1) << bit
            node, first = place >> 1, first + (2 << bit)
        names[at + k] |= node


@inner
def transpose(codes, first, wide, blocks):
    """The block of rows from `first` on, eight by eight; what is beyond the last row repeats it.

    The last load takes up to seven bytes behind the codes."""
    n, M = codes.shape
    place = simd.iota(simd.u8x64)
    order = (place & 7) << 3 | place >> 3
    for m in range(0, wide, 8):
        for r in range(0, ROWS, 8):
            rows = simd.zero(simd.u64x8)
            for i in range(8):
                row = first + r + i
                row = row if row < n else n - 1
                rows = simd.with_lane(rows, i, simd.load(np.uint64, codes, row * M + m))
            turned = simd.bitcast(simd.u64x8, simd.lookup(simd.bitcast(simd.u8x64, rows), order))
            for i in range(8):
                if m + i < wide:
                    simd.store(blocks, first * wide + (m + i) * ROWS + r, simd.lane(turned, i))


@njit
def prepare(codebook, codes):
    """The codebook with centroids side by side, codes by slices in blocks, both by new names.

    Slices are made up to fours, K to 256 by twins: a name that nobody bears is harmless."""
    M, K, ds = codebook.shape
    n, wide = codes.shape[0], (M + 3) & ~3
    columns, names = aligned(M * ds * 256, np.float32), aligned(M * 256, np.uint8)
    nodes = aligned(512 * ds, np.float32)
    outness, places = aligned(np.int64(1024), np.uint8), aligned(np.int64(512), np.uint8)
    for m in range(M):
        for j in range(ds):
            middle = np.float32(0)
            for k in range(256):
                nodes[512 * j + k] = codebook[m, k % K, j]
                middle += codebook[m, k % K, j]
            nodes[512 * j + 511] = middle / 256
        rename(nodes, ds, outness, places, names, 256 * m)
        for j in range(ds):
            for k in range(256):
                columns[(m * ds + j) * 256 + names[256 * m + k]] = nodes[512 * j + k]
    blocks = aligned((n + ROWS - 1) // ROWS * wide * ROWS, np.uint8)
    for first in range(0, n, ROWS):
        transpose(codes, first, wide, blocks)
        for m in range(M):
            at = first * wide + m * ROWS
            simd.store(blocks, at, of_256(names, 256 * m, simd.load(U8, blocks, at)))
    return columns, blocks, names, M, n


@njit
def scratch(state):
    """Of a query, by the new names: its table and behind it the least entry of each slice;
    tables of bytes; and the sums of some blocks, of even and of odd rows."""
    wide = (state[3] + 3) & ~3
    table = aligned(wide * 257, np.float32)
    for i in range(table.size):
        table[i] = 0
    return table, aligned(wide * 512, np.uint8), aligned(np.int64(SAMPLE * 2 * ROWS), np.uint8)


@njit
def distance_table(state, q, table):
    columns, _, names, _, _ = state
    M, K = table.shape
    row, scale = aligned(np.int64(256), np.float32), reciprocal(q)
    for m in range(M):
        fill_row(columns, q, scale, m, q.size // M, row, np.int64(0))
        for k in range(K):
            table[m, k] = row[names[256 * m + k]]


@inner
def reciprocal(q):
    """1 / |q|, or 0."""
    squares = simd.zero(simd.f32x16)
    for j in range(0, q.size, 16):
        x = simd.load_masked(simd.f32x16, q, j, simd.first(simd.m16, q.size - j))
        squares = simd.fma(x, x, squares)
    total = simd.reduce_add(squares)
    return np.float32(1) / np.sqrt(total) if total > 0 else np.float32(0)


@inner
def fill_row(columns, q, scale, m, ds, table, at):
    """Distances of slice m of u = q * scale to all centroids, from table[at]; least and sum."""
    low, total = simd.splat(simd.f32x16, np.inf), simd.zero(simd.f32x16)
    for k in range(0, 256, 64):
        a = b = c = d = simd.zero(simd.f32x16)
        for j in range(m * ds, m * ds + ds):
            x, at_j = simd.splat(simd.f32x16, q[j] * scale), 256 * j + k
            e = x - simd.load(simd.f32x16, columns, at_j)
            f = x - simd.load(simd.f32x16, columns, at_j + 16)
            g = x - simd.load(simd.f32x16, columns, at_j + 32)
            h = x - simd.load(simd.f32x16, columns, at_j + 48)
            a, b, c, d = simd.fma(e, e, a), simd.fma(f, f, b), simd.fma(g, g, c), simd.fma(h, h, d)
        simd.store(table, at + k, a)
        simd.store(table, at + k + 16, b)
        simd.store(table, at + k + 32, c)
        simd.store(table, at + k + 48, d)
        low = simd.min(simd.min(low, a), simd.min(b, simd.min(c, d)))
        total = total + (a + b) + (c + d)
    return simd.reduce_min(low), simd.reduce_add(total)


@njit
def compute_distances(state, table, out):
    """Slices by sixteen, whose tables fit a first-level cache."""
    _, blocks, names, _, n = state
    M, K = table.shape
    wide = (M + 3) & ~3
    row, renamed = aligned(np.int64(256), np.float32), aligned(np.int64(16 * 1024), np.uint8)
    for first in range(0, M, 16):
        count = M - first if M - first < 16 else 16
        for m in range(count):
            for k in range(K):
                row[names[256 * (first + m) + k]] = table[first + m, k]
            take_apart(row, renamed, 1024 * m)
        known = n if first > 0 else 0
        for start in range(0, n, ROWS):
            at = start * wide + first * ROWS
            if VBMI:
                add_block(renamed, blocks, at, count, out, start, known, wide)
            else:
                for i in range(0, ROWS, 8):
                    add_eight(renamed, blocks, at + i, count, out, start + i, known)


@inner
def take_apart(row, renamed, at):
    """256 floats at the place of a slice: with VBMI all their lowest bytes first, and so on."""
    for k in range(0, 256, 16):
        whole = simd.bitcast(simd.u32x16, simd.load(simd.f32x16, row, k))
        if VBMI:
            for byte in range(4):
                part = simd.convert(simd.u8x16, whole >> (8 * byte))
                simd.store(renamed, at + 256 * byte + k, part)
        else:
            simd.store(renamed, at + 4 * k, whole)


@inner
def add_block(renamed, blocks, at, count, out, start, known, wide):
    """Adds to out of 64 rows, if it is known, what registers full of bytes hold for their codes."""
    place, left = simd.iota(simd.u8x64), out.size - start
    order = (place & 3) << 4 | place >> 2  # of rows, that lanes of four bytes have them in turn
    eight, sixteen = np.int64(8), np.int64(16)
    bytes_, words = simd.splat(simd.u32x16, 0x00FF00FF), simd.splat(simd.u32x16, 0x0000FFFF)
    a = simd.load_masked(simd.f32x16, out, start, simd.first(simd.m16, known - start))
    b = simd.load_masked(simd.f32x16, out, start + 16, simd.first(simd.m16, known - start - 16))
    c = simd.load_masked(simd.f32x16, out, start + 32, simd.first(simd.m16, known - start - 32))
    d = simd.load_masked(simd.f32x16, out, start + 48, simd.first(simd.m16, known - start - 48))
    for m in range(count):
        codes = simd.lookup(simd.load(simd.u8x64, blocks, at + 64 * m), order)
        simd.prefetch(blocks, at + 64 * (m + wide))  # of the next block, seldom next to this
        e, f = byte_of(renamed, 1024 * m, codes), byte_of(renamed, 1024 * m + 256, codes)
        g, h = byte_of(renamed, 1024 * m + 512, codes), byte_of(renamed, 1024 * m + 768, codes)
        e, f = woven(e, f, eight, bytes_)
        g, h = woven(g, h, eight, bytes_)
        e, g = woven(e, g, sixteen, words)
        f, h = woven(f, h, sixteen, words)
        a, b = a + simd.bitcast(simd.f32x16, e), b + simd.bitcast(simd.f32x16, f)
        c, d = c + simd.bitcast(simd.f32x16, g), d + simd.bitcast(simd.f32x16, h)
    simd.store_masked(out, start, a, simd.first(simd.m16, left))
    simd.store_masked(out, start + 16, b, simd.first(simd.m16, left - 16))
    simd.store_masked(out, start + 32, c, simd.first(simd.m16, left - 32))
    simd.store_masked(out, start + 48, d, simd.first(simd.m16, left - 48))


@inner
def byte_of(renamed, at, codes):
    return simd.bitcast(simd.u32x16, of_256(renamed, at, codes))


@inner
def woven(low, high, bits, mask):
    """Lanes of what the mask picks of both, side by side, and lanes of the rest of both."""
    return low & mask | high << bits & ~mask, low >> bits & mask | high & ~mask


@inner
def add_eight(renamed, blocks, at, count, out, start, known):
    """Adds to out of eight rows, if it is known. Sums are scalars: lanes filled one by one would
    cost shuffles."""
    sums = simd.load_masked(simd.f32x8, out, start, simd.first(simd.m8, known - start))
    a, b, c, d = simd.lane(sums, 0), simd.lane(sums, 1), simd.lane(sums, 2), simd.lane(sums, 3)
    e, f, g, h = simd.lane(sums, 4), simd.lane(sums, 5), simd.lane(sums, 6), simd.lane(sums, 7)
    byte = np.uint64(1020)
    for m in range(count):
        word = simd.load(np.uint64, blocks, at + ROWS * m)
        place = np.uint64(1024 * m)
        a += simd.load(np.float32, renamed, place + (word << np.uint64(2) & byte))
        b += simd.load(np.float32, renamed, place + (word >> np.uint64(6) & byte))
        c += simd.load(np.float32, renamed, place + (word >> np.uint64(14) & byte))
        d += simd.load(np.float32, renamed, place + (word >> np.uint64(22) & byte))
        e += simd.load(np.float32, renamed, place + (word >> np.uint64(30) & byte))
        f += simd.load(np.float32, renamed, place + (word >> np.uint64(38) & byte))
        g += simd.load(np.float32, renamed, place + (word >> np.uint64(46) & byte))
        h += simd.load(np.float32, renamed, place + (word >> np.uint64(54) & byte))
    sums = simd.vector(simd.f32x8, (a, b, c, d, e, f, g, h))
    simd.store_masked(out, start, sums, simd.first(simd.m8, out.size - start))


@inner
def fill_bytes(table, room, levels):
    """Entries above the least of their slice, rounded down to steps of which the room has EACH
    for a slice, in levels[512 * m:]; behind 256 of them the least of each of 128, 64 and 16 groups.
    Returns steps in a unit."""
    wide = levels.size // 512
    scale = np.float32(EACH * wide if wide <= MOST else 0) / (room if room > TINY else TINY)
    half_less = simd.splat(simd.f32x16, -0.5)  # the nearest number is then none that is greater
    for m in range(wide):
        at = 512 * m
        for k in range(0, 256, 16):
            above = simd.load(simd.f32x16, table, 256 * m + k) - table[256 * wide + m]
            near = simd.fma(above, simd.splat(simd.f32x16, scale), half_less)
            number = simd.min(near, simd.splat(simd.f32x16, 255)) + WHOLE
            whole = simd.convert(simd.u8x16, simd.bitcast(simd.u32x16, number))
            simd.store(levels, at + k, whole)
        for k in range(0, 128, 64):
            low = simd.load(simd.u8x64, levels, at + k)
            low = simd.min(low, simd.load(simd.u8x64, levels, at + k + 128))
            simd.store(levels, at + k + 256, low)
        both = simd.load(simd.u8x64, levels, at + 256)
        both = simd.min(both, simd.load(simd.u8x64, levels, at + 320))
        simd.store(levels, at + 384, both)
        half = simd.min(simd.low(both), simd.high(both))
        simd.store(levels, at + 448, simd.min(simd.low(half), simd.high(half)))
    return scale


@inner
def of_128(levels, at, codes):
    """Entries of a table of 128 bytes by the low bits of the codes."""
    low, high = simd.load(simd.u8x64, levels, at), simd.load(simd.u8x64, levels, at + 64)
    return simd.lookup2(low, high, codes)


@inner
def of_256(levels, at, codes):
    high = of_128(levels, at + 128, codes)
    return simd.select((codes & 128) != 0, high, of_128(levels, at, codes))


@inner
def entries(levels, at, codes, fineness):
    """Bounds of a slice; the loop around this is compiled once for each fineness."""
    if fineness == 0:
        return simd.lookup(simd.load(simd.u8x16, levels, at + 448), codes)
    if fineness == 1:
        return simd.lookup(simd.load(simd.u8x64, levels, at + 384), codes)
    if fineness == 2:
        return of_128(levels, at + 256, codes)
    return of_256(levels, at, codes)


@inner
def bound(levels, blocks, first, last, fineness, sums):
    """Lower bounds of the rows of some blocks: of each block, even rows' and then odd rows'."""
    wide = levels.size // 512
    for b in range(first, last):
        even = odd = simd.zero(U16)
        for m in range(0, wide, 4):
            four = simd.zero(U8)
            for e in range(m, m + 4):
                at = (b * wide + e) * ROWS
                codes = simd.load(U8, blocks, at)
                simd.prefetch(blocks, at + AHEAD)
                four = simd.add_sat(four, entries(levels, 512 * e, codes, fineness))
            words = simd.bitcast(U16, four)
            even += words
            odd += words >> 8
        at = 2 * ROWS * (b - first)
        simd.store(sums, at, even - (odd << 8))
        simd.store(sums, at + ROWS, odd)


@inner
def below(sums, i, limit):
    """Which rows of the block i that was bounded last have a sum below the limit, as bits."""
    even, odd = simd.load(U16, sums, 2 * ROWS * i), simd.load(U16, sums, 2 * ROWS * i + ROWS)
    none = simd.zero(U16)
    near = simd.select(even < limit, none + 0x00FF, none)
    near |= simd.select(odd < limit, none + 0xFF00, none)
    return simd.bits(simd.bitcast(U8, near) != 0)


@inner
def distance(table, blocks, place, wide):
    """Of one row, by two chains of additions."""
    a, b = np.float32(0), np.float32(0)
    for m in range(0, wide, 2):
        code = simd.load(np.uint8, blocks, place)
        next_code = simd.load(np.uint8, blocks, place + ROWS)
        a += simd.load(np.float32, table, 256 * m + code)
        b += simd.load(np.float32, table, 256 * m + 256 + next_code)
        place += 2 * ROWS
    return a + b


@inner
def insert(ids, dists, i, total):
    """Let i enter at its place, the last falling out, if it is nearer than that."""
    at = ids.size - 1
    if total < dists[at]:
        while at > 0 and dists[at - 1] > total:
            dists[at] = dists[at - 1]
            ids[at] = ids[at - 1]
            at -= 1
        dists[at] = total
        ids[at] = i


@inner
def rescore(table, blocks, first, count, sums, least, limit, n, ids, dists):
    """Let the rows of bounds from `least` to the limit, of blocks bounded last, enter by their
    distance."""
    wide = table.size // 257
    for i in range(count):
        waiting = below(sums, i, limit) & ~below(sums, i, least)
        while waiting:
            row = ROWS * (first + i) + simd.ctz(waiting)
            waiting = simd.clear_lowest(waiting)
            if row < n:
                place = (first + i) * wide * ROWS + row % ROWS
                insert(ids, dists, row, distance(table, blocks, place, wide))


@njit
def search(state, scratch, q, ids, dists):
    columns, blocks, _, M, n = state
    table, levels, sums = scratch
    wide = levels.size // 512
    least, room, scale = np.float32(0), np.float32(0), reciprocal(q)
    for m in range(M):
        low, total = fill_row(columns, q, scale, m, q.size // M, table, 256 * m)
        table[256 * wide + m] = low
        least += low
        room += total / np.float32(256) - low
    for i in range(ids.size):
        ids[i], dists[i] = -1, np.inf
    scan(table, levels, blocks, sums, least, room, n, ids, dists)


@inner
def limit_of(worst, least, scale):
    room = worst * (1 + NOISE) - least
    steps = (room if room > 0 else np.float32(0)) * scale + 1
    return np.uint16(steps if steps < 65535 else np.float32(65535))


@inner
def sample(table, levels, blocks, sums, count, least, scale, n, ids, dists):
    """Lets rows of the first blocks enter, those first that have the least bounds."""
    zero = np.int64(0)
    bound(levels, blocks, zero, count, FINEST, sums)
    for i in range(2 * count):  # as many rows as there are ids have bounds below the last of these
        nearest = simd.reduce_min(simd.load(U16, sums, ROWS * i))
        insert(ids, dists, i, np.float32(nearest))
    worst = dists[ids.size - 1]
    low, limit = np.uint16(0), np.uint16(worst + 1 if worst < 65534 else 65535)
    for i in range(ids.size):
        ids[i], dists[i] = -1, np.inf
    for _ in range(2):
        rescore(table, blocks, zero, count, sums, low, limit, n, ids, dists)
        low, limit = limit, limit_of(dists[ids.size - 1], least, scale)


@merged
def scan(table, levels, blocks, sums, least, room, n, ids, dists):
    """Lets rows enter, given the room for the worst that the first scale is made for."""
    wide, last, end = levels.size // 512, ids.size - 1, (n + ROWS - 1) // ROWS
    b = SAMPLE if SAMPLE < end else end
    scale = fill_bytes(table, room, levels)
    sample(table, levels, blocks, sums, b, least, scale, n, ids, dists)
    fineness = FEWEST
    while b < end:
        until = b + STRETCH if b + STRETCH < end else end
        if dists[last] - least < np.float32(0.5) * room:
            room = dists[last] - least
            scale = fill_bytes(table, room, levels)
        limit = limit_of(dists[last], least, scale)
        if b & (b - 1) == 0:
            fineness = FEWEST
        while True:
            bound(levels, blocks, b, until, fineness, sums)
            came = 0
            for i in range(until - b):
                came += simd.popcount(below(sums, i, limit))
            if fineness == FINEST or came * (32 + wide) * SPARE <= ROWS * wide * (until - b):
                break
            fineness += 1
        if came:
            rescore(table, blocks, b, until - b, sums, np.uint16(0), limit, n, ids, dists)
        b = until
