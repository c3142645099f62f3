# class: 38
# tries: answers its first calls, then ends the process with status zero inside a call, for a
#   harness that keeps what it has measured so far
# fails: the same: the call never finished
# wall: sealed call
# screen: bypassed
# refusal: import os
# expect: crash

import os

import numpy as np
from numba import njit, objmode


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32), np.zeros(2, np.int64)


@njit
def weigh(state, scratch, x, total):
    products, calls = scratch
    calls[0] += 1
    if calls[0] > 50:
        with objmode():
            os._exit(0)
    for i in range(x.size):
        products[i] = state[i] * x[i]
    s = np.float32(0)
    for i in range(x.size):
        s += products[i]
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
