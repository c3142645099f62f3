"""How quiet one core is just now: one piece of work timed over and over, and what disturbed it.

Knows clocks and /proc; nothing of kernels or verdicts.
"""

from __future__ import annotations

import hashlib
import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .files import text

SPIN = bytes(1 << 18)  # hashing it takes 0.1 to 1 ms, in registers and L2
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Noise:
    """One self-test: how the same work varied, and what the kernel counted meanwhile."""

    core: int
    spins: int
    spread: float  # 95th percentile over the median, less one
    worst: float  # the slowest over the median, less one
    switches: int  # involuntary
    delay_ns: int  # waiting in the run queue
    steal_ns: int  # taken by the hypervisor


@dataclass(frozen=True, slots=True)
class Disturbances:
    """Counters that only grow, read before and after."""

    switches: int
    delay_ns: int
    steal_ns: int


def noise(core: int, seconds: float = 0.5, root: Path = Path("/")) -> Noise:
    """Spin on `core` for so long; the caller's own affinity is put back afterwards."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        before = disturbances(root, core)
        times = spins(seconds)
        after = disturbances(root, core)
    finally:
        os.sched_setaffinity(0, allowed)
    return summary(core, times, before, after)


def spins(seconds: float, clock: Callable[[], int] = time.perf_counter_ns) -> list[int]:
    """Nanoseconds of each spin, at least two of them."""
    times: list[int] = []
    end = clock() + int(seconds * 1e9)
    while len(times) < 2 or clock() < end:
        start = clock()
        hashlib.sha256(SPIN)
        times.append(clock() - start)
    return times


def summary(core: int, times: list[int], before: Disturbances, after: Disturbances) -> Noise:
    median = statistics.median(times)
    late = statistics.quantiles(times, n=20, method="inclusive")[-1]
    return Noise(
        core=core,
        spins=len(times),
        spread=late / median - 1,
        worst=max(times) / median - 1,
        switches=after.switches - before.switches,
        delay_ns=after.delay_ns - before.delay_ns,
        steal_ns=after.steal_ns - before.steal_ns,
    )


def disturbances(root: Path, core: int) -> Disturbances:
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    return Disturbances(switches, run_queue_ns(root), steal_ns(root, core))


def run_queue_ns(root: Path) -> int:
    """The second figure of schedstat: how long this process was ready and not running."""
    words = text(root, "proc/self/schedstat").split()
    return int(words[1]) if len(words) == 3 else 0


def steal_ns(root: Path, core: int | None = None) -> int:
    """The eighth figure of a cpu line of /proc/stat, of one core or (None) of all."""
    name = "cpu" if core is None else f"cpu{core}"
    for line in text(root, "proc/stat").splitlines():
        words = line.split()
        if words[0] == name and len(words) > 8:
            return int(words[8]) * TICK_NS
    return 0
