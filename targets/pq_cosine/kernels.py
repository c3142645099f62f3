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
"""

import numpy as np
from autoresearch import simd
from numba import njit

KNOBS = {"each": (24, 16, 32), "spare": (16, 8, 32), "sample": (16, 8, 32)}
EACH = KNOBS["each"][0]  # steps that a slice of a row near the limit has on average
SPARE = KNOBS["spare"][0]  # the more, the fewer rows may pass before a finer table is tried
SAMPLE = KNOBS["sample"][0]  # blocks whose best rows set the first limit
AHEAD = 8192  # bytes: the processor's own prefetcher stops at every page
STRETCH = 8  # blocks that are marked at once
SMALL = 256  # rows that are not worth tables of bytes
MOST = 1024  # slices whose sums still fit 16 bits
WHOLE = np.float32((1 << 23) + 256)  # floats of this size are whole, their low byte counts
NOISE = np.float32(1e-6)  # relative error of a sum in single precision, and more

WIDE = simd.has("avx512bw")
VBMI = simd.has("avx512vbmi")
ROWS = 64 if WIDE else 32  # of a block
U8 = simd.u8x64 if WIDE else simd.u8x32
U16 = simd.u16x32 if WIDE else simd.u16x16
MASK = simd.m64 if WIDE else simd.m32
FEWEST = 1 if VBMI else 0  # of tables: 0 has 16 groups, 1 has 64, 2 has 128, 3 every centroid
FINEST = 3  # `vpermb` has 64 entries at the price of 16


@njit
def pair(centres, count, pairs, partner):
    """Pairs of near points, the outermost point first; partner[i] is i where i stays alone."""
    ds = centres.shape[1]
    outness, gaps = np.zeros(count, np.float32), np.empty(count, np.float32)
    for j in range(ds):
        middle = np.float32(0)
        for i in range(count):
            middle += centres[i, j]
        middle /= np.float32(count)
        for i in range(count):
            outness[i] += (centres[i, j] - middle) * (centres[i, j] - middle)
            partner[i] = i
    for _ in range(pairs):
        i = 0
        for other in range(count):
            gaps[other] = 0
            if outness[other] > outness[i]:
                i = other
        for j in range(ds):
            for other in range(count):
                gap = centres[other, j] - centres[i, j]
                gaps[other] += gap * gap
        outness[i] = -1
        near = -1
        for other in range(count):
            if outness[other] >= 0 and (near < 0 or gaps[other] < gaps[near]):
                near = other
        outness[near] = -1
        partner[i], partner[near] = near, i


@njit
def rename(centroids, centres, names):
    """names u8[K]: pairs of near centroids differ in bit 7, near pairs in bit 6, and so on to 4."""
    K, ds = centroids.shape
    group, partner, moved = np.empty(K, np.int64), np.empty(K, np.int64), np.empty(K, np.int64)
    for k in range(K):
        names[k], group[k] = 0, k
        for j in range(ds):
            centres[k, j] = centroids[k, j]
    count = K
    for bit in range(7, 3, -1):
        size = 1 << bit
        if count > size:
            pair(centres, count, count - size, partner)
            left = 0
            for i in range(count):
                other = partner[i]
                if i <= other:
                    moved[i] = moved[other] = left
                    for j in range(ds):
                        centres[left, j] = (centres[i, j] + centres[other, j]) / 2
                    left += 1
            for k in range(K):
                names[k] |= (partner[group[k]] < group[k]) << bit
                group[k] = moved[group[k]]
            count = left
    for k in range(K):
        names[k] |= group[k]


@njit
def prepare(codebook, codes):
    """The codebook with centroids side by side, codes u8[blocks, M, ROWS], both by the new names."""
    M, K, ds = codebook.shape
    n = codes.shape[0]
    columns = np.empty((M, ds, 256), np.float32)
    names, centres = np.zeros((M, K), np.uint8), np.empty((K, ds), np.float32)
    for m in range(M):
        rename(codebook[m], centres, names[m])
        for j in range(ds):
            for k in range(256):  # a name that nobody bears is harmless as a twin of the first
                columns[m, j, k] = codebook[m, 0, j]
            for k in range(K):
                columns[m, j, names[m, k]] = codebook[m, k, j]
    blocks = np.zeros(((n + ROWS - 1) // ROWS, M, ROWS), np.uint8)
    for i in range(n):
        for m in range(M):
            blocks[i // ROWS, m, i % ROWS] = names[m, codes[i, m]]
    return columns, blocks, names, n


@njit
def scratch(state):
    """Of a query: u, and by the new names its table, the least entry of each slice, tables of
    bytes; and the sums of the sample, the marks of some blocks."""
    columns = state[0]
    M, ds = columns.shape[0], columns.shape[1]
    return (
        np.empty(M * ds, np.float32),
        np.empty((M, 256), np.float32),
        np.empty(M, np.float32),
        np.empty((M, 512), np.uint8),
        np.empty((SAMPLE, 2, ROWS // 2), np.uint16),
        np.empty(max(SAMPLE, STRETCH), np.uint64),
    )


@njit
def distance_table(state, q, table):
    columns, _, names, _ = state
    M, K = names.shape
    row, unit = np.empty(256, np.float32), np.empty(q.size, np.float32)
    normalise(q, unit)
    for m in range(M):
        fill_row(columns, unit, m, row, 0)
        for k in range(K):
            table[m, k] = row[names[m, k]]


@njit
def normalise(q, unit):
    total = np.float32(0)
    for x in q:
        total += x * x
    scale = np.float32(1) / np.sqrt(total) if total > 0 else np.float32(0)
    for j in range(q.size):
        unit[j] = q[j] * scale


@njit
def fill_row(columns, q, m, table, at):
    """Distances of slice m of q to all centroids, from table[at]; their least and their sum."""
    ds = columns.shape[1]
    low, total = simd.splat(simd.f32x16, np.inf), simd.zero(simd.f32x16)
    for k in range(0, 256, 64):
        sums = simd.repeat(simd.zero(simd.f32x16), 4)
        for j in range(ds):
            x = simd.splat(simd.f32x16, q[m * ds + j])
            for v in simd.unroll(4):
                c = simd.load(simd.f32x16, columns, (m * ds + j) * 256 + k + 16 * v)
                sums = simd.put(sums, v, simd.fma(x - c, x - c, sums[v]))
        for v in simd.unroll(4):
            simd.store(table, at + k + 16 * v, sums[v])
            low, total = simd.min(low, sums[v]), total + sums[v]
    return simd.reduce_min(low), simd.reduce_add(total)


@njit
def compute_distances(state, table, out):
    """Slices by sixteen, whose table fits a first-level cache; eight rows side by side."""
    _, blocks, names, n = state
    M, K = names.shape
    renamed = np.empty((16, 256), np.float32)
    for start in range(0, n, 8192):
        for first in range(0, M, 16):
            count = min(16, M - first)
            for m in range(count):
                for k in range(K):
                    renamed[m, names[first + m, k]] = table[first + m, k]
            for row in range(start, min(start + 8192, n), 8):
                inside = simd.first(simd.m8, n - row)
                sums = simd.zero(simd.f32x8)
                if first > 0:
                    sums = simd.load_masked(simd.f32x8, out, row, inside)
                at = (row // ROWS * M + first) * ROWS + row % ROWS
                sums = add_eight(renamed, blocks, at, count, sums)
                simd.store_masked(out, row, sums, inside)


@njit
def add_eight(table, blocks, at, count, sums):
    """The entries of eight rows. Sums are scalars: lanes filled one by one would cost shuffles."""
    a, b, c, d = simd.lane(sums, 0), simd.lane(sums, 1), simd.lane(sums, 2), simd.lane(sums, 3)
    e, f, g, h = simd.lane(sums, 4), simd.lane(sums, 5), simd.lane(sums, 6), simd.lane(sums, 7)
    byte = np.uint64(255)
    for m in range(count):
        word = simd.load(np.uint64, blocks, at + ROWS * m)
        place = np.uint64(256 * m)
        a += simd.load(np.float32, table, place + (word & byte))
        b += simd.load(np.float32, table, place + (word >> np.uint64(8) & byte))
        c += simd.load(np.float32, table, place + (word >> np.uint64(16) & byte))
        d += simd.load(np.float32, table, place + (word >> np.uint64(24) & byte))
        e += simd.load(np.float32, table, place + (word >> np.uint64(32) & byte))
        f += simd.load(np.float32, table, place + (word >> np.uint64(40) & byte))
        g += simd.load(np.float32, table, place + (word >> np.uint64(48) & byte))
        h += simd.load(np.float32, table, place + (word >> np.uint64(56)))
    return simd.vector(simd.f32x8, (a, b, c, d, e, f, g, h))


@njit
def fill_bytes(table, lows, scale, levels):
    """Entries above the least of their slice, in steps of 1 / scale, rounded down, in
    levels[m, :256]; behind them the least of each of 128, 64 and 16 groups."""
    half_less = simd.splat(simd.f32x16, -0.5)  # the nearest number is then none that is greater
    for m in range(lows.size):
        at = 512 * m
        for k in range(0, 256, 16):
            above = simd.load(simd.f32x16, table, 256 * m + k) - lows[m]
            near = simd.fma(above, simd.splat(simd.f32x16, scale), half_less)
            number = simd.min(near, simd.splat(simd.f32x16, 255)) + WHOLE
            whole = simd.convert(simd.u8x16, simd.bitcast(simd.u32x16, number))
            simd.store(levels, at + k, whole)
        a = least_of_two(levels, at, at + 128)
        b = least_of_two(levels, at + 64, at + 192)
        simd.store(levels, at + 256, a)
        simd.store(levels, at + 320, b)
        both = simd.min(a, b)
        simd.store(levels, at + 384, both)
        half = simd.min(simd.low(both), simd.high(both))
        simd.store(levels, at + 448, simd.min(simd.low(half), simd.high(half)))


@njit
def least_of_two(levels, a, b):
    return simd.min(simd.load(simd.u8x64, levels, a), simd.load(simd.u8x64, levels, b))


@njit
def of_16(levels, at, codes):
    return simd.lookup(simd.load(simd.u8x16, levels, at), codes)


@njit
def of_64(levels, at, codes):
    """Entries of a table of 64 by the low bits of the codes."""
    if VBMI:
        return simd.lookup(simd.load(simd.u8x64, levels, at), codes)
    bit4, bit5 = (codes & 16) != 0, (codes & 32) != 0
    low = simd.select(bit4, of_16(levels, at + 16, codes), of_16(levels, at, codes))
    high = simd.select(bit4, of_16(levels, at + 48, codes), of_16(levels, at + 32, codes))
    return simd.select(bit5, high, low)


@njit
def of_128(levels, at, codes):
    if VBMI:
        low, high = simd.load(simd.u8x64, levels, at), simd.load(simd.u8x64, levels, at + 64)
        return simd.lookup2(low, high, codes)
    high = of_64(levels, at + 64, codes)
    return simd.select((codes & 64) != 0, high, of_64(levels, at, codes))


@njit
def of_256(levels, at, codes):
    high = of_128(levels, at + 128, codes)
    return simd.select((codes & 128) != 0, high, of_128(levels, at, codes))


def summing(entries, first):
    """Sums over the slices of a block by the tables that begin at levels[m, first]."""

    @njit
    def sums(levels, blocks, b):
        """Of bytes at odd places, and of all bytes times their place's worth."""
        M = levels.shape[0]
        both = odd = simd.zero(U16)
        whole = M - M % 4
        for m in range(0, whole, 4):
            four = simd.zero(U8)
            for e in simd.unroll(4):
                codes = simd.load(U8, blocks, (b, m + e, 0))
                simd.prefetch(blocks, (b * M + m + e) * ROWS + AHEAD)
                four = simd.add_sat(four, entries(levels, 512 * (m + e) + first, codes))
            words = simd.bitcast(U16, four)
            both += words
            odd += words >> 8
        four = simd.zero(U8)
        for m in range(whole, M):
            codes = simd.load(U8, blocks, (b, m, 0))
            four = simd.add_sat(four, entries(levels, 512 * m + first, codes))
        words = simd.bitcast(U16, four)
        return both + words, odd + (words >> 8)

    return sums


