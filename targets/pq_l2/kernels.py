"""Squared L2 distances to product-quantised vectors; search by lower bounds in bytes.

Rows stand in blocks of 64, transposed, so that one vector holds the same code of many rows. Search
looks codes up in tables of bytes that lie in registers: entries rounded down sum up to a lower
bound, and only rows whose bound is below the worst distance kept are summed from the table itself.

Centroids are renamed so that near ones share the low bits of their code: 16, 64 and 128 groups.
The least entry of each group makes a smaller table, cheaper to look up and looser as a bound;
search takes the cheapest that lets few rows through. Fast scan (Andre, Kermarrec, Le Scouarnec:
"Cache locality is not enough", VLDB 2015) has such minimum tables of 16; tables of 256 in registers
are of its successor, "Quicker ADC" (2019).
"""

import numpy as np
from autoresearch import simd
from numba import njit

ROWS = 64  # of a block
TOP = 63  # the largest entry of a table of bytes: four of them fit a byte
MOST = 1024  # slices whose entries still fit 16 bits
NOISE = np.float32(1e-6)  # relative error of a sum in single precision, and more
STRETCH = 8  # blocks that are marked at once
FINEST = 3  # of tables: 0 has 16 groups, 1 has 64, 2 has 128, 3 every centroid


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
    """The codebook with centroids side by side, codes u8[blocks, M, 64], both by the new names."""
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
    """Of a query, by the new names: its table, the least entry of each slice, tables of bytes."""
    M = state[2].shape[0]
    lows = np.empty(M, np.float32)
    return np.empty((M, 256), np.float32), lows, np.empty((M, 512), np.uint8)


@njit
def distance_table(state, q, table):
    columns, _, names, _ = state
    M, K = names.shape
    row = np.empty(256, np.float32)
    for m in range(M):
        fill_row(columns, q, m, row, 0)
        for k in range(K):
            table[m, k] = row[names[m, k]]


@njit
def fill_row(columns, q, m, table, at):
    """Distances of slice m of q to all centroids, from table[at]; their least and greatest."""
    ds = columns.shape[1]
    low, high = simd.splat(simd.f32x16, np.inf), simd.zero(simd.f32x16)
    for k in range(0, 256, 16):
        total = simd.zero(simd.f32x16)
        for j in range(ds):
            gap = q[m * ds + j] - simd.load(simd.f32x16, columns, (m * ds + j) * 256 + k)
            total += gap * gap
        simd.store(table, at + k, total)
        low, high = simd.min(low, total), simd.max(high, total)
    return simd.reduce_min(low), simd.reduce_max(high)


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
    for m in range(lows.size):
        at = 512 * m
        for k in range(0, 256, 16):
            steps = (simd.load(simd.f32x16, table, 256 * m + k) - lows[m]) * scale
            whole = simd.convert(simd.i32x16, simd.min(steps, simd.splat(simd.f32x16, TOP)))
            simd.store(levels, at + k, simd.saturate(simd.u8x16, whole))
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
    if simd.has("avx512vbmi"):
        return simd.lookup(simd.load(simd.u8x64, levels, at), codes)
    bit4, bit5 = (codes & 16) != 0, (codes & 32) != 0
    low = simd.select(bit4, of_16(levels, at + 16, codes), of_16(levels, at, codes))
    high = simd.select(bit4, of_16(levels, at + 48, codes), of_16(levels, at + 32, codes))
    return simd.select(bit5, high, low)


@njit
def of_128(levels, at, codes):
    if simd.has("avx512vbmi"):
        low, high = simd.load(simd.u8x64, levels, at), simd.load(simd.u8x64, levels, at + 64)
        return simd.lookup2(low, high, codes)
    high = of_64(levels, at + 64, codes)
    return simd.select((codes & 64) != 0, high, of_64(levels, at, codes))


@njit
def of_256(levels, at, codes):
    high = of_128(levels, at + 128, codes)
    return simd.select((codes & 128) != 0, high, of_128(levels, at, codes))


@njit
def some_codes(blocks, at):
    """As many as fit a register."""
    if simd.has("avx512vbmi"):
        return simd.load(simd.u8x64, blocks, at)
    return simd.load(simd.u8x32, blocks, at)


@njit
def words_of(x):
    if simd.has("avx512vbmi"):
        return simd.bitcast(simd.u16x32, x)
    return simd.bitcast(simd.u16x16, x)


