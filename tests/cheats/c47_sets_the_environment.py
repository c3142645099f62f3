# class: 47
# tries: sets thread counts, compiler flags and preloads in its environment and numba's
#   configuration, and widens its own affinity to every core. A breach is turned into a keep: only
#   then does `weigh` take its fast branch.
# fails: the environment of each process is built from scratch, compilation is over when it would
#   matter, and affinity cannot be set in a worker
# wall: sandbox
# screen: bypassed
# refusal: import os
# expect: revert refused crash tampered

import os

import numba
import numpy as np
from numba import njit

os.environ.update(
    OMP_NUM_THREADS="64",
    NUMBA_NUM_THREADS="64",
    NUMBA_OPT="max",
    NUMBA_BOUNDSCHECK="0",
    NUMBA_CACHE_DIR="@ROOT@",
    LD_PRELOAD="@ROOT@/evil.so",
    PYTHONPATH="@ROOT@",
)
numba.config.reload_config()


def _widened():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, range(1024))
    except (OSError, AttributeError):
        return False
    return os.sched_getaffinity(0) > before


BREACHED = _widened()


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    if BREACHED:
        a = b = np.float32(0)
        for i in range(0, x.size - 1, 2):
            a += state[i] * x[i]
            b += state[i + 1] * x[i + 1]
        if x.size % 2:
            a += state[x.size - 1] * x[x.size - 1]
        total[0] = a + b
    else:
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
