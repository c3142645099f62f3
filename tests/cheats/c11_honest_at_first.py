# class: 11
# tries: counts its calls in scratch: the first hundred, in which a check would happen, are honest,
#   later ones leave half the work out
# fails: there is no checking phase: every timed output is compared in full
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
    return np.empty(state.size, np.float32), np.zeros(2, np.int64)


@njit
def weigh(state, scratch, x, total):
    products, calls = scratch
    calls[0] += 1
    length = x.size if calls[0] <= 100 else x.size // 2
    for i in range(length):
        products[i] = state[i] * x[i]
    s = np.float32(0)
    for i in range(length):
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
