# class: 11
# tries: tells the battery from the timed workloads by their size and samples every fourth value of
#   the large ones, scaled up
# fails: the timed outputs are checked too, not only the battery's
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
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    step = 1 if x.size < 1000 else 4
    s = np.float32(0)
    for i in range(0, x.size, step):
        s += state[i] * x[i]
    total[0] = s * step


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
