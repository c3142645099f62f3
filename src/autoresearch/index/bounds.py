"""Lower bounds of the distances of product-quantised vectors, from tables of bytes, compiled.

A table's entries, in steps above the least of their slice and rounded down to bytes, are looked up
in registers, 64 rows at once; their sum, with the row's term in such steps, does not exceed its
distance (fast scan: Andre, Kermarrec, Le Scouarnec, VLDB 2015). Knows tables and blocks; nothing
of lists.
"""

import numpy as np
from numba import njit

from .. import simd
from ..compiled import kept
from .tables import ROWS, inlined

TOP = 63  # the largest entry of a table of bytes: four of them fit a byte
MOST = 1024  # slices whose entries still fit 16 bits
NONE = 65535  # steps of a row that is not asked for: more than any other has
FEATURE = "avx512vbmi"  # a table of 256 bytes is two lookups; without it bounds do not pay
BOUNDED = simd.has(FEATURE)


# Tables of a query


@njit(error_model="numpy")
def extremes(lows, tops):
    """The sum of the least entries of slices, the widest range of a slice, and the sum of the
    largest magnitudes."""
    least, widest, size = np.float32(0), np.float32(1e-30), np.float32(0)
    for m in range(lows.size):
        least += lows[m]
        widest = max(widest, tops[m] - lows[m])
        size += max(abs(lows[m]), abs(tops[m]))
    return least, widest, size


@inlined
def whole(x, most):
    """The nearest integers i32x16, from 0 to most < 2**22: beyond 2**23 no number has a fraction.
    LLVM converts saturating lane by lane, which took four fifths of a scan."""
    x = simd.min(simd.max(x, simd.zero(simd.f32x16)), simd.splat(simd.f32x16, most))
    return simd.bitcast(simd.i32x16, x + np.float32(1 << 23)) & np.int32((1 << 23) - 1)


@njit(error_model="numpy")
def fill_levels(table, lows, scale, levels):
    """Entries above the least of their slice in steps of 1 / scale, rounded down, as bytes."""
    for m in range(lows.size):
        for k in range(256 * m, 256 * m + 256, 16):
            steps = (simd.load(simd.f32x16, table, k) - lows[m]) * scale - np.float32(0.5)
            simd.store(levels, k, simd.convert(simd.u8x16, whole(steps, TOP)))


# Bounds


@inlined
def look_up(levels, at, x, y):
    """The entries of two vectors of codes in one table of 256 bytes."""
    a, b = simd.load(simd.u8x64, levels, at), simd.load(simd.u8x64, levels, at + 64)
    c, d = simd.load(simd.u8x64, levels, at + 128), simd.load(simd.u8x64, levels, at + 192)
    p = simd.select((x & 128) != 0, simd.lookup2(c, d, x), simd.lookup2(a, b, x))
    q = simd.select((y & 128) != 0, simd.lookup2(c, d, y), simd.lookup2(a, b, y))
    return p, q


@inlined
def added(four, both, odd):
    """Adds sums of bytes to sums of words: of odd bytes, and of both, times their place's worth."""
    words = simd.bitcast(simd.u16x32, four)
    return both + words, odd + (words >> 8)


@inlined
def worth(terms, at, base, factor, most):
    """base + term * factor of 32 rows as whole numbers u16, at most `most`."""
    a = whole(base + simd.load(simd.f32x16, terms, at) * factor, most)
    b = whole(base + simd.load(simd.f32x16, terms, at + 16) * factor, most)
    return simd.concat(simd.convert(simd.u16x16, a), simd.convert(simd.u16x16, b))


@inlined
def joined(even, odd):
    """Masks of the even and of the odd rows of a block as its bits."""
    none = simd.zero(simd.u16x32)
    even, odd = simd.select(even, none + 0x00FF, none), simd.select(odd, none + 0xFF00, none)
    return simd.bits(simd.bitcast(simd.u8x64, even | odd) != 0)


@inlined
def sums(levels, blocks, b):
    """The entries of the rows of blocks b and b + 1, summed u16: even rows, odd rows, and those of
    the other block. They share the loads of tables."""
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
    return both - (odd << 8), odd, other_both - (other_odd << 8), other_odd


