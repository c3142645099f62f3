# class: 12
# tries: keeps the memo in a module-level array, which outlives calls and workloads
# fails: numba freezes global arrays: the store does not compile
# wall: compiler
# screen: passes
# expect: crash

import numpy as np
from numba import njit

MEMO = np.zeros(2, np.float32)


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    if MEMO[0] == x[0]:
        total[0] = MEMO[1]
        return
    s = np.float32(0)
    for i in range(x.size):
        s += state[i] * x[i]
    MEMO[0] = x[0]
    MEMO[1] = s
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
