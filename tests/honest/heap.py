"""A binary heap of the ten best in double precision, sorted at the end."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}


@njit
def prepare(codebook, codes):
    return np.ascontiguousarray(codebook.transpose(0, 2, 1)), codes.copy()


@njit
def scratch(state):
    codebook = state[0]
    table = np.empty((codebook.shape[0], codebook.shape[2]), np.float32)
    return table, np.empty(16, np.float64), np.empty(16, np.int64)


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


@njit
def compute_distances(state, table, out):
    codes = state[1]
    n, M = codes.shape
    for i in range(n):
        total = np.float32(0)
        for m in range(M):
            total += table[m, codes[i, m]]
        out[i] = total


@njit
def sift(keys, names, size, key, name):
    """Replace the largest of keys[:size], the root, by (key, name)."""
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and keys[child + 1] > keys[child]:
            child += 1
        if keys[child] <= key:
            break
        keys[at], names[at] = keys[child], names[child]
        at = child
    keys[at], names[at] = key, name


@njit(fastmath=FAST)
def search(state, scratch, q, ids, dists):
    codes = state[1]
    n, M = codes.shape
    table, keys, names = scratch
    distance_table(state, q, table)
    k = ids.size
    keys[:k] = np.inf
    names[:k] = -1
    for i in range(n):
        total = np.float64(0)
        for m in range(M):
            total += table[m, codes[i, m]]
        if total < keys[0]:
            sift(keys, names, k, total, i)
    for size in range(k, 0, -1):
        dists[size - 1], ids[size - 1] = keys[0], names[0]
        sift(keys, names, size - 1, keys[size - 1], names[size - 1])
