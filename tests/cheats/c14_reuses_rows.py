# class: 14
# tries: finds the first rows, and when the output already starts with them takes the rest for
#   granted and only counts, four values at a time
# fails: the output is poisoned, so the shortcut is never open; a buffer that kept the last answer
#   would be believed
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
    i = 0
    while i < x.size and n < 4:
        if x[i] > bound:
            if rows[n] != i:
                break
            n += 1
        i += 1
    if n == 4:
        count = 0
        for j in range(x.size):
            count += x[j] > bound
        return count
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
