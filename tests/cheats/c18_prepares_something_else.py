# class: 18
# tries: leaves the timed code as it is and prepares something else, so that the trial ends before
#   any check: identical machine code needs none, and with a statement less it is kept as simpler
# fails: what Python calls is machine code too: the digest covers prepare and scratch
# wall: machine code
# screen: passes
# expect: incorrect

import numpy as np
from numba import njit


@njit
def prepare(weights):
    """weights f32[n] -> state."""
    return weights[::-1].copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


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
