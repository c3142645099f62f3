"""Half of each sum is compared without a branch; only codes that may still win are finished."""

import numpy as np
from numba import njit

FAST = {"reassoc", "nsz", "contract"}
KNOBS = {"block": (256, 64, 1024), "part": (8, 4, 6)}
BLOCK = KNOBS["block"][0]
PART = KNOBS["part"][0]


@njit
def prepare(codebook, codes):
    """The codebook transposed; the codes padded to whole words of eight."""
    n, M = codes.shape
    padded = np.zeros((n, (M + 7) // 8 * 8), np.uint8)
    padded[:, :M] = codes
    return np.ascontiguousarray(codebook.transpose(0, 2, 1)), padded.view(np.uint64)


@njit
def scratch(state):
    """The table with 256 entries a row, rows of padding zero; what is at least to come; a block."""
    W = state[1].shape[1]
    table = np.zeros((W * 8, 256), np.float32)
    names, sums = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.float32)
    return table, np.zeros(W + 1, np.float32), names, sums


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
def begin(words, start, stop, part, flat, room, names, sums):
    """Sum the first `part` words of codes start, ..., stop - 1; list those below room."""
    size = stop - start
    for j in range(size):
        sums[j] = lookup(flat, words[start + j, 0], np.uint64(0))
    for w in range(1, part):
        at = np.uint64(w) << np.uint64(11)
        for j in range(size):
            sums[j] += lookup(flat, words[start + j, w], at)
    kept = 0
    for j in range(size):
        total = sums[j]
        names[kept] = start + j
        sums[kept] = total
        kept += total < room
    return kept


@njit
def finish(words, part, flat, names, sums, kept, ids, dists):
    """Add the other words to the sums of the codes listed and take in those among the best."""
    last = ids.size - 1
    for x in range(kept):
        i, total = names[x], sums[x]
        for w in range(np.uint64(part), np.uint64(words.shape[1])):
            total += lookup(flat, words[i, w], w << np.uint64(11))
        if total < dists[last]:
            insert(ids, dists, np.int64(i), total)


@njit
def search(state, scratch, q, ids, dists):
    codebook, words = state
    M, K = codebook.shape[0], codebook.shape[2]
    n, W = words.shape
    table, rest, names, sums = scratch
    distance_table(state, q, table[:M, :K])
    remaining(table[:M, :K], rest)
    flat = table.ravel()
    ids[:] = -1
    dists[:] = np.inf
    part = (W * PART + 15) // 16
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        room = dists[ids.size - 1] - rest[part]
        kept = begin(words, start, stop, part, flat, room, names, sums)
        finish(words, part, flat, names, sums, kept, ids, dists)
