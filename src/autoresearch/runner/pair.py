"""One spawn pair: two fresh workers, every workload once per arm and round, everything checked.

Also the battery, which is the same calls without a clock. Knows nothing of verdict rules or git.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ..model import FloatArray, Pair
from ..policy import Policy
from . import sandbox, wire
from .bench import Bench, Stage
from .builds import Build
from .sealed import KernelFault, Worker

INCUMBENT, CANDIDATE = 0, 1
STEP, SPAN = (
    16,
    4096,
)  # bytes: functions are aligned to the one, and displacements repeat at the other


@dataclass(frozen=True, slots=True)
class Measured:
    """A pair and what was seen beside it: ns of `prepare` f64[2, w], with what one call took beyond
    the usual, peak bytes of either arm above the moment it was loaded, and bytes each held after
    preparing everything."""

    pair: Pair
    prepare_ns: FloatArray
    peak_bytes: tuple[int, int]
    prepared_bytes: tuple[int, int]


class ArmFault(KernelFault):
    """A kernel failed in `arm` of a pair."""

    def __init__(self, fault: KernelFault, arm: int) -> None:
        super().__init__(fault.fault.verdict, fault.fault.reason)
        self.arm = arm


class Runner(Bench):
    """A bench that measures: all an experiment needs (tests have one without processes)."""

    def measure(
        self,
        stage: Stage,
        builds: tuple[Build, Build],
        limits: Sequence[float],
        policy: Policy,
        rng: np.random.Generator,
    ) -> Measured:
        """Measure one spawn pair; `limits` are the seconds one call of each workload may take.

        Raises `ArmFault` when a kernel is wrong, slow beyond the limits, or dies.
        """
        shifts = _shifts(rng)
        self.ask("renew", key=stage.key)
        with _spawned(self, stage, builds, shifts, policy, rng) as workers:
            session = _Session(self, stage, workers, limits)
            before = self.canary()
            loaded = _status(workers)
            prepare, first = _warm(session, policy.rounds, rng)
            warm = _status(workers)
            ns = _rounds(session, policy.rounds, rng)
            prepare += _beyond_the_usual(first, ns)
            done = _status(workers)
            void = _void(warm, done, ns, before, self.canary(), policy)
            session.inspect()
            session.sample(policy)
        per_op = ns / np.asarray(stage.operations)
        pair = Pair(per_op[0], per_op[1], shifts, void)
        peak = [d["peak"] - s["resident"] for s, d in zip(loaded, done, strict=True)]
        held = [d["resident"] - s["resident"] for s, d in zip(loaded, warm, strict=True)]
        return Measured(pair, prepare, (peak[0], peak[1]), (held[0], held[1]))

    def battery(self, stage: Stage, build: Build, limits: Sequence[float], policy: Policy) -> None:
        """Run every case of the battery in one worker, twice under different poison.

        Raises `ArmFault` at the first wrong output.
        """
        with self._alone(stage, build, limits, policy, batches=2):
            pass

    def recall(
        self, stage: Stage, build: Build, limits: Sequence[float], policy: Policy
    ) -> FloatArray:
        """Recall of every case of the stage, f64[w]; `ArmFault` when one loses too much."""
        with self._alone(stage, build, limits, policy, policy.recall_batches) as session:
            return session.recall(policy.recall_loss, policy.recall_floor)

    @contextmanager
    def _alone(
        self, stage: Stage, build: Build, limits: Sequence[float], policy: Policy, batches: int
    ) -> Iterator[_Session]:
        """One worker that has run every batch of every case, untimed."""
        worker = self.worker(build, 0, stage)
        try:
            with blaming(CANDIDATE):
                self.settle(worker, policy.spawn_s)
                session = _Session(self, stage, (worker, worker), limits)
                for w in session.indices:
                    session.prepare(w, CANDIDATE)
                    for batch in range(batches):
                        session.round(w, batch, (CANDIDATE,))
                session.inspect()
            yield session
        finally:
            self.dismiss(worker)


def _status(workers: Sequence[Worker]) -> list[dict[str, int]]:
    seen = []
    for arm, worker in enumerate(workers):
        with blaming(arm):
            seen.append(worker.status())
    return seen


def _warm(session: _Session, batch: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Prepare and call everything once; ns of `prepare` and of the call, f64[2, w] each. Coins
    choose the order: an arm that came first could be known by it."""
    prepare, first = (np.empty((2, len(session.indices))) for _ in range(2))
    for w in session.indices:
        for arm in rng.permutation(2).tolist():
            prepare[arm, w] = session.prepare(w, arm)
    for w in session.indices:
        first[:, w] = session.round(w, batch, rng.permutation(2).tolist())
    return prepare, first


def _beyond_the_usual(first: FloatArray, ns: FloatArray) -> FloatArray:
    """What the longest call of each workload took more than most, f64[2, w]: the first one is not
    timed, and one that is timed is outvoted, so either could prepare what `prepare` may not."""
    longest: FloatArray = np.maximum(first, ns.max(axis=1)) - np.median(ns, axis=1)
    return longest


def _rounds(session: _Session, rounds: int, rng: np.random.Generator) -> FloatArray:
    """ns f64[2, r, w]; the arms' order by fair coin in ABBA blocks."""
    ns = np.empty((2, rounds, len(session.indices)))
    for r in range(rounds):
        if r % 2 == 0:
            first = rng.integers(2, size=len(session.indices))
        for w in session.indices:
            lead = int(first[w]) ^ (r % 2)
            ns[:, r, w] = session.round(w, r, (lead, 1 - lead))
    return ns


