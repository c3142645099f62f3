"""What the harness calls has other names too: choices between functions are made so."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}


@njit
def transposed(codebook, codes):
    return np.ascontiguousarray(codebook.transpose(0, 2, 1)), codes.copy()


prepare = transposed
packed = prepare


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
def insert(ids, dists, i, total):
    at = ids.size - 1
    while at > 0 and dists[at - 1] > total:
        dists[at] = dists[at - 1]
        ids[at] = ids[at - 1]
        at -= 1
    dists[at] = total
    ids[at] = i


@njit
def search(state, scratch, q, ids, dists):
    codes = state[1]
    n, M = codes.shape
    distance_table(state, q, scratch)
    ids[:] = -1
    dists[:] = np.inf
    last = ids.size - 1
    for i in range(n):
        total = np.float32(0)
        for m in range(M):
            total += scratch[m, codes[i, m]]
        if total < dists[last]:
            insert(ids, dists, i, total)
