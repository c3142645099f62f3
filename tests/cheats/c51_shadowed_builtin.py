# class: 51
# tries: runs hidden text by a built-in that is out of bounds: a parameter of a function beside it
#   has its name, so that the name looks like the kernel's own
# fails: the screen asks the compiler's own tables what a name means where it stands; the sandbox
#   lets nothing outside be written
# wall: sandbox
# screen: bypassed
# refusal: the name exec is not available
# expect: revert refused crash

import numpy as np
from numba import njit

CODE = "open(r'@ROOT@/breached', 'w').close()"
RAN = [lambda exec: 0, exec(CODE)]


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
