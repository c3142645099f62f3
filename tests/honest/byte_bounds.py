"""Lower bounds from a table of bytes that fits the first-level cache; survivors are exact."""

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
    rows = state[1].shape[1] * 8
    return np.zeros((rows, 256), np.float32), np.zeros((rows, 256), np.uint8)


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


@njit
def bound(bytes_, word, at):
    byte = np.uint64(255)
    total = np.uint32(0)
    for j in range(np.uint64(8)):
        total += bytes_[at + j * np.uint64(256) + ((word >> (j * np.uint64(8))) & byte)]
    return total


@njit
def quantise(table, small):
    """small = floor((table - least of its row) * factor); returns (sum of leasts, factor)."""
    M, K = table.shape
    base, spread = np.float32(0), np.float32(1e-30)
    for m in range(M):
        base += table[m].min()
        spread = max(spread, table[m].max() - table[m].min())
    factor = np.float32(254.9) / spread
    for m in range(M):
        least = table[m].min()
        for k in range(K):
            small[m, k] = np.uint8((table[m, k] - least) * factor)
    return base, factor


@njit
def search(state, scratch, q, ids, dists):
    codebook, words = state
    M, K = codebook.shape[0], codebook.shape[2]
    n, W = words.shape
    table, small = scratch
    distance_table(state, q, table[:M, :K])
    base, factor = quantise(table[:M, :K], small[:M, :K])
    flat, tiny = table.ravel(), small.ravel()
    ids[:] = -1
    dists[:] = np.inf
    last = ids.size - 1
    limit = np.uint32(0xFFFFFFFF)
    for i in range(np.uint64(n)):
        low = np.uint32(0)
        for w in range(np.uint64(W)):
            low += bound(tiny, words[i, w], w * np.uint64(2048))
        if low <= limit:
            total = np.float32(0)
            for w in range(np.uint64(W)):
                total += lookup(flat, words[i, w], w * np.uint64(2048))
            if total < dists[last]:
                insert(ids, dists, np.int64(i), total)
                if dists[last] < np.inf:
                    room = (dists[last] * np.float32(1.0001) - base) * factor
                    limit = np.uint32(
                        min(max(room, np.float32(0)) + np.float32(2), np.float32(1e9))
                    )
