"""The nearest of product-quantised vectors in the lists that each query probes, compiled.

A vector is its list's centre c plus y, a centroid of each slice side by side. From a query q

    |q - c - y|^2 = |q - c|^2 + (|y|^2 + 2 c.y) - 2 q.y

where the first part is known from the choice of lists, the second is one number a vector, its
`term`, and only the last is looked up: one table a query serves all lists (faiss makes one a list
and a query). c and q are taken from a common middle, so that little cancels.

Rows stand in blocks of 64, transposed, through all lists. Only rows whose lower bound (see
`bounds`) lies below the worst distance kept are summed from the table itself; before anything is
kept, the rows with the lowest bounds are, so that there is a worst to compare with. Knows arrays;
nothing of indexes.
"""

import numpy as np
from numba import njit

from .. import simd
from ..compiled import kept
from .bounds import (
    FEATURE,
    NONE,
    TOP,
    between,
    extremes,
    fewest,
    fill_levels,
    fill_steps,
    inside,
    near_rows,
)
from .tables import (
    ROWS,
    TABLES,
    fill_one,
    fill_some,
    fill_table,
    room,
    sum_block,
    sum_row,
    term_of,
)

NOISE = np.float32(2e-6)  # relative error of a sum in single precision, and more
FIRST = 1024  # rows of which those with the fewest steps enter first

# The k nearest, as a heap whose root is the worst


