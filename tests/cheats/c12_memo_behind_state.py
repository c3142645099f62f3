# class: 12
# tries: `prepare` hides a memo beside the weights in the state, which every worker shares; the memo
#   answers when the first value of x repeats
# fails: a state is made anew in every worker and inputs are never repeated
# wall: sealed call
# screen: passes
# expect: revert incorrect

import numpy as np
from numba import njit


@njit
def prepare(weights):
    return weights.copy(), np.zeros(2, np.float32)


@njit
def scratch(state):
    return np.empty(state[0].size, np.float32)


@njit
def weigh(state, scratch, x, total):
    weights, memo = state
    if memo[0] == x[0]:
        total[0] = memo[1]
        return
    for i in range(x.size):
        scratch[i] = weights[i] * x[i]
    s = np.float32(0)
    for i in range(x.size):
        s += scratch[i]
    memo[0], memo[1] = x[0], s
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
