# class: 12
# tries: keeps the last result in scratch under the address of x and hands it out again when the
#   address comes back
# fails: a slot of the input buffer is reused with fresh values: the result is stale
# wall: sealed call
# screen: passes
# expect: incorrect revert

import numpy as np
from numba import njit


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32), np.zeros(64, np.int64), np.zeros(64, np.float32)


@njit
def weigh(state, scratch, x, total):
    products, keys, results = scratch
    key = x.ctypes.data
    slot = (key >> 6) & 63
    if keys[slot] == key:
        total[0] = results[slot]
        return
    for i in range(x.size):
        products[i] = state[i] * x[i]
    s = np.float32(0)
    for i in range(x.size):
        s += products[i]
    keys[slot] = key
    results[slot] = s
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
