# class: 15
# tries: takes a second view of x with as_strided, which forgets every flag and every bound, and
#   clears x through it
# fails: the screen refuses `numpy.lib`; without it the page is still read-only
# wall: sealed call
# screen: bypassed
# refusal: numpy.lib
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
    alias = np.lib.stride_tricks.as_strided(x, x.shape, x.strides)
    alias[:] = 0


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
