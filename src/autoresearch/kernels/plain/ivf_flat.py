"""Exact search among the inverted lists that a coarse step has chosen, in plain scalar code.

Vectors lie list after list: list l holds vectors[offsets[l]] to vectors[offsets[l + 1] - 1], and
vector v is known outside as rows[v].
"""

import numpy as np
from numba import njit


@njit
def prepare(vectors, rows, offsets, centroids):
    """vectors f32[n, d], rows i64[n] (each of 0 to n - 1 once), offsets i64[nlist + 1] from 0 to n,
    centroids f32[nlist, d] -> state, any layout."""
    return vectors.copy(), rows.copy(), offsets.copy(), centroids.copy()


@njit
def scratch(state):
    """Working memory of one thread; one query at a time needs none."""
    return np.empty(0, np.float32)


@njit
def search(state, scratch, q, probes, ids, dists):
    """For each query of q f32[nq, d] the ids.shape[1] nearest vectors in the lists of its row of
    probes i64[nq, nprobe], all different, nearest first; id -1 at distance inf where fewer exist:
    |q - x|^2 = sum_j (q[i, j] - x[j])^2."""
    search_capped(state, scratch, q, probes, 0, ids, dists)


@njit
def search_capped(state, scratch, q, probes, max_codes, ids, dists):
    """As search, among the first max_codes vectors in the order of the probes; 0 is no limit. A
    list that the limit falls into is cut there, as by faiss' IndexIVF::search_preassigned."""
    vectors, rows, offsets, _ = state
    last = ids.shape[1] - 1
    ids[:] = -1
    dists[:] = np.inf
    for i in range(q.shape[0]):
        left = max_codes if max_codes > 0 else vectors.shape[0]
        for p in range(probes.shape[1]):
            begin = offsets[probes[i, p]]
            end = min(offsets[probes[i, p] + 1], begin + left)
            left -= end - begin
            for v in range(begin, end):
                total = np.float32(0)
                for j in range(q.shape[1]):
                    gap = q[i, j] - vectors[v, j]
                    total += gap * gap
                if total < dists[i, last]:
                    at = last
                    while at > 0 and dists[i, at - 1] > total:
                        dists[i, at] = dists[i, at - 1]
                        ids[i, at] = ids[i, at - 1]
                        at -= 1
                    dists[i, at] = total
                    ids[i, at] = rows[v]
