"""Rows that pass two comparisons, with knobs that are real choices: whether rows are written under a
branch, always, or from the bits of a mask, how many are tested together, in which order, and how
far ahead columns are asked for."""

import numpy as np
from autoresearch import simd
from numba import njit

TARGET = "predicate"
OP = "select"
SHAPES = (
    {"op": "select", "n": 65536, "share": 0.1, "dist": "uniform", "nulls": 0.0},
    {"op": "select", "n": 65536, "share": 0.9, "dist": "clustered", "nulls": 0.0},
    {"op": "select", "n": 131072, "share": 0.001, "dist": "uniform", "nulls": 0.0},
    {"op": "select", "n": 65536, "share": 0.5, "dist": "uniform", "nulls": 0.0},
)
KNOBS = {
    "how": ("mask", "branch", "count"),
    "block": (64, 8, 16, 32),
    "test": ("both", "a first", "b first"),
    "stream": (0, 512, 2048),
    "unroll": (1, 2),
}
HOW = KNOBS["how"][0]
BLOCK = KNOBS["block"][0]  # rows tested together, bits of a mask
TEST = KNOBS["test"][0]  # whether the second column is looked at where the first has decided
STREAM = KNOBS["stream"][0]  # rows between the prefetch of a block and its test; 0: none
UNROLL = KNOBS["unroll"][0]  # blocks from one look at the end to the next
MASKED, BRANCHED = HOW == "mask", HOW == "branch"
BOTH, A_FIRST = TEST == "both", TEST == "a first"
STREAMS = STREAM > 0
ROWS = BLOCK * UNROLL


@njit
def filter_select(a, b, x, y, rows):
    n = i = 0
    while i + ROWS <= a.size:
        if STREAMS:
            simd.prefetch(a, i + STREAM)
            simd.prefetch(b, i + STREAM)
        if MASKED:
            n = from_masks(a, b, x, y, rows, n, i)
        elif BRANCHED:
            n = branched(a, b, x, y, rows, n, i, ROWS)
        else:
            n = counted(a, b, x, y, rows, n, i)
        i += ROWS
    return branched(a, b, x, y, rows, n, i, a.size - i)


@njit
def passes(a, b, x, y, i):
    if BOTH:
        return (a[i] > x) & (b[i] < y)
    if A_FIRST:
        return a[i] > x and b[i] < y
    return b[i] < y and a[i] > x


@njit
def branched(a, b, x, y, rows, n, i, many):
    for j in range(i, i + many):
        if passes(a, b, x, y, j):
            rows[n] = j
            n += 1
    return n


@njit
def counted(a, b, x, y, rows, n, i):
    """Each row is written, over the one before unless that passed; rows has room for all."""
    for j in range(i, i + ROWS):
        rows[n] = j
        n += np.int64(passes(a, b, x, y, j))
    return n


@njit
def from_masks(a, b, x, y, rows, n, i):
    for s in range(UNROLL):
        at = i + s * BLOCK
        waiting = mask(a, b, x, y, at)
        while waiting:
            rows[n] = at + simd.ctz(waiting)
            waiting = simd.clear_lowest(waiting)
            n += 1
    return n


@njit
def mask(a, b, x, y, at):
    """Bit j is whether row at + j passes."""
    if BOTH:
        return of_a(a, x, at) & of_b(b, y, at)
    found = of_a(a, x, at) if A_FIRST else of_b(b, y, at)
    if found:
        found &= of_b(b, y, at) if A_FIRST else of_a(a, x, at)
    return found


@njit
def of_a(a, x, at):
    found = np.uint64(0)
    for j in range(BLOCK):
        found |= np.uint64(a[at + j] > x) << np.uint64(j)
    return found


@njit
def of_b(b, y, at):
    found = np.uint64(0)
    for j in range(BLOCK):
        found |= np.uint64(b[at + j] < y) << np.uint64(j)
    return found
