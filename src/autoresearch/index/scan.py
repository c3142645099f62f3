"""The nearest of product-quantised vectors in the lists that each query probes, compiled.

A vector is its list's centre c plus y, a centroid of each slice side by side. From a query q

    |q - c - y|^2 = |q - c|^2 + (|y|^2 + 2 c.y) - 2 q.y

where the first part is known from the choice of lists, the second is one number a vector, its
`term`, and only the last is looked up: one table a query serves all lists (faiss makes one a list
and a query). c and q are taken from a common middle, so that little cancels.

Rows stand in blocks of 64, transposed, through all lists. A row's table entries, rounded down to
bytes that are looked up in registers, sum to a lower bound; only rows whose bound lies below the
worst distance kept are summed from the table itself (fast scan: Andre, Kermarrec, Le Scouarnec,
VLDB 2015). Knows arrays; nothing of indexes.
"""

import numpy as np
from numba import njit

from .. import simd
from ..compiled import kept
from .tables import ROWS, fill_table, sum_block, sum_row, term_of

TOP = 63  # the largest entry of a table of bytes: four of them fit a byte
MOST = 1024  # slices whose entries still fit 16 bits
NOISE = np.float32(2e-6)  # relative error of a sum in single precision, and more
FEATURE = "avx512vbmi"  # a table of 256 bytes is two lookups; without it bounds do not pay
BOUNDED = simd.has(FEATURE)


# Tables of a query


@njit
def extremes(table, lows):
    """The least entry of each slice in lows; the sum of these, the widest range of a slice, and the
    sum of the largest magnitudes."""
    least, widest, size = np.float32(0), np.float32(1e-30), np.float32(0)
    for m in range(lows.size):
        low = simd.load(simd.f32x16, table, 256 * m)
        high = low
        for k in range(16, 256, 16):
            some = simd.load(simd.f32x16, table, 256 * m + k)
            low, high = simd.min(low, some), simd.max(high, some)
        lows[m], top = simd.reduce_min(low), simd.reduce_max(high)
        least += lows[m]
        widest = max(widest, top - lows[m])
        size += max(abs(lows[m]), abs(top))
    return least, widest, size


@njit
def whole(x, most):
    """The nearest integers i32x16, from 0 to most < 2**22: beyond 2**23 no number has a fraction.
    LLVM converts saturating lane by lane, which took four fifths of a scan."""
    x = simd.min(simd.max(x, simd.zero(simd.f32x16)), simd.splat(simd.f32x16, most))
    return simd.bitcast(simd.i32x16, x + np.float32(1 << 23)) & np.int32((1 << 23) - 1)


@njit
def fill_levels(table, lows, scale, levels):
    """Entries above the least of their slice in steps of 1 / scale, rounded down, as bytes."""
    for m in range(lows.size):
        for k in range(256 * m, 256 * m + 256, 16):
            steps = (simd.load(simd.f32x16, table, k) - lows[m]) * scale - np.float32(0.5)
            simd.store(levels, k, simd.convert(simd.u8x16, whole(steps, TOP)))


# Bounds


@njit
def look_up(levels, at, x, y):
    """The entries of two vectors of codes in one table of 256 bytes."""
    a, b = simd.load(simd.u8x64, levels, at), simd.load(simd.u8x64, levels, at + 64)
    c, d = simd.load(simd.u8x64, levels, at + 128), simd.load(simd.u8x64, levels, at + 192)
    p = simd.select((x & 128) != 0, simd.lookup2(c, d, x), simd.lookup2(a, b, x))
    q = simd.select((y & 128) != 0, simd.lookup2(c, d, y), simd.lookup2(a, b, y))
    return p, q


@njit
def added(four, both, odd):
    """Adds sums of bytes to sums of words: of odd bytes, and of both, times their place's worth."""
    words = simd.bitcast(simd.u16x32, four)
    return both + words, odd + (words >> 8)