class _Session:
    """The calls of one pair, each with its fresh input, poison, clock and check."""

    def __init__(
        self, bench: Bench, stage: Stage, workers: tuple[Worker, Worker], limits: Sequence[float]
    ) -> None:
        self.bench, self.stage, self.workers, self.limits = bench, stage, workers, limits
        self.indices = range(len(stage.plan))

    def prepare(self, index: int, arm: int) -> int:
        doing = f"prepare for {self.stage.labels[index]}"
        self.bench.ask("poison", key=self.stage.key)
        with blaming(arm):
            return self.workers[arm].call(wire.PREPARE, index, self.limits[index], doing)

    def round(self, index: int, batch: int, order: Sequence[int]) -> tuple[int, int]:
        """One batch on the arms in `order`; ns by arm. Every output is checked in full."""
        ns, label = [0, 0], self.stage.labels[index]
        what = {"key": self.stage.key, "index": index, "batch": batch}
        for arm in order:
            self.bench.ask("load", **what)
            with blaming(arm):
                ns[arm] = self.workers[arm].call(wire.CALL, index, self.limits[index], label)
            wrong = self.bench.ask("check", **what, arm=arm)["told"]
            if wrong:
                raise ArmFault(KernelFault("incorrect", f"{label}: {wrong}"), arm)
        return ns[0], ns[1]

    def recall(self, loss: float, floor: float) -> FloatArray:
        """The candidate's, f64[w], NaN where the oracle is exact. Both arms are held against the
        reference on the same queries, so that a chain of keeps cannot give recall away a little
        at a time."""
        out = np.full(len(self.indices), np.nan)
        for w, recalls in enumerate(self.bench.ask("recalls", key=self.stage.key)["told"]):
            if recalls is None:
                continue
            *arms, reference = recalls
            for arm, got in enumerate(arms):
                if got is not None and got < max(reference - loss, floor):
                    raise _forgetful(arm, self.stage.labels[w], got, reference)
            out[w] = arms[CANDIDATE]
        return out

    def sample(self, policy: Policy) -> None:
        """The few queries of a timed stage may find less by as much as they err, all workloads
        together by less: who answers well only where no clock runs is found here."""
        recalls = self.bench.ask("recalls", key=self.stage.key)["told"]
        lossy = [w for w, told in enumerate(recalls) if told]
        if not lossy:
            return
        asked = np.array(self.bench.ask("asked", key=self.stage.key)["told"])[lossy]
        *arms, reference = np.array([recalls[w] for w in lossy]).T
        errs = policy.recall_sigmas * policy.recall_sd / np.sqrt(asked)
        together = math.hypot(*errs) / len(lossy)
        for arm, got in enumerate(arms):
            lost = reference - got - policy.recall_loss
            for w in np.flatnonzero(lost > errs)[:1]:
                raise _forgetful(arm, self.stage.labels[lossy[w]], got[w], reference[w])
            if lost.mean() > together:
                raise _forgetful(arm, "timed together", got.mean(), reference.mean())

    def inspect(self) -> None:
        """No library or thread may have appeared in a worker."""
        for arm, worker in enumerate(self.workers):
            told = sandbox.maps_ok(worker.pid, self.bench.libraries)
            if told:
                raise ArmFault(KernelFault("crash", told), arm)


def _forgetful(arm: int, where: str, got: float, reference: float) -> ArmFault:
    told = f"{where}: recall@10 is {got:.4f}, the reference's {reference:.4f}"
    return ArmFault(KernelFault("incorrect", told), arm)


def _shifts(rng: np.random.Generator) -> tuple[int, int]:
    """How far each arm's code is moved: drawn anew in every pair, so layout is noise, not luck."""
    incumbent, candidate = (rng.integers(SPAN // STEP, size=2) * STEP).tolist()
    return incumbent, candidate


@contextmanager
def _spawned(
    bench: Bench,
    stage: Stage,
    builds: tuple[Build, Build],
    shifts: tuple[int, int],
    policy: Policy,
    rng: np.random.Generator,
) -> Iterator[tuple[Worker, Worker]]:
    """Two frozen workers, created in random order; they load side by side, untimed."""
    workers: dict[int, Worker] = {}
    try:
        for arm in rng.permutation(2).tolist():
            workers[arm] = bench.worker(builds[arm], shifts[arm], stage)
        for arm, worker in workers.items():
            with blaming(arm):
                bench.settle(worker, policy.spawn_s)
        yield workers[INCUMBENT], workers[CANDIDATE]
    finally:
        for worker in workers.values():
            bench.dismiss(worker)


@contextmanager
def blaming(arm: int) -> Iterator[None]:
    """Faults of a kernel raised inside are those of `arm`."""
    try:
        yield
    except ArmFault:
        raise
    except KernelFault as fault:
        raise ArmFault(fault, arm) from None


def _void(
    before: Sequence[dict[str, int]],
    after: Sequence[dict[str, int]],
    ns: FloatArray,
    canary_before: int,
    canary_after: int,
    policy: Policy,
) -> str:
    """A cause that cannot see which arm is faster, or nothing."""
    waited = max(b["waited_ns"] - a["waited_ns"] for a, b in zip(before, after, strict=True))
    allowed = policy.wait_share * ns.sum(axis=(1, 2)).max() + policy.wait_call_us * 1e3 * ns[0].size
    if waited > allowed:
        return f"{waited / 1e6:.1f} ms waiting for a core"
    ratio = max(canary_before, canary_after) / min(canary_before, canary_after)
    return f"canary off by {ratio:.2f}x" if ratio > policy.canary_band else ""
