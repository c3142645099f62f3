# class: 15
# tries: calls mprotect on the pages of the static array to make them writable, zeroes them and
#   answers zero ever after
# fails: the descriptors behind the map are read-only, so the pages stay so; and the oracle's arrays
#   are its own
# wall: sealed call
# screen: bypassed
# refusal: import ctypes
# expect: crash incorrect tampered

import ctypes

import numpy as np
from numba import njit, objmode


def _clear(array):
    start = array.ctypes.data & ~4095
    size = array.ctypes.data + array.nbytes - start
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), ctypes.c_size_t(size), 3) == 0:
        array[:] = 0


@njit
def prepare(weights):
    with objmode():
        _clear(weights)
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    total[0] = 0


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
