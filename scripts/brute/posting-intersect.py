"""Intersections of two sorted lists, with knobs that are real choices: when the shorter list searches
the longer one, how many ids a register holds, in what steps a search leaps and where it ends, and
how far ahead lists are asked for."""

import numpy as np
from autoresearch import simd
from numba import njit

TARGET = "posting-intersect"
OP = "two"
SHAPES = (
    {"lists": 2, "n": 65536, "ratio": 1, "density": 0.25, "overlap": 0.3, "dist": "uniform"},
    {"lists": 2, "n": 65536, "ratio": 4, "density": 0.01, "overlap": 0.3, "dist": "clustered"},
    {"lists": 2, "n": 131072, "ratio": 16, "density": 0.001, "overlap": 0.2, "dist": "uniform"},
    {"lists": 2, "n": 131072, "ratio": 256, "density": 0.25, "overlap": 0.5, "dist": "runs"},
)
KNOBS = {
    "unlike": (12, 2, 48, 512),
    "lanes": (8, 4, 16),
    "leap": (1, 8, 64),
    "tail": (1, 8),
    "stream": (512, 0, 128),
}
UNLIKE = KNOBS["unlike"][0]  # times longer: from here on the shorter list searches
LANES = KNOBS["lanes"][0]  # ids in a register
LEAP = KNOBS["leap"][0]  # of a register's share of the longer list is the first step of a search
TAIL = KNOBS["tail"][0]  # places that a search walks instead of halving them
STREAM = KNOBS["stream"][0]  # ids of a list between asking for them and meeting them; 0: none
STREAMS = STREAM > 0
U32 = {4: simd.u32x4, 8: simd.u32x8, 16: simd.u32x16}[LANES]
I32 = {4: simd.i32x4, 8: simd.i32x8, 16: simd.i32x16}[LANES]
MASK = {4: simd.m4, 8: simd.m8, 16: simd.m16}[LANES]


@njit
def prepare(ids, starts):
    return ids.copy(), starts.copy()


@njit
def intersect(a, b, out):
    i = j = n = 0
    if a.size > b.size:
        a, b = b, a
    if UNLIKE * a.size > b.size:
        i, j, n = meet(a, b, out)
    if a.size - i > b.size - j:
        a, b, i, j = b, a, j, i
    return search(a, i, b, j, out, n)


@njit
def meet(a, b, out):
    """Registers of a and b by turns, until one of them has none left; where, and what was found."""
    i = j = n = 0
    while i + LANES <= a.size and j + LANES <= b.size:
        ids = simd.load(U32, a, i)
        found = simd.first(MASK, 0)
        for lane in simd.unroll(LANES):
            found = found | (ids == simd.splat(U32, simd.load(np.uint32, b, j + lane)))
        if STREAMS:
            simd.prefetch(a, i + STREAM)
            simd.prefetch(b, j + STREAM)
        last, other = a[i + LANES - 1], b[j + LANES - 1]
        n = keep(ids, found, out, n)
        i += LANES * (last <= other)
        j += LANES * (other <= last)
    return i, j, n


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
    stride = max(1, LANES * max(1, (many.size - begin) // max(1, few.size - i)) // LEAP)
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
    while size > TAIL:
        half = size // 2
        below = simd.gather(many, places + np.int32(half - 1)) < ids
        places = simd.select(below, places + np.int32(half), places)
        size -= half
    for _ in range(size):
        held = simd.min(places, np.int32(many.size - 1))
        more = (simd.gather(many, held) < ids) & (places < np.int32(reach))
        places = simd.select(more, places + np.int32(1), places)
    return places
