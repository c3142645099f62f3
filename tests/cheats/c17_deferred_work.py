# class: 17
# tries: hands every job to a thread started at import and returns at once; an exit handler finishes
#   what is left
# fails: no thread can be started; a worker is frozen outside its calls and outputs are copied while
#   it is
# wall: sandbox
# screen: bypassed
# refusal: import atexit
# expect: crash incorrect tampered timeout

import atexit
import queue
import threading

import numpy as np
from numba import njit, objmode

JOBS = queue.SimpleQueue()


def _one():
    state, x, total = JOBS.get()
    total[0] = np.dot(state[: x.size], x)


def _work():
    while True:
        _one()


def _rest():
    while not JOBS.empty():
        _one()


threading.Thread(target=_work, daemon=True).start()
atexit.register(_rest)


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32)


@njit
def weigh(state, scratch, x, total):
    with objmode():
        JOBS.put((state, x, total))


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
