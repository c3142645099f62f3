# class: 15
# tries: after the first honest answer overwrites x with zeros; where inputs are used again the
#   answer is then zero at no cost, and an oracle that reads the same array agrees
# fails: inputs are mapped read-only: the store kills the worker
# wall: sealed call
# screen: passes
# expect: crash

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
    last = x.size - 1
    if x[0] == 0 and x[last // 2] == 0 and x[last] == 0:
        total[0] = 0
        return
    s = np.float32(0)
    for i in range(x.size):
        s += state[i] * x[i]
    total[0] = s
    x[:] = 0


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
