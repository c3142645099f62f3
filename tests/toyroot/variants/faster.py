"""Two accumulators, and a selection without a branch."""

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
    a = np.float32(0)
    b = np.float32(0)
    for i in range(0, x.size - 1, 2):
        a += state[i] * x[i]
        b += state[i + 1] * x[i + 1]
    if x.size % 2:
        a += state[x.size - 1] * x[x.size - 1]
    total[0] = a + b


@njit
def select(x, bound, rows):
    """rows[:n] = the rising i with x[i] > bound; returns n."""
    n = 0
    for i in range(x.size):
        rows[n] = i
        n += x[i] > bound
    return n
