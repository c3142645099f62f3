"""Filters over columns: comparisons of whole registers become bits, and 64 rows make a word.

No row is branched on. Where no row of a word passes the test of integers, which reads half as many
bytes, the floats are not looked at. Rows are selected by compressing their numbers in a register
that is stored whole and overwritten from where its last row ended (Lemire and Kurz, "Filtering
numbers quickly with SIMD instructions", 2017). A list of eight codes is a table in two registers
without a collision, found by trying multipliers: one lookup then tells the only code that could be
equal. The multiplicative hash is Dietzfelbinger's (1997).
"""

import numpy as np
from autoresearch import simd
from numba import njit

GOLDEN = 0x9E3779B1
TRIES = 64  # multipliers: one keeps eight codes in 32 places apart two times in five


@njit
def above(a, x, i):
    """Which of 64 rows exceed x, as bits."""
    word = np.uint64(0)
    for part in simd.unroll(4):
        passed = simd.load(simd.i32x16, a, i + 16 * part) > x
        word |= simd.bits(passed) << np.uint64(16 * part)
    return word


@njit
def below(b, y, i):
    word = np.uint64(0)
    for part in simd.unroll(8):
        passed = simd.load(simd.f64x8, b, i + 8 * part) < y
        word |= simd.bits(passed) << np.uint64(8 * part)
    return word


@njit
def last_above(a, x, i):
    """As `above` where fewer than 64 rows are left, by masked loads; zeros above those."""
    word = np.uint64(0)
    for part in simd.unroll(4):
        inside = simd.first(simd.m16, a.size - i - 16 * part)
        passed = (simd.load_masked(simd.i32x16, a, i + 16 * part, inside) > x) & inside
        word |= simd.bits(passed) << np.uint64(16 * part)
    return word


@njit
def last_below(b, y, i):
    word = np.uint64(0)
    for part in simd.unroll(8):
        inside = simd.first(simd.m8, b.size - i - 8 * part)
        passed = (simd.load_masked(simd.f64x8, b, i + 8 * part, inside) < y) & inside
        word |= simd.bits(passed) << np.uint64(8 * part)
    return word


