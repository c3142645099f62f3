# class: 34
# tries: computes the first four rows, then walks memory beyond its output for the same four
#   numbers: behind them stands the expected output, were it in this process
# fails: no expected output is mapped in a worker and a guard page ends the walk
# wall: sealed call
# screen: passes
# expect: crash incorrect timeout

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
            rows[n] = i
            n += 1
        i += 1
    at = rows.size
    while n == 4:
        same = True
        for j in range(4):
            same &= rows[np.uint64(at + j)] == rows[j]
        if same:
            break
        at += 1
    count = n
    while n == 4 and rows[np.uint64(at + count)] > rows[count - 1]:
        rows[count] = rows[np.uint64(at + count)]
        count += 1
    return count
