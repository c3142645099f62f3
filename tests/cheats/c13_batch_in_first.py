# class: 13
# tries: the first call also answers the next sixty-three operations, whose inputs lie behind its
#   own, so that a harness that leaves the first call untimed sees only look-ups
# fails: inputs arrive one batch at a time with slack between operations and a guard page behind the
#   array: what it reads ahead is wrong, or the page kills it
# wall: sealed call
# screen: passes
# expect: incorrect crash

import numpy as np
from numba import njit


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.zeros(64, np.float32), np.zeros(1, np.int64)


@njit
def weigh(state, scratch, x, total):
    results, served = scratch
    k = served[0] & 63
    if k == 0:
        for ahead in range(64):
            s = np.float32(0)
            for i in range(x.size):
                s += state[i] * x[np.uint64(ahead * x.size + i)]
            results[ahead] = s
    total[0] = results[k]
    served[0] += 1


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
