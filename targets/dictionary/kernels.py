"""Values and strings by the codes that name them: gathers, and copies of whole registers.

Numbers come by gathers of eight. A string is copied as one piece of a fixed size and goes on only
where it is longer: the next string overwrites what was too much, so that no branch depends on the
length of a short one (over-copies as in Snappy, github.com/google/snappy). Where a string lies is
one load, as begin and end are neighbours.

Strings beyond the second-level cache are asked for some rows ahead (Chen, Ailamaki, Gibbons, Mowry:
"Improving hash join performance through prefetching", ICDE 2004); elsewhere, and for numbers, of
which the processor has hundreds in flight by itself, that is two instructions for nothing.
"""

import numpy as np
from autoresearch import simd
from numba import njit

KNOBS = {"ahead": (16, 32, 8), "piece": (32, 16, 64)}
AHEAD = KNOBS["ahead"][0]  # rows between asking for a string and copying it
PIECE = KNOBS["piece"][0]  # bytes of a string that are copied whatever its length
BYTES = simd.u8x64 if PIECE == 64 else simd.u8x32 if PIECE == 32 else simd.u8x16
CACHED = 1 << 20  # bytes of a dictionary that stay near without being asked for


@njit
def decode(values, codes, out):
    n = codes.size
    for i in range(0, n - n % 16, 16):
        for e in simd.unroll(2):
            places = simd.load(simd.u32x8, codes, i + 8 * e)
            simd.store(out, i + 8 * e, simd.gather(values, places))
    for i in range(n - n % 16, n):
        out[i] = values[np.uint64(codes[i])]


@njit
def decode_utf8(offsets, text, codes, out_offsets, out):
    n, at = codes.size, 0
    far = text.size + 4 * offsets.size > CACHED
    for i in range(n):
        if far:
            ask(offsets, text, codes, i)
        ends = simd.load(np.uint64, offsets, np.uint64(codes[i]))
        begin = np.int64(ends & np.uint64(0xFFFFFFFF))
        length = np.int64(ends >> np.uint64(32)) - begin
        out_offsets[i] = at
        simd.store(out, at, simd.load(BYTES, text, begin))
        for c in range(PIECE, length, PIECE):
            simd.store(out, at + c, simd.load(BYTES, text, begin + c))
        at += length
    out_offsets[n] = at
    return at


@njit
def ask(offsets, text, codes, i):
    """For the text of a row to come, and for where that of a later one lies."""
    last = codes.size - 1
    simd.prefetch(offsets, np.uint64(codes[min(i + 2 * AHEAD, last)]))
    simd.prefetch(text, offsets[np.uint64(codes[min(i + AHEAD, last)])])