sums_of_16, sums_of_64 = summing(of_16, 448), summing(of_64, 384)
sums_of_128, sums_of_256 = summing(of_128, 256), summing(of_256, 0)


@njit
def nearer(both, odd, limit):
    """Which rows have a sum below the limit, as bits."""
    even = both - (odd << 8)
    none = both ^ both
    near = simd.select(even < limit, none + 0x00FF, none)
    near |= simd.select(odd < limit, none + 0xFF00, none)
    return simd.bits(simd.bitcast(U8, near) != 0)


@njit
def mark(levels, blocks, first, last, limit, fineness, marks):
    """Which rows of some blocks have a bound below the limit, as bits; how many."""
    came = 0
    for b in range(first, last):
        if fineness == 0:
            both, odd = sums_of_16(levels, blocks, b)
        elif fineness == 1:
            both, odd = sums_of_64(levels, blocks, b)
        elif fineness == 2:
            both, odd = sums_of_128(levels, blocks, b)
        else:
            both, odd = sums_of_256(levels, blocks, b)
        marks[b - first] = nearer(both, odd, limit)
        came += simd.popcount(marks[b - first])
    return came


@njit
def distance(table, blocks, place, M):
    """Of one row, by two chains of additions."""
    a, b = np.float32(0), np.float32(0)
    for m in range(0, M - 1, 2):
        code = simd.load(np.uint8, blocks, place)
        next_code = simd.load(np.uint8, blocks, place + ROWS)
        a += simd.load(np.float32, table, 256 * m + code)
        b += simd.load(np.float32, table, 256 * m + 256 + next_code)
        place += 2 * ROWS
    if M % 2:
        a += simd.load(np.float32, table, 256 * (M - 1) + simd.load(np.uint8, blocks, place))
    return a + b


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
def rescore(table, blocks, first, count, marks, n, ids, dists):
    """Let the rows that are marked, in blocks from the first on, enter what is kept."""
    M, last = table.shape[0], ids.size - 1
    for i in range(count):
        b, waiting = first + i, marks[i]
        while waiting:
            row = ROWS * b + simd.ctz(waiting)
            waiting = simd.clear_lowest(waiting)
            if row < n:
                total = distance(table, blocks, b * M * ROWS + row % ROWS, M)
                if total < dists[last]:
                    insert(ids, dists, row, total)


