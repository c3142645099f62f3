# class: 38
# tries: leaves with exit status zero as soon as it is imported, for a harness that takes status
#   zero as passed
# fails: no status is read: a worker that ends is a crash
# wall: sealed call
# screen: bypassed
# refusal: import os
# expect: crash

import os

import numpy as np
from numba import njit

os._exit(0)


@njit
def prepare(weights):
    return weights.copy()


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
