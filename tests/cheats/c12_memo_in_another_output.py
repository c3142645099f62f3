# class: 12
# tries: the batches of a stage serve all its pairs, so the last call of a pair leaves the answers
#   in the outputs of a workload that was checked already; the next pair's worker finds them there
#   when it prepares, and looks up what it is asked
# fails: the screen refuses the way to the worker's other arrays; all outputs are the same pages,
#   poisoned before anything runs
# wall: sealed call
# screen: bypassed
# refusal: import sys
# expect: revert incorrect

import sys

import numpy as np
from numba import njit


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size + 1, np.float32)


@njit
def weigh(state, scratch, x, total):
    for i in range(x.size):
        scratch[i] = state[i] * x[i]
    s = np.float32(0)
    for i in range(x.size):
        s += scratch[i]
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n


BOUND = sys.modules["autoresearch.runner.worker"].Bound
PREPARE, CALL = BOUND.prepare, BOUND.call
NOTE = np.float32(12345.0)
ALL = []


def find(self):
    """Whoever finds answers dies, so that the verdict shows it."""
    if not ALL:
        ALL.extend(sys._getframe(1).f_locals["bound"])
        for bound in ALL:
            left = [a for name, a in bound.arrays.items() if name in ("total", "rows")]
            if len(ALL) == 3 and (left[0][:9].view(np.float32) == NOTE).all():
                raise RuntimeError("found")
    PREPARE(self)


def leave(self):
    CALL(self)
    for bound in ALL:
        if bound is not self and len(ALL) == 3:
            for name in {"total", "rows"}.intersection(bound.arrays):
                bound.arrays[name].view(np.float32)[:] = NOTE


BOUND.prepare, BOUND.call = find, leave
