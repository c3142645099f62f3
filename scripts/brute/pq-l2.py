"""The nearest of product-quantised vectors, with knobs that are real choices: whether sums are exact
or lower bounds from tables of bytes that lie in registers, how many codes a register holds, how many
blocks share what is loaded of a table, how often a look is taken at what passed, and how far ahead
codes are asked for. What passes is summed exactly."""

import numpy as np
from autoresearch import simd
from numba import njit

TARGET = "pq-l2"
OP = "search"
SHAPES = (
    {"m": 16, "ds": 8, "k": 256, "n": 50000, "dist": "clustered"},
    {"m": 16, "ds": 16, "k": 256, "n": 50000, "dist": "uniform"},
    {"m": 96, "ds": 8, "k": 256, "n": 20000, "dist": "sparse"},
    {"m": 16, "ds": 8, "k": 256, "n": 200000, "dist": "clustered"},
)
KNOBS = {
    "how": ("u16", "u8", "f32"),
    "lanes": (64, 32, 16),
    "blocks": (2, 1, 4),
    "batch": (8, 1, 64),
    "stream": (512, 0, 2048),
}
HOW = KNOBS["how"][0]  # sums of steps in 16 or in 8 bits, which bound a distance, or distances
LANES = KNOBS["lanes"][0]  # rows of a block
BLOCKS = KNOBS["blocks"][0]  # of a tile
BATCH = KNOBS["batch"][0]  # tiles from one look at what passed to the next
STREAM = KNOBS["stream"][0]  # codes between asking for them and using them; 0: none
STREAMS = STREAM > 0
FLOATS, NARROW = HOW == "f32", HOW == "u8"
U8 = {16: simd.u8x16, 32: simd.u8x32, 64: simd.u8x64}[LANES]
U16 = {16: simd.u16x8, 32: simd.u16x16, 64: simd.u16x32}[LANES]  # of half a block
PARTS = {"u16": 2, "u8": 1, "f32": LANES // 16}[HOW]  # registers that hold the sums of a block
SUMS = {"u16": U16, "u8": U8, "f32": simd.f32x16}[HOW]
NUMBER = {"u16": np.uint16, "u8": np.uint8, "f32": np.float32}[HOW]
ENTRIES = simd.u8x64  # of a table, which has four of them
PART = LANES // PARTS
MANY = BLOCKS * PARTS
TILE = BLOCKS * LANES
SAMPLE = 256  # rows summed exactly before there is a limit
EACH = np.float32(24)  # steps of 16 bit sums that a slice of a row at the limit has on average
ALL = np.float32(250)  # steps of 8 bit sums that such a row has; from 255 on they are saturated
TINY = np.float32(1e-30)


merged = njit(inline="always")  # LLVM goes once less through what one place calls


@njit
def prepare(codebook, codes):
    """Centroids by component f32[M, ds, 256], codes by block u8[blocks, M, LANES], M and n."""
    M, K, ds = codebook.shape
    n = codes.shape[0]
    columns = np.empty(M * ds * 256, np.float32)
    for m in range(M):
        for k in range(256):
            for j in range(ds):
                columns[(m * ds + j) * 256 + k] = codebook[m, min(k, K - 1), j]
    rows = (n + TILE - 1) // TILE * TILE
    blocks = np.empty(rows * M, np.uint8)
    for i in range(rows):
        for m in range(M):
            blocks[place(i, M) + m * LANES] = codes[min(i, n - 1), m]
    return columns, blocks, M, n


@njit
def scratch(state):
    """The table of a query f32[M, 256], its entries in steps, and sums of a batch."""
    M = state[2]
    table, levels = np.empty(M * 256, np.float32), np.empty(M * 256, np.uint8)
    return table, levels, np.empty(BATCH * TILE, NUMBER)


@njit
def place(row, M):
    """Where the first code of a row stands."""
    return row // LANES * M * LANES + row % LANES


@njit
def search(state, scratch, q, ids, dists):
    columns, blocks, M, n = state
    table, levels, sums = scratch
    for i in range(ids.size):
        ids[i], dists[i] = -1, np.inf
    low = fill(columns, q, M, table)
    scan(table, levels, blocks, sums, low, M, n, ids, dists)


@merged
def fill(columns, q, M, table):
    """The table, and the sum of what is least in each slice."""
    ds, low = q.size // M, np.float32(0)
    for m in range(M):
        row = table[256 * m : 256 * m + 256]
        for k in range(256):
            row[k] = np.float32(0)
        for j in range(m * ds, m * ds + ds):
            for k in range(256):
                gap = q[j] - columns[256 * j + k]
                row[k] += gap * gap
        low += least(table, m)
    return low


@njit
def least(table, m):
    found = simd.load(simd.f32x16, table, 256 * m)
    for k in range(16, 256, 16):
        found = simd.min(found, simd.load(simd.f32x16, table, 256 * m + k))
    return simd.reduce_min(found)


@merged
def scan(table, levels, blocks, sums, low, M, n, ids, dists):
    """Lets rows enter, given the least sum that there could be."""
    for i in range(min(SAMPLE, n)):
        offer(table, blocks, i, M, ids, dists)
    room = scale = np.float32(np.inf)
    for first in range(SAMPLE, n, BATCH * TILE):
        end = min(first + BATCH * TILE, blocks.size // M)
        limit = dists[dists.size - 1]
        if not FLOATS:
            if limit - low < np.float32(0.5) * room:
                room = limit - low
                scale = (ALL if NARROW else EACH * np.float32(M)) / max(room, TINY)
                steps(table, scale, levels)
            limit = np.float32(1.00001) * (limit - low) * scale + np.float32(1)
        for row in range(first, end, TILE):
            if FLOATS:
                exact(table, blocks, row, M, sums, row - first)
            else:
                bound(levels, blocks, row, M, sums, row - first)
        for i in range(first, end, PART):
            waiting = simd.bits(simd.load(SUMS, sums, i - first) <= NUMBER(limit))
            while waiting:
                row = i + simd.ctz(waiting)
                waiting = simd.clear_lowest(waiting)
                if row < n:
                    offer(table, blocks, row, M, ids, dists)


@merged
def steps(table, scale, levels):
    """Entries above the least of their slice, rounded down to steps."""
    for m in range(table.size // 256):
        base = least(table, m)
        for k in range(256 * m, 256 * m + 256, 16):
            above = (simd.load(simd.f32x16, table, k) - base) * scale
            whole = simd.convert(simd.u32x16, simd.min(above, np.float32(255)))
            simd.store(levels, k, simd.convert(simd.u8x16, whole))


@merged
def bound(levels, blocks, row, M, sums, at):
    """Sums of steps of a tile."""
    totals = simd.repeat(simd.zero(SUMS), MANY)
    for m in range(M):
        one, two = simd.load(ENTRIES, levels, 256 * m), simd.load(ENTRIES, levels, 256 * m + 64)
        three = simd.load(ENTRIES, levels, 256 * m + 128)
        four = simd.load(ENTRIES, levels, 256 * m + 192)
        for b in simd.unroll(BLOCKS):
            codes = coming(U8, blocks, (row + b * LANES) * M + m * LANES)
            first, second = simd.lookup2(one, two, codes), simd.lookup2(three, four, codes)
            found = simd.select(codes < np.uint8(128), first, second)
            if NARROW:
                totals = simd.put(totals, b, simd.add_sat(totals[b], found))
            else:
                lower = totals[2 * b] + simd.convert(U16, simd.low(found))
                upper = totals[2 * b + 1] + simd.convert(U16, simd.high(found))
                totals = simd.put(simd.put(totals, 2 * b, lower), 2 * b + 1, upper)
    for s in simd.unroll(MANY):
        simd.store(sums, at + s * PART, totals[s])


@njit
def coming(T, blocks, at):
    """Codes; those that stand further on are asked for."""
    if STREAMS:
        simd.prefetch(blocks, at + STREAM)
    return simd.load(T, blocks, at)


@merged
def exact(table, blocks, row, M, sums, at):
    """Distances of a tile."""
    totals = simd.repeat(simd.zero(SUMS), MANY)
    for m in range(M):
        for s in simd.unroll(MANY):
            start = (row + s // PARTS * LANES) * M + m * LANES + s % PARTS * 16
            codes = simd.convert(simd.i32x16, coming(simd.u8x16, blocks, start))
            found = simd.gather(table, codes + np.int32(256 * m))
            totals = simd.put(totals, s, totals[s] + found)
    for s in simd.unroll(MANY):
        simd.store(sums, at + s * PART, totals[s])


@njit
def offer(table, blocks, row, M, ids, dists):
    """Puts a row in its place among the best, if it is one of them."""
    total, start = np.float32(0), place(row, M)
    for m in range(M):
        total += table[256 * m + blocks[start + m * LANES]]
    at = dists.size - 1
    if total < dists[at]:
        while at > 0 and dists[at - 1] > total:
            dists[at], ids[at] = dists[at - 1], ids[at - 1]
            at -= 1
        dists[at], ids[at] = total, row
