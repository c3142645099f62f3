"""Rows from codes: values by gathers, strings by copies of a fixed width that may run over.

A string is copied without a look at its length, sixteen or sixty-four bytes as the strings of this
dictionary suggest: the next one overwrites the surplus, and only longer ones take more steps. Both
its offsets come in one load. Where a dictionary exceeds the nearest caches, its lines are asked
for some rows ahead: offsets first, then the bytes that they name.

Values arrive as fast as memory takes them, by gathers or by single loads; asking for the next
lines of codes and rows, which lie behind the page where a processor stops guessing, gains a tenth.
"""

import numpy as np
from autoresearch import simd
from numba import njit

KNOBS = {
    "stream": (512, 256, 1024),
    "ahead": (16, 8, 32),
    "far": (524288, 262144, 1048576),
    "narrow": (12, 10, 16),
}
STREAM = KNOBS["stream"][0]  # values between what is read or written in order and its prefetch
AHEAD = KNOBS["ahead"][0]  # rows between the prefetch of a string and its copy
FAR = KNOBS["far"][0]  # bytes of offsets and strings from which on they are prefetched
NARROW = KNOBS["narrow"][0]  # bytes of a mean string, up to which most of them fit sixteen


@njit
def decode(values, codes, out):
    whole = codes.size // 8 * 8
    for i in range(0, whole, 8):
        simd.store(out, i, simd.gather(values, simd.load(simd.u32x8, codes, i)))
        simd.prefetch(codes, i + STREAM)
        simd.prefetch(out, i + STREAM)
    for i in range(whole, codes.size):
        out[i] = values[np.uint64(codes[i])]


@njit
def decode_utf8(offsets, text, codes, out_offsets, out):
    if text.size <= NARROW * (offsets.size - 1):
        return copy(simd.u8x16, 16, offsets, text, codes, out_offsets, out)
    return copy(simd.u8x64, 64, offsets, text, codes, out_offsets, out)


@njit
def copy(T, width, offsets, text, codes, out_offsets, out):
    """All rows, by vectors T of so many bytes; returns how many bytes they have."""
    n, near = 0, 0
    if text.size + offsets.size * offsets.itemsize > FAR:
        near = codes.size - 2 * AHEAD
    out_offsets[0] = 0
    for i in range(codes.size):
        if i < near:
            ask(offsets, text, codes, i)
        begin, end = ends(offsets, codes, i)
        simd.store(out, n, simd.load(T, text, begin))
        simd.prefetch(out, n + 4 * STREAM)
        for at in range(width, end - begin, width):
            simd.store(out, n + at, simd.load(T, text, begin + at))
        n += end - begin
        simd.store(out_offsets, i + 1, np.int32(n))
    return n


@njit
def ends(offsets, codes, i):
    """Where the string of a row begins and ends."""
    pair = simd.load(np.uint64, offsets, simd.load(np.uint32, codes, i))
    return np.int64(pair & np.uint64(0xFFFFFFFF)), np.int64(pair >> np.uint64(32))


@njit
def ask(offsets, text, codes, i):
    """For the offsets of a row ahead, and for the bytes of one half as far."""
    simd.prefetch(offsets, simd.load(np.uint32, codes, i + 2 * AHEAD))
    begin, end = ends(offsets, codes, i + AHEAD)
    simd.prefetch(text, begin)
    simd.prefetch(text, end - 1)
