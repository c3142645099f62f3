"""FSST codes to text: sixty-four codes a turn, eight symbols packed by one compress.

Eight symbols of eight bytes fill a register; a bit for each byte that counts lies in a table of
bytes by code, and what counts is moved together in the register and stored whole (the AVX-512
decoder sketched in Boncz, Neumann, Leis: "FSST", VLDB 2020, section 5). Only the sum of lengths ties
one group to the next.

Escapes cost no branch: code 255 has no bytes, and the byte behind it is a symbol of its own. Which of
several 255 in a row are escapes is settled for all codes at once by a subtraction whose borrow runs
through the row (Langdale and Lemire: "Parsing gigabytes of JSON per second", VLDB Journal 2019).

A processor without such a compress stores each symbol whole, to be overwritten by the next one.
"""

import numpy as np
from autoresearch import simd
from numba import njit

ESCAPE = np.uint8(255)
ODD = np.uint64(0xAAAAAAAAAAAAAAAA)
ONE = np.uint64(1)
PACKS = simd.has("avx512vbmi2") and simd.has("avx512vbmi")


@njit
def decode(symbols, lengths, codes, out):
    if PACKS:
        return by_groups(symbols, lengths, codes, out)
    return one_by_one(symbols, lengths, codes, 0, out, 0)


@njit
def one_by_one(symbols, lengths, codes, i, out, n):
    """Decodes codes[i:] to out[n:]; returns where the text ends."""
    while i < codes.size:
        code = np.uint64(codes[i])
        if code == np.uint64(ESCAPE):
            out[n] = codes[i + 1]
            n += 1
            i += 2
        else:
            simd.store(out, n, symbols[code])
            n += np.int64(lengths[code])
            i += 1
    return n


@njit
def by_groups(symbols, lengths, codes, out):
    first, second = used(lengths, 0), used(lengths, 64)
    third, fourth = used(lengths, 128), used(lengths, 192)
    n, behind = 0, np.uint64(0)
    whole = codes.size - codes.size % 64
    for i in range(0, whole, 64):
        some = simd.load(simd.u8x64, codes, i)
        literal, behind = escaped(simd.bits(some == ESCAPE), behind)
        low = simd.lookup2(first, second, some)
        high = simd.lookup2(third, fourth, some)
        kept = simd.select(some < np.uint8(128), low, high)
        kept = simd.select(simd.mask(simd.m64, literal), np.uint8(1), kept)
        for g in simd.unroll(8):
            eight = simd.load(simd.u8x8, codes, i + 8 * g)
            symbol = simd.gather(symbols, simd.convert(simd.i32x8, eight))
            alone = simd.mask(simd.m8, literal >> np.uint64(8 * g))
            text = simd.select(alone, simd.convert(simd.u64x8, eight), symbol)
            bits = simd.lane(simd.bitcast(simd.u64x8, kept), g)
            part = simd.compress(simd.bitcast(simd.u8x64, text), simd.mask(simd.m64, bits))
            simd.store(out, n, part)
            n += simd.popcount(bits)
    if behind:
        out[n] = codes[whole]
        return one_by_one(symbols, lengths, codes, whole + 1, out, n + 1)
    return one_by_one(symbols, lengths, codes, whole, out, n)


@njit
def used(lengths, first):
    """A bit for each byte that counts in the symbols of sixty-four codes."""
    sizes = simd.load(simd.u8x64, lengths, first)
    return simd.splat(simd.u8x64, np.uint8(255)) >> (8 - sizes)


@njit
def escaped(marks, behind):
    """Bits of the codes behind an escape, given those that are 255, and whether the next code is;
    `behind` says so of the first."""
    potential = marks & ~behind
    starts = (((potential << ONE) | ODD) - potential) ^ ODD
    literal = starts ^ (marks | behind)
    return literal, (starts & marks) >> np.uint64(63)
