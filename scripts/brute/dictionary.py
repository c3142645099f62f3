"""Strings of a dictionary by their codes, with knobs that are real choices: how wide a string is
copied at first and from there on, and how far ahead offsets, strings and rows are asked for."""

import numpy as np
from autoresearch import simd
from numba import njit

TARGET = "dictionary"
OP = "utf8"
SHAPES = (
    {"type": "utf8", "k": 200, "n": 16384, "dist": "few", "text": "english", "width": 10},
    {"type": "utf8", "k": 5000, "n": 16384, "dist": "uniform", "text": "urls", "width": 24},
    {"type": "utf8", "k": 200000, "n": 16384, "dist": "skewed", "text": "english", "width": 10},
    {"type": "utf8", "k": 200000, "n": 16384, "dist": "uniform", "text": "urls", "width": 48},
)
KNOBS = {
    "first": (16, 8, 32),
    "next": (16, 8, 64),
    "ahead": (16, 0, 4, 64),
    "paired": (True, False),
    "stream": (512, 0, 128),
}
FIRST = KNOBS["first"][0]  # bytes that are copied of every string, whatever its length
NEXT = KNOBS["next"][0]  # bytes of each further step
AHEAD = KNOBS["ahead"][0]  # rows between the prefetch of a string and its copy; 0: none
PAIRED = KNOBS["paired"][0]  # whether both offsets come in one load
STREAM = KNOBS["stream"][0]  # codes or rows between what is written and its prefetch; 0: none
ASKS = AHEAD > 0
STREAMS = STREAM > 0
VECTORS = {8: simd.u8x8, 16: simd.u8x16, 32: simd.u8x32, 64: simd.u8x64}
HEAD = VECTORS[FIRST]
TAIL = VECTORS[NEXT]


@njit
def decode(values, codes, out):
    for i in range(codes.size):
        out[i] = values[codes[i]]


@njit
def decode_utf8(offsets, text, codes, out_offsets, out):
    n = 0
    near = codes.size - 2 * AHEAD
    out_offsets[0] = 0
    for i in range(codes.size):
        if ASKS and i < near:
            ask(offsets, text, codes, i)
        begin, end = ends(offsets, codes, i)
        simd.store(out, n, simd.load(HEAD, text, begin))
        if STREAMS:
            simd.prefetch(codes, i + STREAM)
            simd.prefetch(out, n + 4 * STREAM)
        for at in range(FIRST, end - begin, NEXT):
            simd.store(out, n + at, simd.load(TAIL, text, begin + at))
        n += end - begin
        simd.store(out_offsets, i + 1, np.int32(n))
    return n


@njit
def ends(offsets, codes, i):
    """Where the string of a row begins and ends."""
    code = simd.load(np.uint32, codes, i)
    if PAIRED:
        pair = simd.load(np.uint64, offsets, code)
        return np.int64(pair & np.uint64(0xFFFFFFFF)), np.int64(pair >> np.uint64(32))
    at = np.int64(code)
    begin, end = simd.load(np.int32, offsets, at), simd.load(np.int32, offsets, at + 1)
    return np.int64(begin), np.int64(end)


@njit
def ask(offsets, text, codes, i):
    """For the offsets of a row ahead, and for the bytes of one half as far."""
    simd.prefetch(offsets, simd.load(np.uint32, codes, i + 2 * AHEAD))
    begin, end = ends(offsets, codes, i + AHEAD)
    simd.prefetch(text, begin)
    simd.prefetch(text, end - 1)
