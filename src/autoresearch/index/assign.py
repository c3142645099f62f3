"""The nearest of some centres for each vector, compiled: what k-means, adding and a search of one
list ask for. With a single answer no pool of candidates is needed.

|x - c|^2 / 2 = |x|^2 / 2 + (|c|^2 / 2 - x.c), and the bracket ranks. A tile has the products of up
to ROWS vectors with two blocks of LANES centres in registers (a micro-kernel as in BLIS: Van Zee
and van de Geijn, ACM TOMS 2015); each lane remembers its best, and lanes are compared at the end.
Knows arrays; nothing of lists.
"""

import numpy as np
from numba import njit

from .. import simd
from ..compiled import kept

WIDE = simd.has("avx512f")
LANES = 16 if WIDE else 8
ROWS = 12 if WIDE else 6  # by two blocks: 24 sums in 32 registers, 12 in 16
SOME = 8 if WIDE else 4  # so many do not pay for a whole tile
F32 = simd.f32x16 if WIDE else simd.f32x8
I32 = simd.i32x16 if WIDE else simd.i32x8
MASK = simd.m16 if WIDE else simd.m8
PART = 1024  # vectors whose best, 128 bytes each, stay near
STRETCH = 1 << 18  # bytes of centres that pass over them: an eighth of a second-level cache


def packed(centres):
    """What `nearest` takes of centres f32[n, d], n > 0: panels f32[blocks, d, LANES], an even
    number of blocks, half of each square f32[blocks * LANES], inf for pads, and the centres."""
    n, d = centres.shape
    blocks = -(-n // (2 * LANES)) * 2
    room = np.zeros((blocks * LANES, d), np.float32)
    room[:n] = centres
    halves = np.full(len(room), np.inf, np.float32)
    halves[:n] = (centres * centres).sum(1) / 2
    panels = room.reshape(blocks, LANES, d).transpose(0, 2, 1)
    return np.ascontiguousarray(panels), halves, np.array(centres, np.float32)


@njit(nogil=True)
def nearest(state, x, ids, dists):
    """ids i64[n, 1] and squared distances f32[n, 1] of the nearest centre of each of x f32[n, d];
    of equals the first. FloatingPointError where a vector is not finite."""
    panels, halves, centres = state
    room = min(PART, x.shape[0])
    best, which = np.empty((room, LANES), np.float32), np.empty((room, LANES), np.int32)
    for i in range(0, x.shape[0], PART):
        part = x[i : i + PART]
        if not finite(part):
            raise FloatingPointError
        best[: part.shape[0]] = np.inf
        which[: part.shape[0]] = 0
        compare(panels, halves, part, best, which)
        for r in range(part.shape[0]):
            place = least(best, which, r)
            ids[i + r, 0], dists[i + r, 0] = place, gap(centres, place, part, r)


@njit
def finite(x):
    """Whether x f32[n, d] has neither NaN nor infinity: times zero, each is a NaN."""
    total = simd.zero(F32)
    for i in range(0, x.size, LANES):
        total += simd.load_masked(F32, x, i, simd.first(MASK, x.size - i)) * np.float32(0)
    return simd.reduce_add(total) == 0


@njit
def gap(centres, place, x, row):
    """|x - c|^2 by subtraction: nothing cancels."""
    d = centres.shape[1]
    total = simd.zero(F32)
    for j in range(0, d, LANES):
        inside = simd.first(MASK, d - j)
        apart = simd.load_masked(F32, x, row * d + j, inside)
        apart -= simd.load_masked(F32, centres, place * d + j, inside)
        total += apart * apart
    return simd.reduce_add(total)


@njit
def least(best, which, r):
    """The first centre among the best of all lanes."""
    near = simd.load(F32, best, (r, 0))
    some = simd.splat(I32, np.int32(2**31 - 1))
    some = simd.select(near == simd.reduce_min(near), simd.load(I32, which, (r, 0)), some)
    return np.int64(simd.reduce_min(some))


@njit
def compare(panels, halves, x, best, which):
    """Lets all centres pass the vectors of a part."""
    blocks, d, _ = panels.shape
    step = max(2, STRETCH // (4 * LANES * d) // 2 * 2)
    rows = np.empty(ROWS, np.int64)
    for begin in range(0, blocks, step):
        for first in range(0, x.shape[0], ROWS):
            members = min(ROWS, x.shape[0] - first)
            for r in range(ROWS):
                rows[r] = first + min(r, members - 1)
            for b in range(begin, min(begin + step, blocks), 2):
                if members == 1:
                    tile_1(panels, halves, b, x, rows, best, which)
                elif members == 2:
                    tile_2(panels, halves, b, x, rows, best, which)
                elif members <= 4:
                    tile_4(panels, halves, b, x, rows, best, which)
                elif members <= SOME:
                    tile_some(panels, halves, b, x, rows, best, which)
                else:
                    tile_all(panels, halves, b, x, rows, best, which)


def tile(rows, depth):
    """Two blocks against `rows` vectors, `depth` sums of each being kept apart."""
    many, more = 2 * rows * depth, depth - 1

    @njit
    def compared(panels, halves, b, x, at, best, which):
        d = panels.shape[1]
        deep = d - d % depth
        sums = simd.repeat(simd.zero(F32), many)
        for j in range(0, deep, depth):
            for e in simd.unroll(depth):
                low = simd.load(F32, panels, (b, j + e, 0))
                high = simd.load(F32, panels, (b + 1, j + e, 0))
                for r in simd.unroll(rows):
                    factor = simd.splat(F32, simd.load(np.float32, x, (at[r], j + e)))
                    s = 2 * (rows * e + r)
                    sums = simd.put(sums, s, simd.fma(factor, low, sums[s]))
                    sums = simd.put(sums, s + 1, simd.fma(factor, high, sums[s + 1]))
        for j in range(deep, d):
            low, high = simd.load(F32, panels, (b, j, 0)), simd.load(F32, panels, (b + 1, j, 0))
            for r in simd.unroll(rows):
                factor = simd.splat(F32, simd.load(np.float32, x, (at[r], j)))
                sums = simd.put(sums, 2 * r, simd.fma(factor, low, sums[2 * r]))
                sums = simd.put(sums, 2 * r + 1, simd.fma(factor, high, sums[2 * r + 1]))
        for r in simd.unroll(rows):
            low, high = sums[2 * r], sums[2 * r + 1]
            for e in simd.unroll(more):
                low += sums[2 * (rows * (e + 1) + r)]
                high += sums[2 * (rows * (e + 1) + r) + 1]
            keep(halves, b * LANES, low, high, at[r], best, which)

    return compared


@njit
def keep(halves, at, low, high, row, best, which):
    """Enters the products of one vector with the centres from `at` on where they win a lane."""
    low = simd.load(F32, halves, at) - low
    high = simd.load(F32, halves, at + LANES) - high
    names = simd.iota(I32) + np.int32(at)
    names = simd.select(high < low, names + np.int32(LANES), names)
    near, kept = simd.min(low, high), simd.load(F32, best, (row, 0))
    simd.store(best, (row, 0), simd.min(near, kept))
    names = simd.select(near < kept, names, simd.load(I32, which, (row, 0)))
    simd.store(which, (row, 0), names)


tile_1, tile_2, tile_4 = tile(1, 4), tile(2, 2), tile(4, 1)
tile_some, tile_all = tile(SOME, 1), tile(ROWS, 1)

kept(globals())
