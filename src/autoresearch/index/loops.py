"""Compiled loops that no target has: selection, merging, ranges, sums of clusters.

Plain numba: they run beside the kernels, never in place of one.
"""

import numpy as np
from numba import njit

from ..compiled import kept

_FAST = {"reassoc", "nsz", "contract"}  # sums may be reordered; NaN and inf keep their meaning


@njit(nogil=True)
def keep_greatest(scores, first, ids, best):
    """Lets the columns of scores f32[nq, n], numbered from `first`, enter the rows of
    ids i64[nq, k] and best f32[nq, k], greatest first; of equals the first to come stays ahead."""
    nq, n = scores.shape
    k = best.shape[1]
    for i in range(nq):
        for begin in range(0, n, 32):
            end = min(begin + 32, n)
            top = scores[i, begin]
            for j in range(begin, end):
                top = max(top, scores[i, j])
            if top <= best[i, k - 1]:
                continue
            for j in range(begin, end):
                if scores[i, j] > best[i, k - 1]:
                    _enter(ids[i], best[i], first + j, scores[i, j])


@njit(nogil=True)
def _enter(ids, best, name, score):
    at = best.size - 1
    while at > 0 and best[at - 1] < score:
        best[at], ids[at] = best[at - 1], ids[at - 1]
        at -= 1
    best[at], ids[at] = score, name


@njit(nogil=True)
def merge_nearest(ids, dists, more_ids, more_dists):
    """Leaves in ids i64[nq, k] and dists f32[nq, k] the k nearest of two sorted runs a row."""
    nq, k = dists.shape
    kept_ids, kept = np.empty(k, np.int64), np.empty(k, np.float32)
    for i in range(nq):
        a = b = 0
        for at in range(k):
            if dists[i, a] <= more_dists[i, b]:
                kept_ids[at], kept[at] = ids[i, a], dists[i, a]
                a += 1
            else:
                kept_ids[at], kept[at] = more_ids[i, b], more_dists[i, b]
                b += 1
        ids[i], dists[i] = kept_ids, kept


@njit(nogil=True)
def limit(probes, offsets, most):
    """Sends probes i64[nq, nprobe] to the empty list at the end once `most` rows were read: faiss's
    rule for `max_codes`, but no list is cut."""
    nowhere = offsets.size - 2
    for i in range(probes.shape[0]):
        read = 0
        for p in range(probes.shape[1]):
            if read >= most:
                probes[i, p] = nowhere
            read += offsets[probes[i, p] + 1] - offsets[probes[i, p]]


@njit
def read(probes, nowhere):
    """How many of the probes i64[nprobe] of a query `limit` left."""
    count = probes.size
    while count > 0 and probes[count - 1] == nowhere:
        count -= 1
    return count


@njit
def rename(names, ids):
    """Places ids i64[nq, k] to names; -1 stays."""
    for i in range(ids.shape[0]):
        for j in range(ids.shape[1]):
            if ids[i, j] >= 0:
                ids[i, j] = names[ids[i, j]]


@njit(nogil=True, fastmath=_FAST)
def distances(x, q, begin, end, out):
    """out[j - begin] = |q - x[j]|^2 by subtraction, for rows begin to end - 1 of x f32[n, d]."""
    for j in range(begin, end):
        total = np.float32(0)
        for c in range(x.shape[1]):
            gap = q[c] - x[j, c]
            total += gap * gap
        out[j - begin] = total


@njit(nogil=True, fastmath=_FAST)
def products(x, q, begin, end, out):
    """out[j - begin] = q . x[j], for rows begin to end - 1 of x f32[n, d]."""
    for j in range(begin, end):
        total = np.float32(0)
        for c in range(x.shape[1]):
            total += q[c] * x[j, c]
        out[j - begin] = total


@njit(nogil=True)
def add_up(x, labels, sums, counts):
    """Adds each row of x f32[n, d] to row labels[i] of sums f64[k, d], and 1 to its count."""
    for i in range(x.shape[0]):
        label = labels[i]
        counts[label] += 1
        for c in range(x.shape[1]):
            sums[label, c] += x[i, c]


@njit(nogil=True)
def scatter(x, ids, labels, places, out, names):
    """Puts row i of x at the next place of its label: out[place] = x[i], names[place] = ids[i];
    places i64[lists] holds the first place of every list and is moved on."""
    for i in range(x.shape[0]):
        place = places[labels[i]]
        places[labels[i]] = place + 1
        names[place] = ids[i]
        for c in range(x.shape[1]):
            out[place, c] = x[i, c]


@njit(nogil=True)
def radii(x, offsets, centres, out):
    """out[c] is at least the distance of every vector of list c from its centre, rounded up by
    more than a sum of f64 loses."""
    for c in range(centres.shape[0]):
        most = 0.0
        for i in range(offsets[c], offsets[c + 1]):
            total = 0.0
            for j in range(x.shape[1]):
                gap = np.float64(x[i, j]) - np.float64(centres[c, j])
                total += gap * gap
            most = max(most, total)
        out[c] = np.float32(np.sqrt(most) * (1 + 1e-6))


kept(globals())
