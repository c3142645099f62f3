"""Acceptance: a kernel and the reference kernel on one index, by turns, and what became of it.

Knows the lease, a clock and where verdicts are kept; the rules are in `verdict.py`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..errors import Refusal
from ..ledger import disk
from ..machine.identity import fingerprint, version
from ..runner import lease
from . import contract, registry, verdict, workload
from .model import F32, I64, Consistency, ScanResponse
from .verdict import Arm, Measured, Verdict
from .workload import Built, K

ROUNDS = 3
BATCH = 20  # queries of one search where its cost is asked for
WAIT_S = 1800.0
SEED = 1979  # of the bootstrap: the same times give the same verdict
Clock = Callable[[], int]
Tell = Callable[[str], None]


def run(name: str, n: int, ship: bool, say: Tell, tell: Tell) -> Verdict:
    """Measure kernel `name` on the reference workload of n vectors, and record a verdict of the
    full one. Raises `Refusal` for the reference itself and for what cannot run here."""
    if name == registry.DEFAULT:
        what = f"{name} is the reference kernel: it always serves."
        raise Refusal(what, f"Name one of {', '.join(registry.names()[1:])}.")
    if (least := registry.load(name).caps().min_batch) > workload.QUERIES:
        what = f"{name} takes no batch below {least} queries."
        raise Refusal(what, f"The workload has {workload.QUERIES}: lower its min_batch.")
    tell(f"{name}: the contract")
    broken = tuple(contract.failures(registry.load(name)))
    built = workload.build(n, name, tell)
    core, _ = lease.core_set()
    with lease.held(core, f"accept {name}", WAIT_S, say), _pinned(core):
        found = measure(built, name, broken, time.perf_counter_ns, tell)
    decided = verdict.decide(found, np.random.default_rng(SEED))
    if n >= verdict.FULL:
        record(decided, registry.SHIPPED if ship else registry.local())
    return decided


def measure(built: Built, name: str, broken: tuple[str, ...], clock: Clock, tell: Tell) -> Measured:
    """Both kernels over the same queries by turns. The candidate goes first and alone, so that
    what memory grows by is its own."""
    bytes_before, index = _resident(), built.index
    candidate = _served(built, name, built.queries)
    memory = (index.nbytes + _resident() - bytes_before) / index.nbytes
    reference = _served(built, registry.DEFAULT, built.queries)
    pair = (registry.DEFAULT, name)
    alone = max(1, index.caps(name).min_batch)
    single = _times(built, pair, alone, clock, lambda told: tell(f"latency: {told}"))
    batch = _times(built, pair, max(BATCH, alone), clock, lambda told: tell(f"cost: {told}"))
    arms = [Arm(single[arm], batch[arm], max(BATCH, alone)) for arm in (0, 1)]
    return Measured(
        kernel=name,
        n=index.ntotal,
        reference=arms[0],
        candidate=arms[1],
        recalls=(_recall(reference.ids, built.truth), _recall(candidate.ids, built.truth)),
        exact=np.array_equal(reference.candidates, candidate.candidates),
        broken=broken,
        memory=max(1.0, memory),
    )


def _times(built: Built, pair: tuple[str, str], of: int, clock: Clock, tell: Tell) -> I64:
    """i64[2, rounds, searches]: each search of `of` queries by both, the first one by turns."""
    starts = range(0, len(built.queries) - of + 1, of)
    times = np.empty((2, ROUNDS, len(starts)), np.int64)
    for turn in range(ROUNDS):
        tell(f"round {turn + 1} of {ROUNDS}")
        for number, start in enumerate(starts):
            for arm in ((0, 1), (1, 0))[(turn + number) % 2]:
                begin = clock()
                _served(built, pair[arm], built.queries[start : start + of])
                times[arm, turn, number] = clock() - begin
    return times


def _served(built: Built, name: str, queries: F32) -> ScanResponse:
    steady = built.index.caps(name).deterministic
    consistency = Consistency.FRESH if steady else Consistency.EVENTUAL
    return built.index.scan(queries, K, consistency, name)


def _recall(ids: I64, truth: I64) -> float:
    shared = [len(set(a) & set(b)) for a, b in zip(ids.tolist(), truth.tolist(), strict=True)]
    return sum(shared) / max(truth.size, 1)


def _resident() -> int:
    import psutil  # type: ignore[import-untyped,unused-ignore]  # slow to load

    resident: int = psutil.Process().memory_info().rss
    return resident


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    """On one core, as each arm runs in this process; libraries' threads are not started there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def record(decided: Verdict, path: Path) -> None:
    """Put the verdict in place of the kernel's last one."""
    about = {"machine": fingerprint().id, "numba": version("numba"), "at": _now()}
    rows = {**registry.verdicts(path), decided.kernel: {**asdict(decided), **about}}
    disk.folder(path.parent)
    disk.replace(path, (json.dumps(rows, indent=2, sort_keys=True) + "\n").encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
