"""Codes stored by column; a stretch of partial sums is carried from column to column."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}
KNOBS = {"stretch": (2048, 512, 8192)}
STRETCH = KNOBS["stretch"][0]


@njit
def prepare(codebook, codes):
    return np.ascontiguousarray(codebook.transpose(0, 2, 1)), np.ascontiguousarray(codes.T)


@njit
def scratch(state):
    codebook, columns = state
    table = np.empty((codebook.shape[0], codebook.shape[2]), np.float32)
    return table, np.empty(min(STRETCH, columns.shape[1]), np.float32)


@njit(fastmath=FAST)
def distance_table(state, q, table):
    codebook = state[0]
    M, ds, K = codebook.shape
    for m in range(M):
        row = table[m]
        row[:] = np.float32(0)
        for j in range(ds):
            x, column = q[m * ds + j], codebook[m, j]
            for k in range(K):
                row[k] += (x - column[k]) * (x - column[k])


@njit(fastmath=FAST)
def carry(columns, table, start, sums):
    """Two columns at a time halve the trips of the sums through memory."""
    M = columns.shape[0]
    sums[:] = np.float32(0)
    for m in range(0, M - 1, 2):
        a, b, left, right = table[m], table[m + 1], columns[m], columns[m + 1]
        for j in range(np.uint64(sums.size)):
            i = np.uint64(start) + j
            sums[j] += a[left[i]] + b[right[i]]
    if M % 2:
        a, left = table[M - 1], columns[M - 1]
        for j in range(np.uint64(sums.size)):
            sums[j] += a[left[np.uint64(start) + j]]


@njit(fastmath=FAST)
def compute_distances(state, table, out):
    columns = state[1]
    for start in range(0, out.size, STRETCH):
        carry(columns, table, start, out[start : start + STRETCH])


@njit
def insert(ids, dists, i, total):
    at = ids.size - 1
    while at > 0 and dists[at - 1] > total:
        dists[at] = dists[at - 1]
        ids[at] = ids[at - 1]
        at -= 1
    dists[at] = total
    ids[at] = i


@njit(fastmath=FAST)
def search(state, scratch, q, ids, dists):
    columns = state[1]
    n = columns.shape[1]
    table, sums = scratch
    distance_table(state, q, table)
    ids[:] = -1
    dists[:] = np.inf
    last = ids.size - 1
    for start in range(0, n, STRETCH):
        part = sums[: min(STRETCH, n - start)]
        carry(columns, table, start, part)
        for j in range(part.size):
            if part[j] < dists[last]:
                insert(ids, dists, start + j, part[j])
