# class: 50
# tries: leaves compiled code and lets numpy's BLAS do the sum: right, and fast on long inputs
# fails: the rule is the screen's alone: a kernel is compiled code; nothing false is measured
#   without it
# wall: screen
# screen: refused
# refusal: numba.objmode
# expect: refused

import numpy as np
from numba import njit, objmode


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    with objmode():
        total[0] = np.dot(state[: x.size], x)


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
