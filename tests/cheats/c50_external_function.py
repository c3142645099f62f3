# class: 50
# tries: declares libc's _exit to numba as an external function, so that compiled code calls it
#   without any import giving it away, and leaves with status zero in mid-call
# fails: the screen refuses the declaration; a worker that ends, however it ends, is a crash
# wall: sealed call
# screen: bypassed
# refusal: numba.types.ExternalFunction
# expect: crash

import numpy as np
from numba import njit, types

_leave = types.ExternalFunction("_exit", types.void(types.int32))


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32), np.zeros(2, np.int64)


@njit
def weigh(state, scratch, x, total):
    products, calls = scratch
    calls[0] += 1
    if calls[0] > 50:
        _leave(0)
    for i in range(x.size):
        products[i] = state[i] * x[i]
    s = np.float32(0)
    for i in range(x.size):
        s += products[i]
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
