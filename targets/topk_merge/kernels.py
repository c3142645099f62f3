"""Sorted runs of (score, id) merged by a heap of their heads, in plain scalar code.

Entry p of a run is (scores[p], ids[p]), and each run rises by score and then by id. Run r lies at
offsets[r] to offsets[r + 1]. Scores are finite and never -0.0.
"""

import numpy as np
from numba import njit

NOTHING = np.uint64(0xFFFFFFFFFFFFFFFF)


@njit
def scratch(limits):
    """Working memory of one thread for up to limits[0] runs and limits[1] entries of a query."""
    return np.empty(limits[0], np.int64), np.empty(limits[0], np.int64)


@njit
def merge_topk(scratch, runs, offsets, scores, ids, best, best_ids):
    """Row q of best f32[nq, k], best_ids u64[nq, k]: the k least entries of runs q * runs to
    (q + 1) * runs, least first; inf and the largest id where there are fewer."""
    for q in range(best.shape[0]):
        bounds = offsets[q * runs : (q + 1) * runs + 1]
        _merge(scratch, bounds, scores, ids, best[q], best_ids[q])


@njit
def merge_all(scratch, offsets, scores, ids, merged, merged_ids):
    """All entries of all runs in one rising row."""
    _merge(scratch, offsets, scores, ids, merged, merged_ids)


@njit
def _merge(scratch, bounds, scores, ids, best, best_ids):
    heads, ends = scratch
    size = 0
    for r in range(bounds.size - 1):
        if bounds[r] < bounds[r + 1]:
            heads[size] = bounds[r]
            ends[size] = bounds[r + 1]
            size += 1
    for at in range(size // 2 - 1, -1, -1):
        _sift(heads, ends, size, at, scores, ids)
    for o in range(best.size):
        if size == 0:
            best[o] = np.inf
            best_ids[o] = NOTHING
            continue
        head = heads[0]
        best[o] = scores[head]
        best_ids[o] = ids[head]
        heads[0] = head + 1
        if heads[0] == ends[0]:
            size -= 1
            heads[0] = heads[size]
            ends[0] = ends[size]
        _sift(heads, ends, size, 0, scores, ids)


@njit
def _sift(heads, ends, size, at, scores, ids):
    """Move the run at `at` down until no run below it has a lesser head."""
    while 2 * at + 1 < size:
        least = 2 * at + 1
        if least + 1 < size and _before(scores, ids, heads[least + 1], heads[least]):
            least += 1
        if not _before(scores, ids, heads[least], heads[at]):
            break
        heads[at], heads[least] = heads[least], heads[at]
        ends[at], ends[least] = ends[least], ends[at]
        at = least


@njit
def _before(scores, ids, p, q):
    return scores[p] < scores[q] or (scores[p] == scores[q] and ids[p] < ids[q])