@njit
def limits(terms, at, limit, scale):
    """How many steps 32 rows may have at most, u16."""
    a = whole(limit - simd.load(simd.f32x16, terms, at) * scale, 65535)
    b = whole(limit - simd.load(simd.f32x16, terms, at + 16) * scale, 65535)
    return simd.concat(simd.convert(simd.u16x16, a), simd.convert(simd.u16x16, b))


@njit
def nearer(both, odd, terms, b, limit, scale):
    """Which of the 64 rows of a block have fewer steps than limit - term * scale, as bits."""
    even = both - (odd << 8)
    none = both ^ both
    near = simd.select(even < limits(terms, b * ROWS, limit, scale), none + 0x00FF, none)
    more = simd.select(odd < limits(terms, b * ROWS + 32, limit, scale), none + 0xFF00, none)
    return simd.bits(simd.bitcast(simd.u8x64, near | more) != 0)


@njit
def near_rows(levels, blocks, terms, b, limit, scale):
    """`nearer` of blocks b and b + 1, which share the loads of tables."""
    M = levels.shape[0]
    none, words = simd.zero(simd.u8x64), simd.zero(simd.u16x32)
    both, odd, other_both, other_odd = words, words, words, words
    one, other = b * M * ROWS, (b + 1) * M * ROWS
    for first in range(0, M - 3, 4):
        four, other_four = none, none
        for i in simd.unroll(4):
            x = simd.load(simd.u8x64, blocks, one + (first + i) * ROWS)
            y = simd.load(simd.u8x64, blocks, other + (first + i) * ROWS)
            x, y = look_up(levels, 256 * (first + i), x, y)
            four, other_four = four + x, other_four + y
        both, odd = added(four, both, odd)
        other_both, other_odd = added(other_four, other_both, other_odd)
    four, other_four = none, none
    for m in range(M - M % 4, M):
        x = simd.load(simd.u8x64, blocks, one + m * ROWS)
        y = simd.load(simd.u8x64, blocks, other + m * ROWS)
        x, y = look_up(levels, 256 * m, x, y)
        four, other_four = four + x, other_four + y
    both, odd = added(four, both, odd)
    other_both, other_odd = added(other_four, other_both, other_odd)
    near = nearer(both, odd, terms, b, limit, scale)
    return near, nearer(other_both, other_odd, terms, b + 1, limit, scale)


@njit
def inside(b, begin, end):
    """The rows of a block that lie from begin to end - 1, as bits."""
    if begin >= (b + 1) * ROWS or end <= b * ROWS:
        return np.uint64(0)
    bits = ~np.uint64(0)
    if begin > b * ROWS:
        bits <<= np.uint64(begin - b * ROWS)
    if end < (b + 1) * ROWS:
        bits &= ~np.uint64(0) >> np.uint64((b + 1) * ROWS - end)
    return bits


# The k nearest, as a heap whose root is the worst


