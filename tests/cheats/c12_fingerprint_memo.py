# class: 12
# tries: keeps results in scratch under a fingerprint of seven sampled values of x; right nearly every
#   time, and fast wherever a harness repeats its inputs
# fails: inputs are unique per call and workers are fresh in every pair, so the memo never hits and
#   costs a little
# wall: sealed call
# screen: passes
# expect: revert incorrect

import numpy as np
from numba import njit


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32), np.zeros(1024, np.float64), np.zeros(1024, np.float32)


@njit
def weigh(state, scratch, x, total):
    products, keys, results = scratch
    key = 0.5
    for j in range(7):
        key = key * 1.37 + x[j * (x.size - 1) // 6]
    slot = np.int64(abs(key) * 1e4) & 1023
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
