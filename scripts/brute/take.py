"""Values by their positions, with knobs that are real choices: by gathers or one by one, how many in
a step, and how far ahead a source and what is read in order are asked for."""

import numpy as np
from autoresearch import simd
from numba import njit

TARGET = "take"
OP = "words"
SHAPES = (
    {"op": "words", "source": 65536, "n": 65536, "dist": "uniform", "width": 128, "text": ""},
    {"op": "words", "source": 16777216, "n": 65536, "dist": "uniform", "width": 128, "text": ""},
    {"op": "words", "source": 1048576, "n": 65536, "dist": "blocks", "width": 128, "text": ""},
    {"op": "words", "source": 2097152, "n": 65536, "dist": "sorted", "width": 128, "text": ""},
)
KNOBS = {
    "how": ("gather", "scalar"),
    "lanes": (8, 4, 16),
    "unroll": (1, 2, 4),
    "ahead": (128, 0, 32, 512),
    "stream": (512, 0, 128),
}
HOW = KNOBS["how"][0]
LANES = KNOBS["lanes"][0]  # values in a register
UNROLL = KNOBS["unroll"][0]  # registers in a step
AHEAD = KNOBS["ahead"][0]  # values between a prefetch and its use; 0: none
STREAM = KNOBS["stream"][0]  # the same of what is read or written in order
STEP = LANES * UNROLL
GATHER = HOW == "gather"
ASKS = AHEAD > 0
STREAMS = STREAM > 0
U32 = {4: simd.u32x4, 8: simd.u32x8, 16: simd.u32x16}[LANES]


@njit
def take(values, indices, out):
    whole = indices.size // STEP * STEP
    far = whole - AHEAD
    for i in range(0, whole, STEP):
        if ASKS and i < far:
            ask(values, indices, i + AHEAD)
        if STREAMS:
            simd.prefetch(indices, i + STREAM)
            simd.prefetch(out, i + STREAM)
        if GATHER:
            gather(values, indices, i, out)
        else:
            single(values, indices, i, out)
    for i in range(whole, indices.size):
        out[i] = values[np.uint64(indices[i])]


@njit
def ask(values, indices, i):
    for j in simd.unroll(STEP):
        simd.prefetch(values, simd.load(np.uint32, indices, i + j))


@njit
def gather(values, indices, i, out):
    for j in simd.unroll(UNROLL):
        at = i + j * LANES
        simd.store(out, at, simd.gather(values, simd.load(U32, indices, at)))


@njit
def single(values, indices, i, out):
    for j in simd.unroll(STEP):
        simd.store(out, i + j, simd.load(np.uint32, values, simd.load(np.uint32, indices, i + j)))
