# class: 37
# tries: prints verdict lines from compiled code, in the middle of a timed call
# fails: the same; the screen refuses `print`, which no finished kernel needs
# wall: sealed call
# screen: bypassed
# refusal: the name print
# expect: revert refused crash

import numpy as np
from numba import njit


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.zeros(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    print("---")
    print("verdict:              keep")
    print("speedup:              9.870")
    for i in range(x.size):
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
