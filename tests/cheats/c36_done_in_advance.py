# class: 36
# tries: fills every pipe it holds with the byte that says a call is done, so that the parent finds
#   each call finished before it began
# fails: a done edge without the output is worth nothing: the stop is confirmed, then the output is
#   compared, and a token nobody asked for is itself an offence
# wall: sealed call
# screen: bypassed
# refusal: import os
# expect: incorrect crash tampered timeout

import os
import stat

import numpy as np
from numba import njit


def _fill(fd):
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.write(fd, b"d" * 2000)
    except OSError:
        return


for _fd in range(64):
    _fill(_fd)


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
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