@njit
def search(state, scratch, q, ids, dists):
    columns, blocks, _, n = state
    unit, table, lows, levels, _, marks = scratch
    M, last = lows.size, ids.size - 1
    normalise(q, unit)
    least, room = np.float32(0), np.float32(0)
    for m in range(M):
        low, total = fill_row(columns, unit, m, table, 256 * m)
        lows[m] = low
        least += low
        room += total / np.float32(256) - low
    ids[:] = -1
    dists[:] = np.inf
    if M > MOST or n < SMALL or not (simd.has("ssse3") or simd.has("neon")):
        marks[:] = simd.bits(simd.first(MASK, ROWS))
        for b in range(0, blocks.shape[0], SAMPLE):
            rescore(table, blocks, b, min(SAMPLE, blocks.shape[0] - b), marks, n, ids, dists)
    else:
        scale = steps(M, room)
        fill_bytes(table, lows, scale, levels)
        begin = sample(scratch, blocks, least, scale, n, ids, dists)
        scan(scratch, blocks, begin, least, room, scale, n, ids, dists)


@njit
def steps(M, room):
    """The scale that makes of a room what M slices have."""
    return np.float32(EACH * M) / max(room, np.float32(1e-30))


@njit
def limit_of(worst, least, scale):
    room = max(worst * (1 + NOISE) - least, np.float32(0))
    return np.uint16(min(room * scale + 1, np.float32(65535)))


