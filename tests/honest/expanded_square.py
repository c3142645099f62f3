"""The table as |q|^2 - 2 q.c + |c|^2 with prepared |c|^2: one multiply-add per component."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}


@njit
def prepare(codebook, codes):
    M, K, ds = codebook.shape
    norms = np.zeros((M, K), np.float32)
    for m in range(M):
        for k in range(K):
            for j in range(ds):
                norms[m, k] += codebook[m, k, j] * codebook[m, k, j]
    turned = np.ascontiguousarray(codebook.transpose(0, 2, 1) * np.float32(-2))
    return turned, codes.copy(), norms


@njit
def scratch(state):
    return np.empty((state[0].shape[0], state[0].shape[2]), np.float32)


@njit(fastmath=FAST)
def distance_table(state, q, table):
    codebook, norms = state[0], state[2]
    M, ds, K = codebook.shape
    for m in range(M):
        square = np.float32(0)
        for j in range(ds):
            square += q[m * ds + j] * q[m * ds + j]
        row, norm = table[m], norms[m]
        for k in range(K):
            row[k] = square + norm[k]
        for j in range(ds):
            x, column = q[m * ds + j], codebook[m, j]
            for k in range(K):
                row[k] += x * column[k]


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
