"""Let the compiler reassociate and contract, and index with unsigned integers."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}


@njit
def prepare(codebook, codes):
    return codebook.copy(), codes.copy()


@njit
def scratch(state):
    return np.empty((state[0].shape[0], state[0].shape[1]), np.float32)


@njit(fastmath=FAST)
def distance_table(state, q, table):
    codebook = state[0]
    M, K, ds = codebook.shape
    for m in range(M):
        for k in range(K):
            total = np.float32(0)
            for j in range(ds):
                gap = q[m * ds + j] - codebook[m, k, j]
                total += gap * gap
            table[m, k] = total


@njit(fastmath=FAST)
def distance(codes, table, i):
    total = np.float32(0)
    for m in range(np.uint64(codes.shape[1])):
        total += table[m, codes[i, m]]
    return total


@njit(fastmath=FAST)
def compute_distances(state, table, out):
    codes = state[1]
    for i in range(np.uint64(codes.shape[0])):
        out[i] = distance(codes, table, i)


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
    codes = state[1]
    distance_table(state, q, scratch)
    ids[:] = -1
    dists[:] = np.inf
    last = ids.size - 1
    for i in range(np.uint64(codes.shape[0])):
        total = distance(codes, scratch, i)
        if total < dists[last]:
            insert(ids, dists, np.int64(i), total)
