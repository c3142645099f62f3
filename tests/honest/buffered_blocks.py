"""Only blocks whose least distance beats the tenth best are searched."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}
KNOBS = {"block": (128, 64, 256, 512)}
BLOCK = KNOBS["block"][0]


@njit
def prepare(codebook, codes):
    """The codebook transposed; the codes padded to whole words of eight."""
    n, M = codes.shape
    padded = np.zeros((n, (M + 7) // 8 * 8), np.uint8)
    padded[:, :M] = codes
    return np.ascontiguousarray(codebook.transpose(0, 2, 1)), padded.view(np.uint64)


@njit
def scratch(state):
    """The table with 256 entries a row, rows of padding zero, and the sums of a block."""
    return np.zeros((state[1].shape[1] * 8, 256), np.float32), np.empty(BLOCK, np.float32)


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
def fill(words, flat, start, sums):
    """The distances of a block, and the least of them."""
    least = np.float32(np.inf)
    for j in range(np.uint64(sums.size)):
        total = np.float32(0)
        for w in range(np.uint64(words.shape[1])):
            total += lookup(flat, words[np.uint64(start) + j, w], w * np.uint64(2048))
        sums[j] = total
        least = min(least, total)
    return least


@njit
def search(state, scratch, q, ids, dists):
    codebook, words = state
    M, K = codebook.shape[0], codebook.shape[2]
    table, sums = scratch
    n = words.shape[0]
    distance_table(state, q, table[:M, :K])
    flat = table.ravel()
    ids[:] = -1
    dists[:] = np.inf
    last = ids.size - 1
    for start in range(0, n, BLOCK):
        part = sums[: min(BLOCK, n - start)]
        if fill(words, flat, start, part) < dists[last]:
            for j in range(part.size):
                if part[j] < dists[last]:
                    insert(ids, dists, start + j, part[j])
