"""Plans what is measured: the battery and the timed phases, their shapes, batches and deadlines.

Knows what the judge can draw and what earlier runs taught; calls nothing and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .model import FloatArray, Pair, Work, Workload
from .policy import Policy
from .runner.bench import Stage
from .runner.pair import CANDIDATE, ArmFault, Measured, Runner
from .runner.sealed import KernelFault

_MB = 1 << 20
SMALL = 16 * _MB  # memory differences below this are the allocator's
_FRESH_SHAPES = ("confirm", "audit")  # a share of their shapes is hidden from inputs.WORKLOADS


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier runs taught about this target on this machine.

    `ns` is the incumbent's time per operation by workload label, `prepare_ns` and `held_bytes` the
    reference's; `sigma0` and `sigma_w` as in `Evidence`.
    """

    ns: Mapping[str, float] = field(default_factory=dict)
    prepare_ns: Mapping[str, float] = field(default_factory=dict)
    held_bytes: float = 0.0
    sigma0: float = 0.01
    sigma_w: float = 0.02
    tie_budget: float = 0.01


@dataclass(slots=True)
class Phase:
    """One phase's stage, the seconds a call of each workload may take, and what was measured."""

    stage: Stage
    works: tuple[Work, ...]
    limits: list[float]
    measured: list[Measured] = field(default_factory=list)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.stage.labels)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(m.pair for m in self.measured)

    @property
    def counting(self) -> int:
        """Pairs that are not void."""
        return sum(not p.void for p in self.pairs)

    def ns(self, arm: str) -> FloatArray:
        """Median ns per operation of every workload over all rounds and pairs."""
        rounds = np.concatenate([getattr(p, arm) for p in self.pairs])
        median: FloatArray = np.median(rounds, axis=0)
        return median


def battery(bench: Runner, policy: Policy, seed: int) -> Phase:
    """Have the judge draw the battery: small, broad, every case aligned and misaligned."""
    labels = bench.facts["battery"]
    stage = bench.order("open_battery", labels, [2] * len(labels), batches=2, seed=seed)
    return Phase(stage, (), [policy.call_s] * len(labels))


def recall(bench: Runner, policy: Policy, seed: int) -> Phase:
    """Have the judge draw the lossy workloads with many queries, whose answers are pooled."""
    labels, batches = bench.facts["lossy"], policy.recall_batches
    counts, queries = [1] * len(labels), policy.recall_queries
    stage = bench.order("open_recall", labels, counts, queries=queries, batches=batches, seed=seed)
    return Phase(stage, (), [policy.recall_s] * len(labels))


def timed(bench: Runner, name: str, known: Known, policy: Policy, seed: int) -> Phase:
    """Have the judge draw a timed phase; the seed reaches no worker."""
    drawn = bench.facts
    if name in _FRESH_SHAPES:
        drawn = bench.ask("hide", seed=seed, share=policy.hidden_share)
    works = tuple(Work(**w) for w in drawn["work"])
    expected = _expected_ns(bench, known, policy, works)
    counts = [_operations(ns, work, policy) for ns, work in zip(expected, works, strict=True)]
    calls = [ns * n / 1e9 for ns, n in zip(expected, counts, strict=True)]
    stage = bench.order(
        "open_stage",
        [Workload(**w).label for w in drawn["workloads"]],
        counts,
        workloads=drawn["workloads"],
        operations=counts,
        batches=policy.rounds + 1,
        seed=seed,
    )
    limits = [max(policy.call_s, policy.call_times * seconds) for seconds in calls]
    return Phase(stage, works, limits)


def _expected_ns(bench: Runner, known: Known, policy: Policy, works: Sequence[Work]) -> list[float]:
    """The incumbent's time per operation; a hidden shape's is scaled by its unavoidable work."""
    declared = [Work(**w) for w in bench.facts["work"]]
    labels = [Workload(**w).label for w in bench.facts["workloads"]]
    return [
        known.ns.get(label, policy.op_ms * 1e6) * now.bytes / was.bytes
        for label, was, now in zip(labels, declared, works, strict=True)
    ]


def _operations(ns: float, work: Work, policy: Policy) -> int:
    """How many operations make a call long enough to time and small enough to hold."""
    wanted = math.ceil(policy.min_call_ms * 1e6 / ns)
    return max(1, min(wanted, math.floor(policy.batch_mb * _MB / work.bytes)))


def cap_prepare(phase: Phase, measured: Measured, known: Known, policy: Policy) -> None:
    """Raises `ArmFault` when the candidate's `prepare` takes too long or holds too much: it may not
    become the place where the work hides. What disturbs a pair takes time, and holds nothing."""
    if not measured.pair.void:
        _cap_time(phase, measured, known, policy)
    held, most = (
        measured.prepared_bytes[CANDIDATE],
        policy.prepare_memory * known.held_bytes + SMALL,
    )
    if known.held_bytes and held > most:
        told = f"prepared data takes {held / _MB:.0f} MB, {most / _MB:.0f} MB is allowed"
        raise ArmFault(KernelFault("revert", told), CANDIDATE)


def _cap_time(phase: Phase, measured: Measured, known: Known, policy: Policy) -> None:
    took = measured.prepare_ns[CANDIDATE]
    for label, given, ns in zip(phase.labels, phase.stage.static_bytes, took, strict=True):
        cap = max(
            policy.prepare_times * known.prepare_ns.get(label, 0.0),
            policy.prepare_ms * 1e6,
            policy.prepare_ns_per_byte * given,
        )
        if ns > cap:
            told = f"preparing took {ns / 1e6:.0f} ms for {label}, {cap / 1e6:.0f} ms is allowed"
            raise ArmFault(KernelFault("timeout", told), CANDIDATE)
