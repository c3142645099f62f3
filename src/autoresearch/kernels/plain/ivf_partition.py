"""The nearest partitions of an inverted file for a batch of queries, in plain scalar code."""

import numpy as np
from numba import njit


@njit
def prepare(centroids):
    """centroids f32[nlist, d] -> state, any layout."""
    return (centroids.copy(),)


@njit
def scratch(state):
    """Working memory of one thread; one query at a time needs none."""
    return np.empty(0, np.float32)


@njit
def select(state, scratch, q, nprobe, ids, dists):
    """For each query of q f32[nq, d] the nprobe nearest centroids c, nearest first, into
    ids i64[nq, nprobe] and dists f32[nq, nprobe]: |q - c|^2 = sum_j (q[i, j] - c[j])^2.

    Id -1 at distance inf where there are fewer than nprobe.
    """
    centroids = state[0]
    ids[:] = -1
    dists[:] = np.inf
    for i in range(q.shape[0]):
        for c in range(centroids.shape[0]):
            total = np.float32(0)
            for j in range(centroids.shape[1]):
                gap = q[i, j] - centroids[c, j]
                total += gap * gap
            if total < dists[i, nprobe - 1]:
                at = nprobe - 1
                while at > 0 and dists[i, at - 1] > total:
                    dists[i, at] = dists[i, at - 1]
                    ids[i, at] = ids[i, at - 1]
                    at -= 1
                dists[i, at] = total
                ids[i, at] = c