@njit
def sink(places, dists, size, place, dist):
    """Replaces the root of a heap of `size`."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and dists[child + 1] > dists[child]:
            child += 1
        if dists[child] <= dist:
            break
        places[at], dists[at] = places[child], dists[child]
        at = child
    places[at], dists[at] = place, dist


@njit
def in_order(places, dists, names):
    """The heap sorted, nearest first, places become names; rounding leaves nothing below 0."""
    for end in range(dists.size - 1, 0, -1):
        place, dist = places[end], dists[end]
        places[end], dists[end] = places[0], dists[0]
        sink(places, dists, end, place, dist)
    for i in range(dists.size):
        dists[i] = max(dists[i], np.float32(0))
        places[i] = names[places[i]] if places[i] >= 0 else -1


# Searching


@njit
def move(q, middle, asked):
    """-2 times q from the middle: what tables are made of."""
    for j in range(middle.size):
        asked[j] = np.float32(-2) * (q[j] - middle[j])


@njit
def scan_list(state, tables, begin, end, base, places, dists):
    """Lets the rows from begin to end - 1 enter; base is |q - c|^2."""
    _, blocks, terms, _, _, _, most = state
    table, levels, row, least, scale, size = tables
    noise = NOISE * (size + most + base)
    for b in range(begin // ROWS, (end - 1) // ROWS + 1, 2):
        one, other = inside(b, begin, end), inside(b + 1, begin, end)
        if not (simd.has(FEATURE) and scale > 0 and dists[0] < np.inf):
            enter_many(state, table, row, b, one, base, places, dists)
            one = np.uint64(0)
        if simd.has(FEATURE) and scale > 0 and dists[0] < np.inf:  # perhaps by what just entered
            limit = (dists[0] + noise - base - least) * scale + np.float32(1)
            near, other_near = near_rows(levels, blocks, terms, b, limit, scale)
            enter_some(state, table, b, one & near, base, places, dists)
            enter_some(state, table, b + 1, other & other_near, base, places, dists)
        else:
            enter_many(state, table, row, b + 1, other, base, places, dists)


@njit
def enter_some(state, table, b, waiting, base, places, dists):
    """Sums the rows of a block that wait, one by one."""
    _, blocks, terms, _, _, _, _ = state
    while waiting:
        i = b * ROWS + simd.ctz(waiting)
        waiting = simd.clear_lowest(waiting)
        dist = base + terms[term_of(i)] + sum_row(table, blocks, i)
        if dist < dists[0]:
            sink(places, dists, dists.size, i, dist)


@njit
def enter_many(state, table, row, b, waiting, base, places, dists):
    """Sums all rows of a block, of which those that wait may enter."""
    _, blocks, terms, _, _, _, _ = state
    if waiting:
        sum_block(table, blocks, b, row)
    while waiting:
        i = b * ROWS + simd.ctz(waiting)
        waiting = simd.clear_lowest(waiting)
        dist = base + terms[term_of(i)] + row[i % ROWS]
        if dist < dists[0]:
            sink(places, dists, dists.size, i, dist)


@njit(nogil=True)
def search(state, bounded, q, probes, bases, ids, dists):
    """The nearest rows of the lists probes i64[nq, nprobe] at bases f32[nq, nprobe] from their
    centres, into ids and dists [nq, k], for q f32[nq, d].
    `bounded` is only for at most MOST slices, and only faster where BOUNDED."""
    columns, _, _, offsets, names, middle, _ = state
    M = columns.shape[0]
    table, lows = np.empty((M, 256), np.float32), np.empty(M, np.float32)
    levels, row = np.empty((M, 256), np.uint8), np.empty(ROWS, np.float32)
    asked = np.empty(middle.size, np.float32)
    ids[:] = -1
    dists[:] = np.inf
    for i in range(q.shape[0]):
        move(q[i], middle, asked)
        fill_table(columns, asked, table)
        least, widest, size = extremes(table, lows)
        scale = np.float32(0)
        if bounded:
            scale = np.float32(TOP - 1) / widest
            fill_levels(table, lows, scale, levels)
        tables = table, levels, row, least, scale, size
        for p in range(probes.shape[1]):
            begin, end = offsets[probes[i, p]], offsets[probes[i, p] + 1]
            if begin < end:
                scan_list(state, tables, begin, end, bases[i, p], ids[i], dists[i])
        in_order(ids[i], dists[i], names)


@njit(nogil=True)
def distances(state, q, probes, bases, places, dists):
    """Every row of the lists probed by one query, and its distance, to places and dists [n]."""
    columns, blocks, terms, offsets, _, middle, _ = state
    table, row = np.empty((columns.shape[0], 256), np.float32), np.empty(ROWS, np.float32)
    asked = np.empty(middle.size, np.float32)
    move(q, middle, asked)
    fill_table(columns, asked, table)
    at = 0
    for p in range(probes.size):
        begin, end = offsets[probes[p]], offsets[probes[p] + 1]
        for b in range(begin // ROWS, (end + ROWS - 1) // ROWS if begin < end else 0):
            sum_block(table, blocks, b, row)
            for i in range(max(begin, b * ROWS), min(end, (b + 1) * ROWS)):
                places[at] = i
                dists[at] = max(bases[p] + terms[term_of(i)] + row[i % ROWS], np.float32(0))
                at += 1


kept(globals())
