"""A code is dropped once its partial sum and the least of the rest exceed the tenth best."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}


@njit
def prepare(codebook, codes):
    """The codebook transposed; the codes padded to whole words of eight."""
    n, M = codes.shape
    padded = np.zeros((n, (M + 7) // 8 * 8), np.uint8)
    padded[:, :M] = codes
    return np.ascontiguousarray(codebook.transpose(0, 2, 1)), padded.view(np.uint64)


@njit
def scratch(state):
    """The table with 256 entries a row, rows of padding zero, and what is at least to come."""
    W = state[1].shape[1]
    return np.zeros((W * 8, 256), np.float32), np.zeros(W + 1, np.float32)


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


@njit(inline="always")
def lookup(table, word, at):
    """The sum of eight table entries: code j of the word selects in row j behind `at`."""
    byte = np.uint64(255)
    total = table[at + (word & byte)]
    total += table[at + np.uint64(256) + ((word >> np.uint64(8)) & byte)]
    total += table[at + np.uint64(512) + ((word >> np.uint64(16)) & byte)]
    total += table[at + np.uint64(768) + ((word >> np.uint64(24)) & byte)]
    total += table[at + np.uint64(1024) + ((word >> np.uint64(32)) & byte)]
    total += table[at + np.uint64(1280) + ((word >> np.uint64(40)) & byte)]
    total += table[at + np.uint64(1536) + ((word >> np.uint64(48)) & byte)]
    total += table[at + np.uint64(1792) + (word >> np.uint64(56))]
    return total


@njit
def compute_distances(state, table, out):
    words = state[1]
    n, W = words.shape
    M, K = table.shape
    if M == 8 * W and K == 256:
        flat = table.ravel()
        for i in range(np.uint64(n)):
            total = np.float32(0)
            for w in range(np.uint64(W)):
                total += lookup(flat, words[i, w], w * np.uint64(2048))
            out[i] = total
    else:
        codes = words.view(np.uint8)
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
def remaining(table, rest):
    """rest[w] = what words w, w + 1, ... add at least, a little less for rounding."""
    rest[:] = np.float32(0)
    for m in range(table.shape[0]):
        row = table[m]
        least = row[0]
        for k in range(row.size):
            least = min(least, row[k])
        rest[m // 8] += least * np.float32(0.9999)
    for w in range(rest.size - 2, -1, -1):
        rest[w] += rest[w + 1]


@njit
def search(state, scratch, q, ids, dists):
    codebook, words = state
    M, K = codebook.shape[0], codebook.shape[2]
    n, W = words.shape
    table, rest = scratch
    distance_table(state, q, table[:M, :K])
    remaining(table[:M, :K], rest)
    flat = table.ravel()
    ids[:] = -1
    dists[:] = np.inf
    last = ids.size - 1
    limit = dists[last]
    for i in range(np.uint64(n)):
        total = lookup(flat, words[i, 0], np.uint64(0))
        w = np.uint64(1)
        while w < np.uint64(W) and total + rest[w] < limit:
            total += lookup(flat, words[i, w], w * np.uint64(2048))
            w += np.uint64(1)
        if w == np.uint64(W) and total < limit:
            insert(ids, dists, np.int64(i), total)
            limit = dists[last]
