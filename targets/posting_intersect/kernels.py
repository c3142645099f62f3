"""Intersections of sorted lists: registers against registers, searches side by side, bitmaps.

*Lists of like length* meet sixteen ids at a time: each id of one register is compared with all of
another, then the register that ends first moves on (Schlegel, Willhalm, Lehner: "Fast sorted-set
intersection using SIMD instructions", ADMS 2011; there by rotations, here by broadcasts, which a
processor folds into the compare).

*Lists of unlike length.* Sixteen ids of the shorter list search the longer one side by side: binary
searches without a branch, a gather for each halving. The stretch that holds all sixteen is found
first, by doubling steps for the last of them (Bentley and Yao, 1976).

*Lists that are held.* A dense one also has a bitmap of its span, as roaring's containers (Chambi,
Lemire, Kaser, Godin: "Better bitmap performance with Roaring bitmaps", SPE 2016): ids of the other
list are looked up in it, or two bitmaps are met word by word and what is left becomes ids again.
"""

import numpy as np
from autoresearch import simd
from numba import njit

KNOBS = {"unlike": (12, 6, 24), "ahead": (512, 256, 1024), "dense": (64, 128), "full": (8, 4, 16)}
UNLIKE = KNOBS["unlike"][0]  # times longer: from here on the shorter list searches
AHEAD = KNOBS["ahead"][0]  # ids of a list between asking for them and meeting them
DENSE = KNOBS["dense"][0]  # a list has a bitmap where it holds one id in so many, or more
FULL = KNOBS["full"][0]  # the same of the shorter list, for two bitmaps to meet
WIDE = simd.has("avx512f")
LANES = 16 if WIDE else 8
PARTS = 32 // LANES  # of a word of 32 bits
U32 = simd.u32x16 if WIDE else simd.u32x8
I32 = simd.i32x16 if WIDE else simd.i32x8
MASK = simd.m16 if WIDE else simd.m8


@njit
def intersect(a, b, out):
    if a.size > b.size:
        a, b = b, a
    if UNLIKE * a.size > b.size:
        return meet(a, b, out)
    return search(a, 0, b, 0, out, 0)


@njit
def intersect3(a, b, c, out):
    """The two shortest first; what they have in common is then narrowed in place."""
    if a.size > b.size:
        a, b = b, a
    if b.size > c.size:
        b, c = c, b
    n = intersect(a, b, out)
    return intersect(out[:n], c, out)


# Lists of like length


@njit
def meet(a, b, out):
    """Registers of a and b by turns. Only ids that count are stored, so that out may be a."""
    i = j = n = 0
    while i + LANES <= a.size and j + LANES <= b.size:
        ids = simd.load(U32, a, i)
        found = simd.first(MASK, 0)
        for lane in simd.unroll(LANES):
            found = found | (ids == simd.splat(U32, simd.load(np.uint32, b, j + lane)))
        simd.prefetch(a, i + AHEAD)
        simd.prefetch(b, j + AHEAD)
        last, other = a[i + LANES - 1], b[j + LANES - 1]
        n = keep(ids, found, out, n)
        i += LANES * (last <= other)
        j += LANES * (other <= last)
    if a.size - i <= b.size - j:
        return search(a, i, b, j, out, n)
    return search(b, j, a, i, out, n)


@njit
def keep(ids, found, out, n):
    """Appends those found; the place behind them."""
    count = simd.count(found)
    simd.store_masked(out, n, simd.compress(ids, found), simd.first(MASK, count))
    return n + count


# Lists of unlike length


