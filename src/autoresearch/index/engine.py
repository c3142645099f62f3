"""The promoted kernels behind drivers that release the GIL, and the threads that call them.

Knows entry points of targets (`ivf-partition`, `ivf-flat`) and of `scan`, never how a kernel lays
out its state.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from .. import kernels
from ..model import FloatArray
from .arguments import F32, I64

Run = Callable[..., None]


@cache
def nearest() -> tuple[Any, Any, Run]:
    """`prepare`, `scratch` and a driver of ivf-partition: exact nearest rows among all."""
    import numba

    kernel = kernels.product("ivf-partition")
    select = kernel.select

    @numba.njit(nogil=True)
    def run(state, scratch, q, k, ids, dists):  # type: ignore[no-untyped-def]
        select(state, scratch, q, k, ids, dists)

    return kernel.prepare, kernel.scratch, run


@cache
def listed() -> tuple[Any, Any, Run]:
    """`prepare`, `scratch` and a driver of ivf-flat: exact nearest rows of the lists probed. The
    driver's `alone` hands the queries over one by one instead of list by list."""
    import numba

    kernel = kernels.product("ivf-flat")
    search = kernel.search

    @numba.njit(nogil=True)
    def run(state, scratch, q, probes, alone, ids, dists):  # type: ignore[no-untyped-def]
        if not alone:
            search(state, scratch, q, probes, ids, dists)
            return
        for i in range(q.shape[0]):
            one = slice(i, i + 1)
            search(state, scratch, q[one], probes[one], ids[one], dists[one])

    return kernel.prepare, kernel.scratch, run


@cache
def coded() -> Run:
    """A driver of ivf-partition and then of `scan`, in one step without the GIL."""
    import numba

    from .loops import limit
    from .scan import search

    select = kernels.product("ivf-partition").select

    @numba.njit(nogil=True)
    def run(coarse, scratch, state, bounded, nprobe, most, q, ids, dists):  # type: ignore[no-untyped-def]
        probes = np.empty((q.shape[0], nprobe), np.int64)
        bases = np.empty((q.shape[0], nprobe), np.float32)
        select(coarse, scratch, q, nprobe, probes, bases)
        if most > 0:
            limit(probes, state[3], most)
        search(state, bounded, q, probes, bases, ids, dists)

    return run


class Rows:
    """Vectors packed for `nearest`; threads share the state and each has its own scratch."""

    def __init__(self, x: F32) -> None:
        prepare, self.scratch, self.run = nearest()
        self.state = prepare(x)

    def search(self, q: F32, k: int, threads: int = 1) -> tuple[F32, I64]:
        """Squared distances f32[nq, k] and rows i64[nq, k], nearest first; inf and -1 where there
        are fewer."""
        ids, dists = np.empty((len(q), k), np.int64), np.empty((len(q), k), np.float32)

        def part(begin: int, end: int) -> None:
            at = slice(begin, end)
            self.run(self.state, self.scratch(self.state), q[at], k, ids[at], dists[at])

        spread(part, shares(np.ones(len(q)), threads))
        return dists, ids


def shares(costs: FloatArray, parts: int) -> list[tuple[int, int]]:
    """Cuts of the queries into at most `parts` runs of about the same cost; none is empty."""
    if parts == 1 or len(costs) < 2:  # most calls: the sums take longer than a short search
        return [(0, len(costs))] if len(costs) else []
    ends = np.cumsum(costs)
    wanted = ends[-1] * np.arange(1, parts) / parts
    cuts = [0, *np.searchsorted(ends, wanted, side="right").tolist(), len(ends)]
    return [(a, b) for a, b in pairwise(cuts) if a < b]


def spread(part: Callable[[int, int], None], runs: Sequence[tuple[int, int]]) -> None:
    """`part` over every run of queries, the first here and each other in a thread of its own; no
    part may spread further."""
    if len(runs) < 2:
        for run in runs:
            part(*run)
        return
    others = [_pool(len(runs) - 1).submit(part, *run) for run in runs[1:]]
    try:
        part(*runs[0])
    finally:
        failures = [other.exception() for other in others]  # waits
    for failure in filter(None, failures):
        raise failure


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay: starting two takes longer than many searches."""
    return ThreadPoolExecutor(threads, "autoresearch")


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not pass a fork
