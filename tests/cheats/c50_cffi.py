# class: 50
# tries: opens the C library through cffi for memory and process calls of its own
# fails: the screen refuses the import, and no such package is readable in a worker
# wall: sandbox
# screen: bypassed
# refusal: import cffi
# expect: crash

import cffi
import numpy as np
from numba import njit

FFI = cffi.FFI()
FFI.cdef("int getppid(void); int kill(int pid, int signal);")
LIBC = FFI.dlopen(None)
KILL, PARENT = LIBC.kill, LIBC.getppid()


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    if KILL(PARENT, 0) == 0:
        total[0] = state[0] * x[0]


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
