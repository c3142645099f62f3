"""Codes transposed in blocks, so that a row of the table serves a whole block."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}
KNOBS = {"block": (64, 32, 128)}
BLOCK = KNOBS["block"][0]


@njit
def prepare(codebook, codes):
    n, M = codes.shape
    turned = np.zeros(((n + BLOCK - 1) // BLOCK, M, BLOCK), np.uint8)
    for i in range(n):
        turned[i // BLOCK, :, i % BLOCK] = codes[i]
    return np.ascontiguousarray(codebook.transpose(0, 2, 1)), turned, n


@njit
def scratch(state):
    codebook = state[0]
    table = np.empty((codebook.shape[0], codebook.shape[2]), np.float32)
    return table, np.empty(BLOCK, np.float32)


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
def scan(block, table, sums):
    sums[:] = np.float32(0)
    for m in range(block.shape[0]):
        row, codes = table[m], block[m]
        for j in range(BLOCK):
            sums[j] += row[codes[j]]


@njit(fastmath=FAST)
def compute_distances(state, table, out):
    turned, n = state[1], state[2]
    whole = n // BLOCK
    for b in range(whole):
        scan(turned[b], table, out[b * BLOCK : (b + 1) * BLOCK])
    if whole * BLOCK < n:
        sums = np.empty(BLOCK, np.float32)
        scan(turned[whole], table, sums)
        out[whole * BLOCK :] = sums[: n - whole * BLOCK]


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
    turned, n = state[1], state[2]
    table, sums = scratch
    distance_table(state, q, table)
    ids[:] = -1
    dists[:] = np.inf
    last = ids.size - 1
    for b in range(turned.shape[0]):
        scan(turned[b], table, sums)
        for j in range(min(BLOCK, n - b * BLOCK)):
            if sums[j] < dists[last]:
                insert(ids, dists, b * BLOCK + j, sums[j])
