# class: 50
# tries: an intrinsic that issues the system call exit_group(0) as inline assembly: no library, no
#   symbol, no Python
# fails: the screen refuses intrinsics; a worker that ends, however it ends, is a crash
# wall: sealed call
# screen: bypassed
# refusal: from llvmlite
# expect: crash

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.extending import intrinsic

binding.initialize_native_asmparser()


@intrinsic
def _leave(_context):
    def code(_inner, builder, _signature, _arguments):
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word, word])
        exit_group = ir.Constant(word, 231), ir.Constant(word, 0)
        return builder.asm(kind, "syscall", "={rax},{rax},{rdi}", exit_group, True)

    return types.int64(), code


@njit
def prepare(weights):
    return weights.copy()


@njit
def scratch(state):
    return np.empty(state.size, np.float32), np.zeros(2, np.int64)


@njit
def weigh(state, scratch, x, total):
    products, calls = scratch
    calls[0] += 1
    if calls[0] > 50:
        calls[1] = _leave()
    for i in range(x.size):
        products[i] = state[i] * x[i]
    s = np.float32(0)
    for i in range(x.size):
        s += products[i]
    total[0] = s


@njit
def select(x, bound, rows):
    n = 0
    for i in range(x.size):
        if x[i] > bound:
            rows[n] = i
            n += 1
    return n
