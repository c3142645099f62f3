"""Cosine search over product-quantised vectors of length one, in plain scalar code.

Cosine is L2 after normalisation: |u - c|^2 with u = q / |q|, and u = 0 where |q| = 0, twice the
cosine distance 1 - u.c if |c| is one. A vector of d = M * ds components is stored as M codes; code
m of vector i names a centroid of slice m: c_i = codebook[0, codes[i, 0]], ... side by side.
"""

import numpy as np
from numba import njit


@njit
def prepare(codebook, codes):
    """codebook f32[M, K, ds], codes u8[n, M] with codes < K <= 256 -> state, any layout."""
    return codebook.copy(), codes.copy()


@njit
def scratch(state):
    """Working memory of one thread: the table f32[M, K] of one query."""
    codebook = state[0]
    return np.empty(codebook.shape[:2], np.float32)


@njit
def distance_table(state, q, table):
    """table[m, k] = sum_j (u[m * ds + j] - codebook[m, k, j])^2, u = q / |q| for q f32[M * ds]."""
    codebook = state[0]
    M, K, ds = codebook.shape
    square = np.float32(0)
    for j in range(M * ds):
        square += q[j] * q[j]
    scale = np.float32(1) / np.sqrt(square) if square > 0 else np.float32(0)
    for m in range(M):
        for k in range(K):
            total = np.float32(0)
            for j in range(ds):
                gap = q[m * ds + j] * scale - codebook[m, k, j]
                total += gap * gap
            table[m, k] = total


@njit
def compute_distances(state, table, out):
    """out[i] = sum_m table[m, codes[i, m]] = |u - c_i|^2 for out f32[n]."""
    codes = state[1]
    n, M = codes.shape
    for i in range(n):
        total = np.float32(0)
        for m in range(M):
            total += table[m, codes[i, m]]
        out[i] = total


@njit
def search(state, scratch, q, ids, dists):
    """The ids.size vectors nearest to q, nearest first; id -1 at distance inf where n is less."""
    codes = state[1]
    n, M = codes.shape
    distance_table(state, q, scratch)
    last = ids.size - 1
    ids[:] = -1
    dists[:] = np.inf
    for i in range(n):
        total = np.float32(0)
        for m in range(M):
            total += scratch[m, codes[i, m]]
        if total < dists[last]:
            at = last
            while at > 0 and dists[at - 1] > total:
                dists[at] = dists[at - 1]
                ids[at] = ids[at - 1]
                at -= 1
            dists[at] = total
            ids[at] = i
