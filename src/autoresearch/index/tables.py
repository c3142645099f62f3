"""Compiled loops of a product quantiser: encoding, tables of products, sums of their entries.

Codes stand in blocks of 64 rows, transposed: blocks u8[blocks, M, 64]; centroids side by side,
padded with zeros: columns f32[M, ds, 256]. Knows arrays; nothing of lists or of searching.
"""

import numpy as np
from numba import njit

from .. import simd
from ..compiled import kept

ROWS = 64  # of a block
WIDE = simd.has("avx512f")
TABLES = 2 if WIDE else 1  # filled at once: two have 8 sums in 32 registers, one 8 halves in 16
inlined = njit(inline="always", error_model="numpy")  # calls with arrays count references


@njit
def madd(a, b, c):
    if simd.has("fma"):
        return simd.fma(a, b, c)
    return a * b + c


@njit
def products(columns, x, at, m, k):
    """x[at : at + ds] times 64 centroids of slice m, from the k-th on; columns f32[M, ds, 256]."""
    ds = columns.shape[1]
    a = simd.zero(simd.f32x16)
    b, c, d = a, a, a
    for j in range(ds):
        y = simd.splat(simd.f32x16, x[at + j])
        place = (m * ds + j) * 256 + k
        a = madd(y, simd.load(simd.f32x16, columns, place), a)
        b = madd(y, simd.load(simd.f32x16, columns, place + 16), b)
        c = madd(y, simd.load(simd.f32x16, columns, place + 32), c)
        d = madd(y, simd.load(simd.f32x16, columns, place + 48), d)
    return a, b, c, d


# Encoding


@njit(nogil=True)
def encode(columns, halves, x, codes):
    """codes u8[n, M]: the nearest centroid of each slice of x f32[n, d]; halves f32[M, 256] is
    half of |y|^2, inf where there is no centroid."""
    n, M = codes.shape
    ds = columns.shape[1]
    for i in range(n):
        for m in range(M):
            codes[i, m] = nearest(columns, halves, x[i], m * ds, m)


@njit
def nearest(columns, halves, x, at, m):
    best = simd.splat(simd.f32x16, np.float32(np.inf))
    which = simd.zero(simd.i32x16)
    lanes = simd.iota(simd.i32x16)
    for k in range(0, 256, 64):
        four = products(columns, x, at, m, k)
        for part in simd.unroll(4):
            gap = simd.load(simd.f32x16, halves, 256 * m + k + 16 * part) - four[part]
            which = simd.select(gap < best, lanes + np.int32(k + 16 * part), which)
            best = simd.min(best, gap)
    least = simd.reduce_min(best)
    none = simd.splat(simd.i32x16, np.int32(255))
    return simd.reduce_min(simd.select(best == least, which, none))


# Tables and sums


@njit
def room(size):
    """Bytes from a multiple of 64 on: no load straddles two lines of a cache."""
    some = np.empty(size + 64, np.uint8)
    begin = -some.ctypes.data % 64
    return some[begin : begin + size]


@njit
def fill_table(columns, x, table):
    """table[m, k] = x_m . y_mk for all slices."""
    M, ds, _ = columns.shape
    for m in range(M):
        for k in range(0, 256, 64):
            four = products(columns, x, m * ds, m, k)
            for part in simd.unroll(4):
                simd.store(table, 256 * m + k + 16 * part, four[part])


def filler(count):
    """`fill_table` of `count` vectors x f32[count, d], which share the loads of columns, to table
    f32[count, M, 256], with the ends of each slice while they are in registers: lows and tops
    f32[count, M]."""
    many = 4 * count

    @njit(error_model="numpy")
    def fill(columns, x, table, lows, tops):
        M, ds, _ = columns.shape
        for m in range(M):
            low = simd.repeat(simd.splat(simd.f32x16, np.float32(np.inf)), count)
            top = simd.repeat(simd.splat(simd.f32x16, np.float32(-np.inf)), count)
            for k in range(0, 256, 64):
                sums = simd.repeat(simd.zero(simd.f32x16), many)
                for j in range(ds):
                    for s in simd.unroll(many):
                        y = simd.splat(simd.f32x16, x[s % count, m * ds + j])
                        some = simd.load(simd.f32x16, columns, (m, j, k + 16 * (s // count)))
                        sums = simd.put(sums, s, madd(y, some, sums[s]))
                for s in simd.unroll(many):
                    r = s % count
                    simd.store(table, (r, m, k + 16 * (s // count)), sums[s])
                    low = simd.put(low, r, simd.min(low[r], sums[s]))
                    top = simd.put(top, r, simd.max(top[r], sums[s]))
            for r in simd.unroll(count):
                lows[r, m], tops[r, m] = simd.reduce_min(low[r]), simd.reduce_max(top[r])

    return fill


fill_one = filler(1)
fill_some = filler(TABLES) if WIDE else fill_one


@njit
def sum_block(table, blocks, b, out):
    """out[r] = sum_m table[m, code] of the 64 rows of a block, eight at a time."""
    M = table.shape[0]
    for row in range(0, ROWS, 8):
        simd.store(out, row, sum_eight(table, blocks, b * M * ROWS + row, M))


@njit
def sum_eight(table, blocks, at, count):
    """The sums of eight rows are scalars: lanes filled one by one would cost shuffles."""
    a = b = c = d = e = f = g = h = np.float32(0)
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
def sum_row(table, blocks, i):
    """Of one row, in the order of `sum_eight`: which of them sums changes no bit."""
    M = table.shape[0]
    place = i // ROWS * M * ROWS + i % ROWS
    total = np.float32(0)
    for m in range(M):
        total += table[m, simd.load(np.uint8, blocks, place + ROWS * m)]
    return total


# Lists


@njit(nogil=True)
def fill_blocks(codes, blocks):
    """blocks[i // 64, :, i % 64] = codes[i] for codes u8[n, M]."""
    for i in range(codes.shape[0]):
        for m in range(codes.shape[1]):
            blocks[i // ROWS, m, i % ROWS] = codes[i, m]


@njit(nogil=True)
def fill_terms(columns, halves, centres, offsets, blocks, terms):
    """The term f32[64 * blocks] of every row, those of even rows first in each block; centres
    f32[nlist, d] from the middle."""
    M = columns.shape[0]
    table, row = np.empty((M, 256), np.float32), np.empty(ROWS, np.float32)
    for c in range(centres.shape[0]):
        begin, end = offsets[c], offsets[c + 1]
        if begin == end:
            continue
        fill_table(columns, centres[c], table)
        for m in range(M):
            for k in range(256):
                table[m, k] = 2 * (table[m, k] + halves[m, k])
        for b in range(begin // ROWS, (end - 1) // ROWS + 1):
            sum_block(table, blocks, b, row)
            for i in range(max(begin, b * ROWS), min(end, (b + 1) * ROWS)):
                terms[term_of(i)] = row[i % ROWS]


@njit
def term_of(i):
    """The place of row i's term: 32 even rows of a block, then its odd ones."""
    return i // ROWS * ROWS + (i % 2) * 32 + i % ROWS // 2


kept(globals())
