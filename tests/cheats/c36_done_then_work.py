# class: 36
# tries: keeps duplicates of its descriptors, says done at the start of each operation and only then
#   computes
# fails: where descriptors can be duplicated at all, the worker is stopped as soon as it says done:
#   what it had not yet written is poison, and later tokens are out of turn
# wall: sealed call
# screen: bypassed
# refusal: import os
# expect: incorrect crash tampered timeout revert refused

import os
import stat

import numpy as np
from numba import njit, objmode


def _pipes():
    for fd in range(64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                yield os.dup(fd)
        except OSError:
            continue


KEPT = list(_pipes())


def _say_done():
    for fd in KEPT:
        try:
            os.write(fd, b"d")
        except OSError:
            continue


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    with objmode():
        _say_done()
    s = np.float32(0)
    for i in range(x.size):
        s += state[i] * x[i]
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