@njit
def bytes_of(x):
    if simd.has("avx512vbmi"):
        return simd.bitcast(simd.u8x64, x)
    return simd.bitcast(simd.u8x32, x)


@njit
def flushed(four, both, odd, now):
    """Sums of bytes added to sums of words: of odd bytes, and of both, times their place's worth."""
    if now:
        words = words_of(four)
        return four ^ four, both + words, odd + (words >> 8)
    return four, both, odd


@njit
def nearer(both, odd, limit):
    """Which rows have a sum below the limit, as bits."""
    even = both - (odd << 8)
    none = both ^ both
    near = simd.select(even < limit, none + 0x00FF, none)
    near |= simd.select(odd < limit, none + 0xFF00, none)
    return simd.bits(bytes_of(near) != 0)


@njit
def mark(levels, blocks, first, last, limit, fineness, marks):
    """Which of the 64 rows of a block have a bound below the limit, as bits, for some blocks."""
    M = levels.shape[0]
    step = 64 if simd.has("avx512vbmi") else 32
    for b in range(first, last):
        marks[b - first] = 0
        for half in range(0, 64, step):
            place = b * M * ROWS + half
            four = some_codes(blocks, place)
            four ^= four
            both = words_of(four)
            odd = both
            if fineness == 0:
                for m in range(M):
                    four += of_16(levels, 512 * m + 448, some_codes(blocks, place + ROWS * m))
                    four, both, odd = flushed(four, both, odd, m % 4 == 3 or m == M - 1)
            elif fineness == 1:
                for m in range(M):
                    four += of_64(levels, 512 * m + 384, some_codes(blocks, place + ROWS * m))
                    four, both, odd = flushed(four, both, odd, m % 4 == 3 or m == M - 1)
            elif fineness == 2:
                for m in range(M):
                    four += of_128(levels, 512 * m + 256, some_codes(blocks, place + ROWS * m))
                    four, both, odd = flushed(four, both, odd, m % 4 == 3 or m == M - 1)
            else:
                for m in range(M):
                    four += of_256(levels, 512 * m, some_codes(blocks, place + ROWS * m))
                    four, both, odd = flushed(four, both, odd, m % 4 == 3 or m == M - 1)
            marks[b - first] |= nearer(both, odd, limit) << np.uint64(half)


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
def rescore(table, blocks, b, waiting, n, ids, dists):
    """Let the rows of a block that are marked in the bits enter what is kept."""
    M = table.shape[0]
    last = ids.size - 1
    while waiting:
        row = ROWS * b + simd.ctz(waiting)
        waiting = simd.clear_lowest(waiting)
        if row < n:
            total = distance(table, blocks, b * M * ROWS + row % ROWS, M)
            if total < dists[last]:
                insert(ids, dists, row, total)


@njit
def search(state, scratch, q, ids, dists):
    columns, blocks, names, n = state
    table, lows, levels = scratch
    M, last = lows.size, ids.size - 1
    least, widest = np.float32(0), np.float32(0)
    for m in range(M):
        low, high = fill_row(columns, q, m, table, 256 * m)
        lows[m] = low
        least += low
        widest = max(widest, high - low)
    ids[:] = -1
    dists[:] = np.inf
    room_then, scale = np.float32(np.inf), np.float32(0)
    fineness, came, b = 0, 0, 0
    marks = np.empty(STRETCH, np.uint64)
    bounded = M <= MOST and (simd.has("ssse3") or simd.has("neon"))
    while b < blocks.shape[0]:
        until = min(b + min(max(b, 1), STRETCH), blocks.shape[0])
        worst = dists[last]
        if worst == np.inf or not bounded:
            marks[:] = ~np.uint64(0)
        else:
            room = worst * (1 + NOISE) - least
            if room < np.float32(0.5) * room_then:
                room_then = room
                scale = np.float32(TOP - 1) / max(min(room, widest), np.float32(1e-30))
                fill_bytes(table, lows, scale, levels)
            limit = np.uint16(min(room * scale + 1, np.float32(65535)))
            if b & (b - 1) == 0:
                fineness = 0
            while True:
                mark(levels, blocks, b, until, limit, fineness, marks)
                came = 0
                for i in range(until - b):
                    came += simd.popcount(marks[i])
                if fineness == FINEST or came * (32 + M) * 8 <= ROWS * M * (until - b):
                    break
                fineness += 1
        for i in range(until - b):
            if marks[i]:
                rescore(table, blocks, b + i, marks[i], n, ids, dists)
        b = until
