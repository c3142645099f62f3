"""Bit-packed integers back to u32: the two words of a value are shifted as one, sixteen at a time.

A value of at most 32 bits lies in the words of its first and of its last bit, which may be one. A
funnel shift brings it to the top of their 64 bits. In `decode` sixteen values span at most sixteen
words and begin with a byte: a register holds them all, and lookups bring each lane its words. In
`fastlanes` words lie in their lanes already (Afroozeh and Boncz, "The FastLanes Compression
Layout", VLDB 2023). The width is only a number here: no code is written for one.

Both run at the speed at which memory takes `out`, hence its lines are asked for ahead of the stores:
2 to 7 % on a Sapphire Rapids core. Stores past the caches took three times as long there.
"""

import numpy as np
from ... import simd
from numba import njit

KNOBS = {"ahead": (256, 128, 512, 1024)}  # values between a store and the prefetch of its line
AHEAD = KNOBS["ahead"][0]
BLOCK = 1024  # values of FastLanes, in rows of 32
WINDOW = 25  # bits: so many lie in four bytes, whichever bit of the first they begin with


@njit
def words_from(stream, at):
    """Words of as many values as a register holds; eight are the fewest that begin with a byte."""
    if simd.has("avx512f"):
        return simd.load(simd.u32x16, stream, at)
    return simd.load(simd.u32x8, stream, at)


@njit
def first_bits(width):
    """Where the values of a register begin, in bits."""
    if simd.has("avx512f"):
        return simd.iota(simd.u32x16) * width
    return simd.iota(simd.u32x8) * width


@njit
def lowest(width):
    return np.uint32((1 << width) - 1)


@njit
def decode(width, packed, out):
    """A last store may run over the end of `out` by less than a register, as the slack allows."""
    stream = packed.view(np.uint8)
    if simd.has("avx512vbmi") and width <= WINDOW:
        by_bytes(width, stream, out)
    else:
        by_words(width, stream, out)


@njit
def by_bytes(width, stream, out):
    """One lookup of bytes brings each lane the four from that of its first bit on."""
    bits = first_bits(width)
    places = simd.bitcast(simd.u8x64, (bits >> 3) * 0x01010101 + 0x03020100)
    shifts, mask = bits & 7, lowest(width)
    for i in range(0, out.size, 16):
        around = simd.load(simd.u8x64, stream, i // 8 * width)
        values = simd.bitcast(simd.u32x16, simd.lookup(around, places))
        simd.store(out, i, (values >> shifts) & mask)
        simd.prefetch(out, i + AHEAD)


@njit
def by_words(width, stream, out):
    bits, mask = first_bits(width), lowest(width)
    low, high = bits >> 5, (bits + (width - 1)) >> 5
    step = 16 if simd.has("avx512f") else 8
    for i in range(0, out.size, step):
        words = words_from(stream, i // 8 * width)
        values = simd.funnel(simd.lookup(words, high), simd.lookup(words, low), -bits)
        simd.store(out, i, values & mask)
        simd.prefetch(out, i + AHEAD)


@njit
def fastlanes(width, packed, out):
    whole = out.size // BLOCK * BLOCK
    for start in range(0, whole, BLOCK):
        for row in range(32):
            at = start + place(row)
            for lane in simd.unroll(2):
                simd.prefetch(out, at + 16 * lane + BLOCK)  # rows are no stream, but blocks are
                simd.store(out, at + 16 * lane, values_of(width, packed, start, row, 16 * lane))
    if whole < out.size:
        last_block(width, packed, whole, out)


@njit
def last_block(width, packed, start, out):
    """Of a block that `out` ends in."""
    for row in range(32):
        at = start + place(row)
        for lane in range(0, 32, 16):
            values = values_of(width, packed, start, row, lane)
            inside = simd.first(simd.m16, out.size - at - lane)
            simd.store_masked(out, at + lane, values, inside)


@njit
def place(row):
    """Where a row stands in its block: groups of eight rows begin at 0, 64, 32 and 96."""
    group = row >> 3
    return 128 * (row & 7) + 64 * (group & 1) + 32 * (group >> 1)


@njit
def values_of(width, packed, start, row, lane):
    """Sixteen values of a row of the block that begins with value `start`, from a lane on."""
    bit = row * width
    at = start // 32 * width + lane
    low = simd.load(simd.u32x16, packed, at + 32 * (bit >> 5))
    high = simd.load(simd.u32x16, packed, at + 32 * ((bit + width - 1) >> 5))
    return simd.funnel(high, low, -bit) & lowest(width)
