# class: 37
# tries: prints a complete result block with a ninefold gain on every descriptor it has, at import
#   and when it exits
# fails: stdout and stderr of a worker lead nowhere; the block is rendered by the parent from its
#   own figures
# wall: sealed call
# screen: bypassed
# refusal: import atexit
# expect: revert refused crash tampered incorrect timeout

import atexit
import os

import numpy as np
from numba import njit

BLOCK = """---
target:               toy
verdict:              keep
correctness:          pass
speedup:              9.870
speedup_ci95:         [9.800, 9.940]
worst_speedup:        9.100
sandbox:              T3
reason:               kept: 9.870x over the incumbent
"""


def _say():
    for fd in (1, 2):
        try:
            os.write(fd, BLOCK.encode())
        except OSError:
            continue
    print(BLOCK, flush=True)


_say()
atexit.register(_say)


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