@njit
def sink(places, dists, size, place, dist):
    """Replaces the root of a heap of `size`."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and dists[child + 1] > dists[child]:
            child += 1
        if dists[child] <= dist:
            break
        places[at], dists[at] = places[child], dists[child]
        at = child
    places[at], dists[at] = place, dist


@njit
def in_order(places, dists, names):
    """The heap sorted, nearest first, places become names; rounding leaves nothing below 0."""
    for end in range(dists.size - 1, 0, -1):
        place, dist = places[end], dists[end]
        places[end], dists[end] = places[0], dists[0]
        sink(places, dists, end, place, dist)
    for i in range(dists.size):
        dists[i] = max(dists[i], np.float32(0))
        places[i] = names[places[i]] if places[i] >= 0 else -1


# Searching


@njit
def move(q, middle, asked):
    """-2 times q f32[n, d] from the middle: what tables are made of."""
    for i in range(q.shape[0]):
        for j in range(middle.size):
            asked[i, j] = np.float32(-2) * (q[i, j] - middle[j])


@njit
def scan_list(state, tables, begin, end, base, places, dists):
    """Lets the rows from begin to end - 1 enter; base is |q - c|^2."""
    _, blocks, terms, _, _, _, most = state
    table, levels, row, _, least, scale, size = tables
    noise = NOISE * (size + most + base)
    if simd.has(FEATURE) and scale > 0 and noise < np.inf and dists[0] == np.inf:
        middle = min(end, begin // ROWS * ROWS + FIRST)
        if middle - begin >= dists.size:  # else all of them enter, whatever their bounds
            enter_first(state, tables, begin, middle, base, noise, places, dists)
            begin = middle
    for b in range(begin // ROWS, (end - 1) // ROWS + 1 if begin < end else 0, 2):
        one, other = inside(b, begin, end), inside(b + 1, begin, end)
        if not (simd.has(FEATURE) and scale > 0 and dists[0] < np.inf):
            enter_many(state, table, row, b, one, base, places, dists)
            one = np.uint64(0)
        if simd.has(FEATURE) and scale > 0 and dists[0] < np.inf:  # perhaps by what just entered
            limit = (dists[0] + noise - base - least) * scale + np.float32(1)
            near, other_near = near_rows(levels, blocks, terms, b, limit, scale)
            enter_some(state, table, b, one & near, base, places, dists)
            enter_some(state, table, b + 1, other & other_near, base, places, dists)
        else:
            enter_many(state, table, row, b + 1, other, base, places, dists)


@njit
def enter_first(state, tables, begin, end, base, noise, places, dists):
    """The same for at most FIRST rows: those with the fewest steps, then those that may be nearer
    than the worst kept."""
    _, blocks, terms, _, _, _, _ = state
    table, levels, _, steps, least, scale, _ = tables
    first = begin // ROWS
    term, size = fill_steps(levels, blocks, terms, begin, end, scale, steps)
    few = fewest(steps, size, dists.size)
    for b in range(size // ROWS):
        near = between(steps, b, 0, few)
        enter_some(state, table, first + b, near, base, places, dists)
    for b in range(size // ROWS):
        limit = (dists[0] + noise - base - least - term) * scale
        most = np.int64(min(max(limit, np.float32(0)), np.float32(NONE - 1)))
        near = between(steps, b, few + 1, most)
        enter_some(state, table, first + b, near, base, places, dists)


@njit
def enter_some(state, table, b, waiting, base, places, dists):
    """Sums the rows of a block that wait, one by one."""
    _, blocks, terms, _, _, _, _ = state
    while waiting:
        i = b * ROWS + simd.ctz(waiting)
        waiting = simd.clear_lowest(waiting)
        dist = base + terms[term_of(i)] + sum_row(table, blocks, i)
        if dist < dists[0]:
            sink(places, dists, dists.size, i, dist)


@njit
def enter_many(state, table, row, b, waiting, base, places, dists):
    """Sums all rows of a block, of which those that wait may enter."""
    _, blocks, terms, _, _, _, _ = state
    if waiting:
        sum_block(table, blocks, b, row)
    while waiting:
        i = b * ROWS + simd.ctz(waiting)
        waiting = simd.clear_lowest(waiting)
        dist = base + terms[term_of(i)] + row[i % ROWS]
        if dist < dists[0]:
            sink(places, dists, dists.size, i, dist)


@njit(nogil=True)
def search(state, bounded, q, probes, bases, ids, dists):
    """The nearest rows of the lists probes i64[nq, nprobe] at bases f32[nq, nprobe] from their
    centres, into ids and dists [nq, k], for q f32[nq, d].
    `bounded` is only for at most MOST slices, and only faster where BOUNDED."""
    columns, _, _, offsets, names, middle, _ = state
    M = columns.shape[0]
    table = room(TABLES * 1024 * M).view(np.float32).reshape(TABLES, M, 256)
    lows, tops = np.empty((TABLES, M), np.float32), np.empty((TABLES, M), np.float32)
    levels, row = room(256 * M).reshape(M, 256), room(4 * ROWS).view(np.float32)
    steps = room(2 * FIRST).view(np.uint16)
    asked = np.empty((TABLES, middle.size), np.float32)
    ids[:] = -1
    dists[:] = np.inf
    for i in range(q.shape[0]):
        r = i % TABLES
        if r == 0:
            move(q[i : i + TABLES], middle, asked)
            if i + TABLES <= q.shape[0]:
                fill_some(columns, asked, table, lows, tops)
            else:
                fill_one(columns, asked, table, lows, tops)
        least, widest, size = extremes(lows[r], tops[r])
        scale = np.float32(0)
        if bounded:
            scale = np.float32(TOP - 1) / widest
            fill_levels(table[r], lows[r], scale, levels)
        tables = table[r], levels, row, steps, least, scale, size
        for p in range(probes.shape[1]):
            begin, end = offsets[probes[i, p]], offsets[probes[i, p] + 1]
            if begin < end:
                scan_list(state, tables, begin, end, bases[i, p], ids[i], dists[i])
        in_order(ids[i], dists[i], names)


@njit(nogil=True)
def distances(state, q, probes, bases, places, dists):
    """Every row of the lists probed by one query, and its distance, to places and dists [n]."""
    columns, blocks, terms, offsets, _, middle, _ = state
    table, row = np.empty((columns.shape[0], 256), np.float32), np.empty(ROWS, np.float32)
    asked = np.empty((1, middle.size), np.float32)
    move(q.reshape(1, -1), middle, asked)
    fill_table(columns, asked[0], table)
    at = 0
    for p in range(probes.size):
        begin, end = offsets[probes[p]], offsets[probes[p] + 1]
        for b in range(begin // ROWS, (end + ROWS - 1) // ROWS if begin < end else 0):
            sum_block(table, blocks, b, row)
            for i in range(max(begin, b * ROWS), min(end, (b + 1) * ROWS)):
                places[at] = i
                dists[at] = max(bases[p] + terms[term_of(i)] + row[i % ROWS], np.float32(0))
                at += 1


kept(globals())
