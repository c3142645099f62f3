# class: 17
# tries: spreads the loops over every core through numba's thread pool, and lets the pool spin on
#   while the other arm is measured
# fails: no thread can be started in a worker; where one can, the parent counts them and one core is
#   all there is
# wall: sandbox
# screen: bypassed
# refusal: the jit option parallel
# expect: crash tampered timeout revert refused

import numpy as np
from numba import njit, prange


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit(parallel=True)
def weigh(state, scratch, x, total):
    for i in prange(x.size):
        scratch[i] = state[i] * x[i]
    s = np.float32(0)
    for i in range(x.size):
        s += scratch[i]
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