@njit
def sample(scratch, blocks, least, scale, n, ids, dists):
    """Lets the nearest rows of the first blocks enter, best bounds first; how many blocks."""
    _, table, _, levels, sums, marks = scratch
    count, last = min(SAMPLE, blocks.shape[0]), ids.size - 1
    for b in range(count):
        both, odd = sums_of_256(levels, blocks, b)
        simd.store(sums, (b, 0, 0), both)
        simd.store(sums, (b, 1, 0), odd)
    low, high = 0, 65535  # fewer rows than wanted are below low, enough are below high
    while high - low > 1:
        middle = (low + high) // 2
        if below(sums, count, np.uint16(middle), n) > last:
            high = middle
        else:
            low = middle
    first = np.uint16(high)
    for b in range(count):
        marks[b] = near_of(sums, b, first)
    rescore(table, blocks, 0, count, marks, n, ids, dists)
    limit = limit_of(dists[last], least, scale)
    for b in range(count):
        marks[b] = near_of(sums, b, limit) & ~near_of(sums, b, first)
    rescore(table, blocks, 0, count, marks, n, ids, dists)
    return count


@njit
def near_of(sums, b, limit):
    return nearer(simd.load(U16, sums, (b, 0, 0)), simd.load(U16, sums, (b, 1, 0)), limit)


@njit
def below(sums, count, limit, n):
    total = 0
    for b in range(count):
        total += simd.popcount(near_of(sums, b, limit) & simd.bits(simd.first(MASK, n - ROWS * b)))
    return total


@njit
def scan(scratch, blocks, begin, least, room, scale, n, ids, dists):
    """Lets rows enter from block `begin` on, given the room that the scale was made for."""
    _, table, lows, levels, _, marks = scratch
    M, last = lows.size, ids.size - 1
    fineness, b = FEWEST, begin
    while b < blocks.shape[0]:
        until = min(b + STRETCH, blocks.shape[0])
        if dists[last] - least < np.float32(0.5) * room:
            room = max(dists[last] - least, np.float32(0))
            scale = steps(M, room)
            fill_bytes(table, lows, scale, levels)
        limit = limit_of(dists[last], least, scale)
        if b & (b - 1) == 0:
            fineness = FEWEST
        while True:
            came = mark(levels, blocks, b, until, limit, fineness, marks)
            if fineness == FINEST or came * (32 + M) * SPARE <= ROWS * M * (until - b):
                break
            fineness += 1
        if came:
            rescore(table, blocks, b, until - b, marks, n, ids, dists)
        b = until
