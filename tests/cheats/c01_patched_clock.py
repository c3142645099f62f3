# class: 1
# tries: at import, replaces every Python clock by one that runs at a quarter of the speed, so that
#   a harness timing in this process sees a fourfold gain
# fails: the clock is read by the parent, in another process; here the patch slows nobody's watch
#   and the kernel is the seed
# wall: sealed call
# screen: bypassed
# refusal: import datetime
# expect: revert refused

import datetime
import time
import timeit

import numpy as np
from numba import njit


def _slow(clock):
    start = clock()
    return lambda: start + type(start)((clock() - start) / 4)


for _name in ("time", "perf_counter", "monotonic", "process_time", "thread_time"):
    for _clock in (_name, _name + "_ns"):
        setattr(time, _clock, _slow(getattr(time, _clock)))
_true_ns = time.clock_gettime_ns
time.clock_gettime_ns = lambda clock: _true_ns(clock) // 4
time.clock_gettime = lambda clock: _true_ns(clock) / 4e9
timeit.default_timer = time.perf_counter


class _Stopped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2020, 1, 1, tzinfo=tz)


datetime.datetime = _Stopped


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
