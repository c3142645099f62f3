# class: 20
# tries: leaves in its cache what a harness that reads it may stumble over: a name that is no text,
#   and an object file that refers beyond its own end
# fails: the screen refuses the way to files; a builder leaves plain files with numba's names, not
#   too large, or it was none, and of an object that cannot be read nothing is the same
# wall: seal
# screen: bypassed
# refusal: import os
# expect: crash

import os

import numpy as np
from numba import njit

CACHE = os.path.join(os.getcwd().encode(), b"cache")


def leave(name, data):
    try:
        with open(os.path.join(CACHE, name), "wb") as file:
            file.write(data)
    except OSError:
        pass


leave(b"\xff.nbc", b"")
leave(b"drive_weigh.drive-0.py311.1.nbc", b"\x7fELF" + b"\xff" * 100)


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size + 1, np.float32)


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
