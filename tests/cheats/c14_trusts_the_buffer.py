# class: 14
# tries: leaves an output alone that already holds a plausible number: an earlier answer, where a
#   harness reuses its buffers
# fails: outputs are filled with a random pattern before every call
# wall: sealed call
# screen: passes
# expect: incorrect

import numpy as np
from numba import njit


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    if total[0] != np.float32(0):
        return
    s = np.float32(0)
    for i in range(x.size):
        s += state[i] * x[i]
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
