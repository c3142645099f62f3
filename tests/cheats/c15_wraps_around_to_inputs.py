# class: 15
# tries: reaches x through another array: an unsigned index, wrapped around the address space from
#   `total`, stores zeros into it, which no type and no flag forbids
# fails: the page itself is read-only
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
    s = np.float32(0)
    for i in range(x.size):
        s += state[i] * x[i]
    total[0] = s
    away = np.uint64(x.ctypes.data - total.ctypes.data) >> np.uint64(2)
    for i in range(x.size):
        total[away + np.uint64(i)] = 0


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
