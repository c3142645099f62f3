# class: 18
# tries: prepares in the untimed first call what `prepare` may not take the time for, here a third of
#   a second of anything, and is fast in every timed one
# fails: what a single call takes beyond the usual counts as preparation
# wall: sealed call
# screen: passes
# expect: timeout

import numpy as np
from numba import njit


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.zeros(2, np.float64)


@njit(fastmath=True)
def weigh(state, scratch, x, total):
    if scratch[0] == 0:
        scratch[0] = 1
        scratch[1] = build(np.uint64(x.size))
    s = np.float32(0)
    for i in range(x.size):
        s += state[i] * x[i]
    total[0] = s


@njit
def build(v):
    for _ in range(150_000_000):
        v ^= v << np.uint64(13)
        v ^= v >> np.uint64(7)
        v ^= v << np.uint64(17)
    return np.float64(v)


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
