"""Codes sorted so that neighbours share their first sums; ids are mapped back."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}


@njit
def prepare(codebook, codes):
    """Rows in the order of their first two codes, the row each came from, and where runs end."""
    n, M = codes.shape
    key = np.zeros(n, np.int64)
    for i in range(n):
        key[i] = np.int64(codes[i, 0]) * 256 + codes[i, min(1, M - 1)]
    order = np.argsort(key, kind="mergesort")
    rows = np.empty((n, M), np.uint8)
    ends = np.empty(n, np.int64)
    for i in range(n):
        rows[i] = codes[order[i]]
    for i in range(n - 1, -1, -1):
        same = i + 1 < n and key[order[i]] == key[order[i + 1]]
        ends[i] = ends[i + 1] if same else i + 1
    return np.ascontiguousarray(codebook.transpose(0, 2, 1)), rows, order, ends


@njit
def scratch(state):
    return np.empty((state[0].shape[0], state[0].shape[2]), np.float32)


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
def beyond(row, table, first):
    total = np.float32(0)
    for m in range(first, row.size):
        total += table[m, row[m]]
    return total


@njit(fastmath=FAST)
def compute_distances(state, table, out):
    rows, order = state[1], state[2]
    for i in range(order.size):
        out[order[i]] = beyond(rows[i], table, 0)


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
    rows, order, ends = state[1], state[2], state[3]
    n, M = rows.shape
    shared = min(2, M)
    distance_table(state, q, scratch)
    rest = np.float32(0)
    for m in range(shared, M):
        rest += scratch[m].min() * np.float32(0.9999)
    ids[:] = -1
    dists[:] = np.inf
    last = ids.size - 1
    i = 0
    while i < n:
        stop = ends[i]
        prefix = np.float32(0)
        for m in range(shared):
            prefix += scratch[m, rows[i, m]]
        if prefix + rest < dists[last]:
            for j in range(i, stop):
                total = prefix + beyond(rows[j], scratch, shared)
                if total < dists[last]:
                    insert(ids, dists, order[j], total)
        i = stop