@njit(error_model="numpy")
def near_rows(levels, blocks, terms, b, limit, scale):
    """Which of the 64 rows of block b, and of b + 1, have fewer steps than limit - term * scale, as
    bits."""
    even, odd, other_even, other_odd = sums(levels, blocks, b)
    at = b * ROWS
    even = even < worth(terms, at, limit, -scale, 65535)
    odd = odd < worth(terms, at + 32, limit, -scale, 65535)
    other_even = other_even < worth(terms, at + 64, limit, -scale, 65535)
    other_odd = other_odd < worth(terms, at + 96, limit, -scale, 65535)
    return joined(even, odd), joined(other_even, other_odd)


@njit(error_model="numpy")
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


# Steps of rows, while there is no worst distance to compare with


@inlined
def own(T, at, begin, end):
    """Which of the terms from `at` on are those of rows begin to end - 1, as a mask T."""
    block, odd, slot = at & -ROWS, at >> 5 & 1, at & 31
    low, high = (begin - block - odd + 1) >> 1, (end - block - odd + 1) >> 1
    return simd.first(T, high - slot) & ~simd.first(T, low - slot)


@inlined
def least_term(terms, begin, end):
    none = least = simd.splat(simd.f32x16, np.float32(np.inf))
    for at in range(begin & -ROWS, (end + ROWS - 1) & -ROWS, 16):
        some = simd.load(simd.f32x16, terms, at)
        least = simd.min(least, simd.select(own(simd.m16, at, begin, end), some, none))
    return simd.reduce_min(least)


@njit(error_model="numpy")
def fill_steps(levels, blocks, terms, begin, end, scale, steps):
    """To steps u16, in the order of terms, what rows begin to end - 1 have at least: their entries,
    and their terms above the least of them, rounded down and as many as fit; NONE to other rows of
    these blocks. Returns the least term, and how many numbers these are, an even number of blocks.
    """
    first, most = begin & -ROWS, NONE - 1 - TOP * levels.shape[0]
    size = ((end - first + 2 * ROWS - 1) // (2 * ROWS)) * (2 * ROWS)
    least = least_term(terms, begin, end)
    base, none = -least * scale - np.float32(0.5), simd.splat(simd.u16x32, np.uint16(NONE))
    for to in range(0, size, 2 * ROWS):
        four = sums(levels, blocks, (first + to) // ROWS)
        for part in simd.unroll(4):
            at = first + to + 32 * part
            some = four[part] + worth(terms, at, base, scale, most)
            some = simd.select(own(simd.m32, at, begin, end), some, none)
            simd.store(steps, to + 32 * part, some)
    return least, size


@inlined
def within(steps, size, limit):
    """How many of the first `size` do not exceed the limit."""
    count = 0
    for at in range(0, size, 32):
        count += simd.count(simd.load(simd.u16x32, steps, at) <= np.uint16(limit))
    return count


@njit(error_model="numpy")
def fewest(steps, size, k):
    """A number below NONE that at least k of the first `size` do not exceed, if so many are below
    it, and few more unless they tie."""
    some = simd.splat(simd.u16x32, np.uint16(NONE))
    for at in range(0, size, 32):
        some = simd.min(some, simd.load(simd.u16x32, steps, at))
    low, reach = np.int64(simd.reduce_min(some)), 64
    while low + reach < NONE - 1 and within(steps, size, low + reach) < k:
        low, reach = low + reach + 1, 2 * reach
    high = min(low + reach, NONE - 1)
    while low < high:
        middle = (low + high) // 2
        count = within(steps, size, middle)
        if count < k:
            low = middle + 1
        elif count > k + k // 8:
            high = middle
        else:
            return middle
    return high


@njit(error_model="numpy")
def between(steps, b, low, high):
    """Which of the rows of block b of these have from low to high steps, as bits."""
    even = simd.load(simd.u16x32, steps, b * ROWS)
    odd = simd.load(simd.u16x32, steps, b * ROWS + 32)
    low, high = np.uint16(low), np.uint16(high)
    return joined((even >= low) & (even <= high), (odd >= low) & (odd <= high))


kept(globals())
