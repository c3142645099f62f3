# class: 38
# tries: raises after fifty honest calls, for a harness that catches the exception and keeps the
#   times until then
# fails: an exception in a worker is a crash
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
    return np.zeros(1, np.int64)


@njit
def weigh(state, scratch, x, total):
    scratch[0] += 1
    if scratch[0] > 50:
        raise StopIteration
    a = b = np.float32(0)
    for i in range(0, x.size - 1, 2):
        a += state[i] * x[i]
        b += state[i + 1] * x[i + 1]
    if x.size % 2:
        a += state[x.size - 1] * x[x.size - 1]
    total[0] = a + b


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
