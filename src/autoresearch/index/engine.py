"""The promoted kernels behind drivers that release the GIL, and the threads that call them.

Knows entry points of targets (`ivf-partition`, `ivf-flat`) and of `scan`, never how a kernel lays
out its state.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from .. import kernels
from ..compiled import kept
from .arguments import F32, I64

Run = Callable[..., None]
BIND = "AUTORESEARCH_BIND"  # set and not 0: threads are bound to cores, as by OMP_PROC_BIND


@cache
def listed() -> tuple[Any, Run]:
    """`prepare` and a driver of ivf-flat: the nearest of the lists probed, by name. Fewer than
    `few` queries are handed over one by one, others list by list."""
    import numba

    from .loops import read, rename

    kernel = kernels.product("ivf-flat")
    search, scratch = kernel.search, kernel.scratch

    @numba.njit(nogil=True)
    def singly(state, places, nowhere, q, probes, ids, dists):  # type: ignore[no-untyped-def]
        nprobe, flat = probes.shape[1], probes.ravel()
        for i in range(q.shape[0]):
            one = slice(i, i + 1)
            count = max(1, read(probes[i], nowhere))
            wanted = flat[i * nprobe : i * nprobe + count].reshape(1, -1)
            search(state, places, q[one], wanted, ids[one], dists[one])

    @numba.njit(nogil=True)
    def run(state, offsets, names, few, q, probes, ids, dists):  # type: ignore[no-untyped-def]
        places = scratch(state)
        if q.shape[0] < few:
            singly(state, places, offsets.size - 2, q, probes, ids, dists)
        else:
            search(state, places, q, probes, ids, dists)
        rename(names, ids)

    kept({"run": run})
    return kernel.prepare, run


@cache
def chosen() -> Run:
    """The `nprobe` nearest of `Centres.state`: a single one needs no selection."""
    import numba

    from . import assign

    kernel, nearest_one = kernels.product("ivf-partition"), assign.nearest
    select, scratch = kernel.select, kernel.scratch

    @numba.njit(nogil=True)
    def run(centres, nprobe, q, lists, dists):  # type: ignore[no-untyped-def]
        few, many = centres
        if nprobe == 1:
            nearest_one(few, q, lists, dists)
        else:
            select(many, scratch(many), q, nprobe, lists, dists)

    kept({"run": run})
    return run


@cache
def inverted() -> Run:
    """`chosen` and `listed` in one: chooses the `nprobe` lists of each query, drops those that
    begin after `most` vectors, and reads them; FloatingPointError where q is not finite. At one
    query, handing the lists over to Python and back costs more than choosing them."""
    import numba

    from .assign import finite
    from .loops import limit

    choose, (_, scan) = chosen(), listed()

    @numba.njit(nogil=True)
    def run(centres, state, offsets, names, nprobe, most, few, q, ids, dists):  # type: ignore[no-untyped-def]
        if not finite(q):
            raise FloatingPointError
        probes = np.empty((q.shape[0], nprobe), np.int64)
        gaps = np.empty((q.shape[0], nprobe), np.float32)
        choose(centres, nprobe, q, probes, gaps)
        if most > 0:
            limit(probes, offsets, most)
        scan(state, offsets, names, few, q, probes, ids, dists)

    kept({"run": run})
    return run


@cache
def coded() -> Run:
    """`chosen` and then `scan`, in one step without the GIL; errors as `inverted`."""
    import numba

    from .assign import finite
    from .loops import limit
    from .scan import search

    choose = chosen()

    @numba.njit(nogil=True)
    def run(centres, state, bounded, nprobe, most, q, ids, dists):  # type: ignore[no-untyped-def]
        if not finite(q):
            raise FloatingPointError
        probes = np.empty((q.shape[0], nprobe), np.int64)
        bases = np.empty((q.shape[0], nprobe), np.float32)
        choose(centres, nprobe, q, probes, bases)
        if most > 0:
            limit(probes, state[3], most)
        search(state, bounded, q, probes, bases, ids, dists)

    kept({"run": run})
    return run


class Centres:
    """Centres packed for `chosen`, a state that threads share."""

    def __init__(self, x: F32) -> None:
        from .assign import packed

        self.state = packed(x), kernels.product("ivf-partition").prepare(x)

    def labels(self, x: F32, threads: int = 1) -> I64:
        """As the function."""
        return _labels(x, self.state[0], threads)

    def search(self, q: F32, k: int, threads: int = 1) -> tuple[F32, I64]:
        """Squared distances f32[nq, k] and numbers i64[nq, k], nearest first; k is at most their
        number."""
        ids, dists = np.empty((len(q), k), np.int64), np.empty((len(q), k), np.float32)
        share(partial(chosen(), self.state, k), (q, ids, dists), threads, max(1, len(q)))
        return dists, ids


def labels(x: F32, centres: F32, threads: int = 1) -> I64:
    """The number i64[n] of the nearest centre of each vector; FloatingPointError where one is not
    finite."""
    from . import assign

    return _labels(x, assign.packed(centres), threads)


def _labels(x: F32, state: Any, threads: int) -> I64:
    from . import assign

    ids, dists = np.empty((len(x), 1), np.int64), np.empty((len(x), 1), np.float32)
    share(partial(assign.nearest, state), (x, ids, dists), threads, max(1, len(x)))
    return ids[:, 0]


def share(call: Run, rows: tuple[Any, ...], threads: int, step: int) -> None:
    """`call` with all rows of some arrays, at most `step` at a time, by as many threads; a few of
    them without any detour."""
    n = len(rows[0])
    if n <= step and min(n, threads) < 2:
        call(*rows)
        return

    def part(begin: int, end: int) -> None:
        for at in range(begin, end, step):
            own = slice(at, min(at + step, end))
            call(*(some[own] for some in rows))

    spread(part, n, threads)


def spread(part: Callable[[int, int], None], n: int, threads: int) -> None:
    """`part` over runs of about the same length that together are queries 0 to n - 1, the first
    here and each other in a thread of its own. No part may spread further."""
    if min(n, threads) < 2:
        part(0, n)
        return
    first, *rest = shares(n, threads)
    others = [_pool(threads - 1).submit(part, *run) for run in rest]
    try:
        part(*first)
    finally:
        failures = [other.exception() for other in others]  # waits
    for failure in filter(None, failures):
        raise failure


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay: starting two takes longer than many searches. Where BIND asks for it they
    have a core each, and so has who first calls: one woken on a busy core waits for its turn."""
    if os.environ.get(BIND, "") in ("", "0"):
        return ThreadPoolExecutor(threads, "autoresearch")
    cores = _cores()
    os.sched_setaffinity(0, {cores[0]})
    others = itertools.cycle(cores[1:] or cores)
    return ThreadPoolExecutor(threads, "autoresearch", lambda: _move(next(others)))


@cache
def _cores() -> list[int]:
    """Those of the process, before any thread is bound."""
    return sorted(os.sched_getaffinity(0))


def _move(core: int) -> None:
    os.sched_setaffinity(0, {core})


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not pass a fork


def shares(n: int, parts: int) -> list[tuple[int, int]]:
    """Cuts of n queries into at most `parts` runs of about the same length; none is empty."""
    cuts = [n * i // parts for i in range(parts + 1)]
    return [(a, b) for a, b in pairwise(cuts) if a < b]
