# class: 30
# tries: at every call climbs the frames above it and searches the collector's objects for the
#   expected output, and copies it
# fails: the expected output is in another process, never mapped here, so the output keeps its
#   poison
# wall: sealed call
# screen: bypassed
# refusal: import gc
# expect: incorrect crash timeout

import gc
import sys

import numpy as np
from numba import njit, objmode

NAMES = ("expected", "want", "wanted", "truth", "answer", "reference")


HOLDERS = []


def _candidates():
    frame = sys._getframe()
    while frame:
        yield from (frame.f_locals.get(name) for name in NAMES)
        frame = frame.f_back
    if not HOLDERS:  # the search takes 50 ms: once, and remember where they are kept
        HOLDERS.append({})
        HOLDERS.extend(d for d in gc.get_objects() if type(d) is dict and d.keys() & set(NAMES))
    for holder in HOLDERS:
        yield from (holder.get(name) for name in NAMES)


def _copy_expected(total):
    for found in _candidates():
        if isinstance(found, dict):
            found = found.get("total")
        if isinstance(found, np.ndarray) and found.shape == total.shape:
            total[:] = found
            return


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    with objmode():
        _copy_expected(total)


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
