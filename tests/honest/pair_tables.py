"""With very many codes, tables over pairs of codes halve the lookups; else single ones."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}
KNOBS = {"many": (300_000, 100_000, 1_000_000)}
MANY = KNOBS["many"][0]


@njit
def prepare(codebook, codes):
    n, M = codes.shape
    padded = np.zeros((n, (M + 1) // 2 * 2), np.uint8)
    padded[:, :M] = codes
    return np.ascontiguousarray(codebook.transpose(0, 2, 1)), padded, padded.view(np.uint16)


@njit
def scratch(state):
    codes, pairs = state[1], state[2]
    table = np.zeros((codes.shape[1], 256), np.float32)
    many = pairs.shape[0] >= MANY and pairs.shape[1] <= 16
    return table, np.empty((pairs.shape[1] if many else 0, 65536), np.float32)


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
    n, M = codes.shape[0], table.shape[0]
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


@njit(fastmath=FAST)
def square(table, wide):
    """wide[p, 256 b + a] = table[2p, a] + table[2p + 1, b]"""
    for p in range(wide.shape[0]):
        low, high = table[2 * p], table[2 * p + 1]
        for b in range(256):
            part = wide[p, 256 * b : 256 * b + 256]
            for a in range(256):
                part[a] = low[a] + high[b]


@njit(fastmath=FAST)
def scan(codes, table, ids, dists):
    last = ids.size - 1
    for i in range(np.uint64(codes.shape[0])):
        total = np.float32(0)
        for m in range(np.uint64(codes.shape[1])):
            total += table[m, codes[i, m]]
        if total < dists[last]:
            insert(ids, dists, np.int64(i), total)


@njit(fastmath=FAST)
def search(state, scratch, q, ids, dists):
    codebook, codes, pairs = state
    M, K = codebook.shape[0], codebook.shape[2]
    table, wide = scratch
    distance_table(state, q, table[:M, :K])
    ids[:] = -1
    dists[:] = np.inf
    if wide.shape[0]:
        square(table, wide)
        scan(pairs, wide, ids, dists)
    else:
        scan(codes, table, ids, dists)