@njit
def filter_bitmap(a, b, x, y, bits):
    """The last word may run over the end of `bits` by seven bytes."""
    whole = a.size // 64 * 64
    for i in range(0, whole, 64):
        word = above(a, x, i)
        if word:
            word &= below(b, y, i)
        simd.store(bits, i // 8, word)
    if whole < a.size:
        simd.store(bits, whole // 8, last_above(a, x, whole) & last_below(b, y, whole))


@njit
def filter_select(a, b, x, y, rows):
    n, whole = 0, a.size // 64 * 64
    for i in range(0, whole, 64):
        word = above(a, x, i)
        if word:
            word &= below(b, y, i)
            if word:
                n = append(rows, n, i, word)
    if whole < a.size:
        n = append(rows, n, whole, last_above(a, x, whole) & last_below(b, y, whole))
    return n


@njit
def append(rows, n, i, word):
    """The rows from i on whose bits are set, behind the n that are there."""
    for part in simd.unroll(4):
        numbers = simd.iota(simd.u32x16) + (i + 16 * part)
        sixteen = word >> np.uint64(16 * part) & np.uint64(0xFFFF)
        simd.store(rows, n, simd.compress(numbers, simd.mask(simd.m16, sixteen)))
        n += simd.popcount(sixteen)
    return n


@njit
def filter_nullable(a, valid_a, b, valid_b, x, y, bits, valid):
    whole = a.size // 64 * 64
    for i in range(0, whole, 64):
        known_a = simd.load(np.uint64, valid_a, i // 8)
        known_b = simd.load(np.uint64, valid_b, i // 8)
        kleene(above(a, x, i), known_a, below(b, y, i), known_b, bits, valid, i // 8)
    if whole < a.size:
        at = whole // 8
        inside = (np.uint64(1) << np.uint64(a.size - whole)) - np.uint64(1)
        known_a = simd.load(np.uint64, valid_a, at) & inside
        known_b = simd.load(np.uint64, valid_b, at) & inside
        kleene(last_above(a, x, whole), known_a, last_below(b, y, whole), known_b, bits, valid, at)


@njit
def kleene(passed_a, known_a, passed_b, known_b, bits, valid, at):
    """AND of three values: known where both are, or where one is known to be false."""
    both = known_a & known_b
    simd.store(bits, at, both & passed_a & passed_b)
    simd.store(valid, at, both | (known_a & ~passed_a) | (known_b & ~passed_b))


@njit
def filter_either(a, codes, x, listed, bits):
    multiplier = np.uint32(0)
    if simd.has("avx512f") and codes.itemsize == 4:
        multiplier = separating(simd.load(simd.u32x8, listed, 0))
    if multiplier:
        by_table(a, codes, x, listed, multiplier, bits)
    else:
        by_compares(a, codes, x, listed, bits)
    whole = a.size // 64 * 64
    if whole < a.size:
        word = last_above(a, x, whole) | last_listed(codes, listed, whole)
        simd.store(bits, whole // 8, word)


@njit
def by_compares(a, codes, x, listed, bits):
    for i in range(0, a.size // 64 * 64, 64):
        word = above(a, x, i)
        if codes.itemsize == 1:
            word |= simd.bits(among(simd.load(simd.u8x64, codes, i), listed))
        else:
            for part in simd.unroll(4):
                sixteen = simd.load(simd.u32x16, codes, i + 16 * part)
                word |= simd.bits(among(sixteen, listed)) << np.uint64(16 * part)
        simd.store(bits, i // 8, word)


@njit
def by_table(a, codes, x, listed, multiplier, bits):
    """One lookup for each code; eight compares take twice as long."""
    low, high = table(simd.load(simd.u32x8, listed, 0), multiplier)
    for i in range(0, a.size // 64 * 64, 64):
        word = above(a, x, i)
        for part in simd.unroll(4):
            sixteen = simd.load(simd.u32x16, codes, i + 16 * part)
            found = looked_up(low, high, sixteen, multiplier) == sixteen
            word |= simd.bits(found) << np.uint64(16 * part)
        simd.store(bits, i // 8, word)


@njit
def last_listed(codes, listed, i):
    """Which of fewer than 64 rows are listed, as bits."""
    word = np.uint64(0)
    for row in range(i, codes.size):
        for code in listed:
            word |= np.uint64(codes[row] == code) << np.uint64(row - i)
    return word


@njit
def among(codes, listed):
    """Lanes that equal one of eight, OR-ed as a tree."""
    pairs = simd.repeat((codes == listed[0]) | (codes == listed[1]), 4)
    for j in simd.unroll(3):
        pair = (codes == listed[2 * j + 2]) | (codes == listed[2 * j + 3])
        pairs = simd.put(pairs, j + 1, pair)
    return (pairs[0] | pairs[1]) | (pairs[2] | pairs[3])


@njit
def separating(eight):
    """A multiplier that keeps codes apart that differ, or 0."""
    multiplier = np.uint32(GOLDEN)
    for _ in range(TRIES):
        low, high = table(eight, multiplier)
        if simd.all(looked_up(low, high, eight, multiplier) == eight):
            return multiplier
        multiplier = np.uint32(multiplier * GOLDEN)
    return np.uint32(0)


@njit
def table(eight, multiplier):
    """Codes in their places, and the first code in all others, where no code like it belongs."""
    low = high = simd.splat(simd.u32x16, simd.lane(eight, 0))
    at = places(eight, multiplier)
    for j in simd.unroll(8):
        code, place = simd.lane(eight, j), simd.lane(at, j)
        low = simd.select(simd.iota(simd.u32x16) == place, code, low)
        high = simd.select(simd.iota(simd.u32x16) + 16 == place, code, high)
    return low, high


@njit
def places(codes, multiplier):
    """Of codes in a table of 32: the highest five bits of their products."""
    return (codes * multiplier) >> 27


@njit
def looked_up(low, high, codes, multiplier):
    return simd.lookup2(low, high, places(codes, multiplier))
