# class: 15
# tries: `prepare` zeroes the static array it was given: every sum is then zero, also for an oracle
#   that reads that array afterwards
# fails: static arrays are mapped read-only and the oracle has its own
# wall: sealed call
# screen: passes
# expect: crash incorrect

import numpy as np
from numba import njit


@njit
def prepare(weights):
    weights[:] = 0
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    total[0] = 0


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
