"""Integers from a stream of bits, with knobs that are real choices: whether a register of values comes
by one lookup of bytes, by two of words, by gathers or one by one, how many are in a step, how far ahead
what is written is asked for, and whether that is done for what is read too."""

import numpy as np
from autoresearch import simd
from numba import njit

TARGET = "bitpack"
OP = "decode"
SHAPES = (
    {"layout": "decode", "width": 1, "n": 16384, "dist": "runs"},
    {"layout": "decode", "width": 7, "n": 262144, "dist": "skewed"},
    {"layout": "decode", "width": 11, "n": 16384, "dist": "clustered"},
    {"layout": "decode", "width": 24, "n": 65536, "dist": "uniform"},
)
KNOBS = {
    "how": ("bytes", "words", "gather", "scalar"),
    "lanes": (8, 4, 16),
    "unroll": (1, 2, 4),
    "stream": (512, 0, 128),
    "asked": ("both", "out"),
}
HOW = KNOBS["how"][0]
LANES = KNOBS["lanes"][0]  # values in a register
UNROLL = KNOBS["unroll"][0]  # registers in a step
STREAM = KNOBS["stream"][0]  # values between a prefetch and a store; 0: none
BOTH = KNOBS["asked"][0] == "both"  # whether bits are asked for as well as room for values
STEP = LANES * UNROLL
STREAMS = STREAM > 0
BYTES, WORDS, SCALAR = HOW == "bytes", HOW == "words", HOW == "scalar"
ALIGNED = LANES > 4  # a register of values begins with a byte
U32 = {4: simd.u32x4, 8: simd.u32x8, 16: simd.u32x16}[LANES]
I32 = {4: simd.i32x4, 8: simd.i32x8, 16: simd.i32x16}[LANES]
AROUND = {4: simd.u8x16, 8: simd.u8x32, 16: simd.u8x64}[LANES]  # bytes of values of up to 25 bits
NEAR = simd.u32x16 if LANES == 16 else simd.u32x8  # words of values of up to 32 bits


@njit
def decode(width, packed, out):
    """For widths up to 25: a value lies within four bytes."""
    stream = packed.view(np.uint8)
    mask = np.uint32((1 << width) - 1)
    whole = out.size // STEP * STEP
    for i in range(0, whole, STEP):
        for j in simd.unroll(UNROLL):
            at = i + j * LANES
            if STREAMS:
                simd.prefetch(out, at + STREAM)
                if BOTH:
                    simd.prefetch(stream, (at + STREAM) * width >> 3)
            if SCALAR:
                for lane in simd.unroll(LANES):
                    simd.store(out, at + lane, single(width, mask, stream, at + lane))
            elif BYTES:
                simd.store(out, at, by_bytes(width, stream, at) & mask)
            elif WORDS:
                simd.store(out, at, by_words(width, stream, at) & mask)
            else:
                simd.store(out, at, gathered(width, packed, at) & mask)
    for i in range(whole, out.size):
        out[i] = single(width, mask, stream, i)


@njit
def single(width, mask, stream, i):
    bit = i * width
    word = simd.load(np.uint64, stream, bit >> 3) >> np.uint64(bit & 7)
    return np.uint32(word) & mask


@njit
def bits_of(width, i):
    """Where the values of a register begin, in bits from the byte of the first on."""
    if ALIGNED:
        return simd.iota(U32) * width
    return simd.iota(U32) * width + (i * width & 7)


@njit
def by_bytes(width, stream, i):
    """Each lane gets the four bytes from that of its first bit on."""
    bits = bits_of(width, i)
    places = simd.bitcast(AROUND, (bits >> 3) * 0x01010101 + 0x03020100)
    around = simd.load(AROUND, stream, i * width >> 3)
    return simd.bitcast(U32, simd.lookup(around, places)) >> (bits & 7)


@njit
def by_words(width, stream, i):
    """Each lane gets the words of its first and of its last bit."""
    bits = bits_of(width, i)
    around = simd.load(NEAR, stream, i * width >> 3)
    high = simd.lookup(around, (bits + (width - 1)) >> 5)
    return simd.funnel(high, simd.lookup(around, bits >> 5), -bits)


@njit
def gathered(width, packed, i):
    bits = simd.iota(U32) * width + (i * width & 31)
    first = i * width >> 5
    low = simd.gather(packed, simd.bitcast(I32, (bits >> 5) + first))
    high = simd.gather(packed, simd.bitcast(I32, ((bits + (width - 1)) >> 5) + first))
    return simd.funnel(high, low, -bits)
