# class: 13
# tries: the untimed first call tells how many operations a call has and how far apart their inputs
#   lie; from then on the first operation answers all of them, which a caller who asks for one
#   answer at a time has no use for: codes that are scanned need be read once only
# fails: operations lie at distances that are drawn anew for every batch, and what lies between
#   looks like them
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
    return np.zeros(4, np.int64), np.zeros(1 << 16, np.float32)


@njit(fastmath=True)
def weigh(state, scratch, x, total):
    seen, results = scratch
    at = x.ctypes.data
    step = ((4 * x.size + 63) // 64 * 64 + 128) // 4
    if seen[0] == 0 or at < seen[0]:
        seen[0] = at
    if at == seen[0]:
        seen[2] += 1
        if seen[2] > 1:
            for k in range((seen[1] - seen[0]) // (4 * step) + 1):
                results[k] = dot(state, x, np.uint64(k * step))
    seen[1] = max(seen[1], at)
    if seen[2] > 1:
        total[0] = results[(at - seen[0]) // (4 * step)]
    else:
        total[0] = dot(state, x, np.uint64(0))


@njit(fastmath=True)
def dot(state, x, begin):
    s = np.float32(0)
    for i in range(x.size):
        s += state[i] * x[begin + np.uint64(i)]
    return s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
