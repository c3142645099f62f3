"""Two small kernels with room above them: a weighted sum and a selection."""

import numpy as np
from numba import njit


@njit
def prepare(weights):
    """weights f32[n] -> state."""
    return weights.copy()


@njit
def scratch(state):
    """Working memory of one thread: f32[n]."""
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    """total[0] = sum_i state[i] * x[i]"""
    for i in range(x.size):
        scratch[i] = state[i] * x[i]
    s = np.float32(0)
    for i in range(x.size):
        s += scratch[i]
    total[0] = s


@njit
def select(x, bound, rows):
    """rows[:n] = the rising i with x[i] > bound; returns n."""
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
