"""Slices with the widest centroids come first, which drops hopeless codes sooner."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}


@njit
def prepare(codebook, codes):
    """Slices in falling order of their spread; `order` says where each came from."""
    n, M = codes.shape
    spread = np.empty(M)
    for m in range(M):
        spread[m] = -np.var(codebook[m])
    order = np.argsort(spread)
    turned = np.empty((M, codebook.shape[2], codebook.shape[1]), np.float32)
    shuffled = np.empty((n, M), np.uint8)
    for m in range(M):
        turned[m] = codebook[order[m]].T
        shuffled[:, m] = codes[:, order[m]]
    return turned, shuffled, order


@njit
def scratch(state):
    return np.empty((state[0].shape[0], state[0].shape[2]), np.float32)


@njit(fastmath=FAST)
def fill(codebook, at, q, row):
    ds, K = codebook.shape
    row[:] = np.float32(0)
    for j in range(ds):
        x, column = q[at * ds + j], codebook[j]
        for k in range(K):
            row[k] += (x - column[k]) * (x - column[k])


@njit
def distance_table(state, q, table):
    codebook, order = state[0], state[2]
    for m in range(order.size):
        fill(codebook[m], order[m], q, table[order[m]])


@njit(fastmath=FAST)
def compute_distances(state, table, out):
    codes, order = state[1], state[2]
    n, M = codes.shape
    for i in range(n):
        total = np.float32(0)
        for m in range(M):
            total += table[order[m], codes[i, m]]
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


@njit(fastmath=FAST)
def search(state, scratch, q, ids, dists):
    codebook, codes, order = state
    n, M = codes.shape
    for m in range(M):
        fill(codebook[m], order[m], q, scratch[m])
    ids[:] = -1
    dists[:] = np.inf
    last = ids.size - 1
    limit = dists[last]
    for i in range(n):
        total = np.float32(0)
        m = 0
        while m < M and total < limit:
            stop = min(m + 8, M)
            while m < stop:
                total += scratch[m, codes[i, m]]
                m += 1
        if m == M and total < limit:
            insert(ids, dists, i, total)
            limit = dists[last]