@njit
def search(few, i, many, begin, out, n):
    """Appends the ids of few[i:] that are in many[begin:]; returns the place behind them."""
    stride = LANES * max(1, (many.size - begin) // max(1, few.size - i))
    for at in range(i, few.size, LANES):
        if begin == many.size:
            break
        inside = simd.first(MASK, few.size - at)
        ids = simd.load_masked(U32, few, at, inside)
        below, reach = leap(many, begin, few[min(at + LANES, few.size) - 1], stride)
        places = halve(many, begin, reach, ids)
        named = simd.gather(many, simd.min(places, np.int32(many.size - 1)))
        n = keep(ids, (named == ids) & inside, out, n)
        begin = below  # not the last id's own place: nobody waits for the search to end
    return n


@njit
def leap(many, begin, x, step):
    """Two places from `begin` on: before the first one all ids are below x, from the second on none
    is."""
    below = reach = begin
    while reach < many.size and many[reach] < x:
        below = reach
        reach += step
        step *= 2
    return below, min(reach, many.size)


@njit
def halve(many, begin, reach, ids):
    """For each id the first place in begin to reach whose id is not below it."""
    places = simd.splat(I32, np.int32(begin))
    size = reach - begin
    while size > 1:
        half = size // 2
        below = simd.gather(many, places + np.int32(half - 1)) < ids
        places = simd.select(below, places + np.int32(half), places)
        size -= half
    if size == 1:
        places = simd.select(simd.gather(many, places) < ids, places + np.int32(1), places)
    return places


# Lists that are held


@njit
def prepare(ids, starts):
    """The lists; where the bitmap of each begins in `words`, its first word and how many there are,
    none for a sparse list."""
    count = starts.size - 1
    bitmaps = np.zeros((count, 3), np.int64)
    total = 0
    for k in range(count):
        begin, end = starts[k], starts[k + 1]
        if begin < end:
            first, last = np.int64(ids[begin]) >> 5, np.int64(ids[end - 1]) >> 5
            if 32 * (last - first) < DENSE * (end - begin):
                bitmaps[k, 0], bitmaps[k, 1], bitmaps[k, 2] = total, first, last - first + 1
                total += last - first + 1
    words = np.zeros(total, np.uint32)
    for k in range(count):
        if bitmaps[k, 2]:
            shift = bitmaps[k, 0] - bitmaps[k, 1]
            for p in range(starts[k], starts[k + 1]):
                words[shift + (np.int64(ids[p]) >> 5)] |= np.uint32(1) << (ids[p] & np.uint32(31))
    return ids.copy(), starts.copy(), words, bitmaps


@njit
def intersect_held(state, i, j, out):
    ids, starts, words, bitmaps = state
    if starts[i + 1] - starts[i] > starts[j + 1] - starts[j]:
        i, j = j, i
    few, many = ids[starts[i] : starts[i + 1]], ids[starts[j] : starts[j + 1]]
    if bitmaps[j, 2] == 0 or few.size == 0:
        return intersect(few, many, out)
    if bitmaps[i, 2] and 32 * bitmaps[i, 2] < FULL * few.size:
        return both(words, bitmaps[i], bitmaps[j], out)
    return look_up(few, words, bitmaps[j], out)


@njit
def look_up(few, words, bitmap, out):
    """The ids whose bit is set."""
    start, first, count = bitmap
    n = 0
    for at in range(0, few.size, LANES):
        inside = simd.first(MASK, few.size - at)
        ids = simd.load_masked(U32, few, at, inside)
        there = (ids >> 5) - np.uint32(first)  # beyond all words where an id lies before the first
        inside = inside & (there < np.uint32(count))
        held = simd.min(there, np.uint32(count - 1))
        places = simd.bitcast(I32, held) + np.int32(start)
        n = keep(ids, ((simd.gather(words, places) >> (ids & 31)) & 1 != 0) & inside, out, n)
    return n


@njit
def both(words, one, other, out):
    """The ids whose bits are set in two bitmaps."""
    n = 0
    begin, end = max(one[1], other[1]), min(one[1] + one[2], other[1] + other[2])
    named = simd.iota(U32)
    for word in range(begin, end):
        a, b = words[one[0] + word - one[1]], words[other[0] + word - other[1]]
        left = np.uint64(a & b)
        for part in simd.unroll(PARTS):
            found = simd.mask(MASK, left >> np.uint64(part * LANES))
            ids = named + np.uint32(32 * word + part * LANES)
            simd.store(out, n, simd.compress(ids, found))
            n += simd.count(found)
    return n
