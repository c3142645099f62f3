"""Products of a query of four bits with codes of one, with knobs that are real choices: when counts of
bits are weighed, how wide a register is, how many blocks share what is loaded of the query, how many
sums are kept apart, and how far ahead codes are asked for."""

import numpy as np
from autoresearch import simd
from numba import njit

TARGET = "rabitq"
OP = "scan"
SHAPES = (
    {"n": 8000, "d": 768, "nq": 1, "dist": "sparse", "vectors": 0},
    {"n": 30000, "d": 128, "nq": 1, "dist": "uniform", "vectors": 0},
    {"n": 100000, "d": 256, "nq": 1, "dist": "clustered", "vectors": 0},
    {"n": 2000, "d": 1536, "nq": 1, "dist": "normal", "vectors": 0},
)
KNOBS = {
    "how": ("at once", "by plane"),
    "lanes": (64, 32, 16),
    "blocks": (2, 1, 4),
    "depth": (1, 2, 4),
    "stream": (512, 0, 2048, 8192),
}
HOW = KNOBS["how"][0]  # counts are weighed as they come, or those of each bit of the query when all are known
LANES = KNOBS["lanes"][0]  # bytes of a register
BLOCKS = KNOBS["blocks"][0]  # of a tile
DEPTH = KNOBS["depth"][0]  # words of a step, whose sums are kept apart
STREAM = KNOBS["stream"][0]  # bytes between asking for codes and using them; 0: none
APART = 4 if HOW == "by plane" else 1  # sums of a register
WEIGHED = APART == 1
STREAMS = STREAM > 0
ROWS = LANES // 8  # of a block
U64 = {16: simd.u64x2, 32: simd.u64x4, 64: simd.u64x8}[LANES]
U32 = {16: simd.u32x2, 32: simd.u32x4, 64: simd.u32x8}[LANES]
MASK = {16: simd.m2, 32: simd.m4, 64: simd.m8}[LANES]
TILE = ROWS * BLOCKS
MANY = BLOCKS * APART  # sums of one word
ALL = MANY * DEPTH


@njit
def prepare(codes, vectors):
    """Codes by block u64[blocks, words, ROWS], words of zeros beyond them, how many words and rows."""
    n, w = codes.shape
    words = (w + DEPTH - 1) // DEPTH * DEPTH
    rows = (n + TILE - 1) // TILE * TILE
    blocks = np.zeros(rows * words, np.uint64)
    for i in range(n):
        for j in range(w):
            blocks[i // ROWS * words * ROWS + j * ROWS + i % ROWS] = codes[i, j]
    return blocks, words, n


@njit
def scratch(state):
    return np.empty(1, np.int64)


@njit
def scan(state, planes, products):
    blocks, words, n = state
    for row in range(0, n, TILE):
        tile(blocks, words, planes, row, products)


@njit
def tile(blocks, words, planes, row, products):
    sums = simd.repeat(simd.zero(U64), ALL)
    for j in range(0, words, DEPTH):
        for e in simd.unroll(DEPTH):
            for b in simd.unroll(BLOCKS):
                at = (row + b * ROWS) * words + (j + e) * ROWS
                if STREAMS:
                    simd.prefetch(blocks, at + STREAM // 8)
                word = simd.load(U64, blocks, at)
                for p in simd.unroll(4):
                    s = e * MANY + b * APART + p % APART
                    ones = simd.popcount(word & simd.load(np.uint64, planes, (p, j + e)))
                    sums = simd.put(sums, s, sums[s] + (ones << p if WEIGHED else ones))
    for b in simd.unroll(BLOCKS):
        total = simd.zero(U64)
        for e in simd.unroll(DEPTH):
            for p in simd.unroll(APART):
                total += sums[e * MANY + b * APART + p] << p
        place = row + b * ROWS
        inside = simd.first(MASK, products.size - place)
        simd.store_masked(products, place, simd.convert(U32, total), inside)
