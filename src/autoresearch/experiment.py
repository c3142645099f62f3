"""Measures a candidate against the incumbent until the gate has seen enough.

Knows the bench and the gate; nothing of the ledger, git or the command line.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from . import gate
from .model import Evidence, Fault, FloatArray, Pair, Verdict, Work, Workload
from .policy import Policy
from .runner import builds
from .runner.bench import KernelFault, Stage
from .runner.builds import Build
from .runner.pair import CANDIDATE, INCUMBENT, Arm, ArmFault, Measured, Runner

_MB = 1 << 20
_SMALL = 16 * _MB  # memory differences below this are the allocator's


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel to run: its text, a label that separates builds of equal texts, and its size."""

    text: bytes
    statements: int = 0
    label: str = ""


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and its figures; `ns` are f64[w] per operation in the last stage measured."""

    verdict: Verdict
    evidence: Evidence
    stage: str = ""
    labels: tuple[str, ...] = ()
    works: tuple[Work, ...] = ()
    incumbent_ns: FloatArray = field(default_factory=lambda: np.empty(0))
    candidate_ns: FloatArray = field(default_factory=lambda: np.empty(0))
    prepare_ns: FloatArray = field(default_factory=lambda: np.empty(0))
    held_bytes: float = 0.0
    peak_mb: float | None = None
    compile_s: float | None = None
    code: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Phase:
    """One phase's stage, what it measures and what came of it."""

    stage: Stage
    works: tuple[Work, ...]
    limits: list[float]
    measured: list[Measured] = field(default_factory=list)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(m.pair for m in self.measured)

    def ns(self, arm: str) -> FloatArray:
        """Median ns per operation of every workload over all rounds and pairs."""
        rounds = np.concatenate([getattr(p, arm) for p in self.pairs])
        median: FloatArray = np.median(rounds, axis=0)
        return median


Tell = Callable[[gate.Step], None]


class Experiment:
    """One candidate against one incumbent on an open bench; `seed` comes after both are fixed."""

    def __init__(
        self,
        bench: Runner,
        arms: tuple[Kernel, Kernel],
        known: Known,
        policy: Policy,
        seed: int,
        tell: Tell,
    ) -> None:
        self.bench, self.kernels, self.known, self.policy, self.tell = (
            bench,
            arms,
            known,
            policy,
            tell,
        )
        self.rng = np.random.default_rng(seed)
        self.seconds: dict[str, float] = {}
        self.phases: dict[str, _Phase] = {}
        self.compile_s = [0.0, 0.0]
        self.builds: list[Build] = []
        self.begun = bench.clock()

    def run(self) -> Outcome:
        """Compile, check, measure until the gate decides; a kernel's fault becomes its verdict."""
        evidence = self._evidence()
        try:
            self._order("battery")
            self._order("screen")
            self._compile({0})
            evidence = self._evidence()
            if gate.step(evidence, self.policy).phase != "done":
                self._battery()
                evidence = self._measure(evidence)
        except KernelFault as fault:
            evidence = replace(self._evidence(), fault=self._blamed(fault))
        return self._outcome(evidence)

    def check(self) -> Outcome:
        """Correctness only: compile and run the battery."""
        fault = None
        try:
            self._order("battery")
            self._compile({0})
            self._battery()
        except KernelFault as error:
            fault = self._blamed(error)
        return self._outcome(replace(self._evidence(), fault=fault))

    def fixed(self, phase: str, pairs: int) -> Outcome:
        """Exactly `pairs` counting pairs on all layouts, without a stopping rule (A/A, audit)."""
        try:
            self._order("battery")
            self._compile(set(range(self.policy.builds)))
            self._battery()
            while sum(not p.void for p in self._pairs(phase)) < pairs:
                if len(self._pairs(phase)) > 2 * pairs:
                    raise KernelFault(
                        "inconclusive", "the machine is too noisy: half of all pairs are void"
                    )
                self._pair(phase)
                self.tell(gate.Step(phase))
        except KernelFault as error:
            return self._outcome(replace(self._evidence(), fault=self._blamed(error)))
        return self._outcome(self._evidence())

    def audited(self, sigma0: float) -> Verdict:
        """The gate's reading of the audit's pairs."""
        return gate.audit(
            self._pairs("audit"), self.policy, labels=self._labels("audit"), sigma0=sigma0
        )

    def _measure(self, evidence: Evidence) -> Evidence:
        step = gate.step(evidence, self.policy)
        while step.phase != "done":
            if (self.bench.clock() - self.begun) / 1e9 > self.policy.trial_s:
                raise KernelFault(
                    "timeout", f"measuring took more than {self.policy.trial_s:.0f} s"
                )
            if step.phase != "screen":
                self._compile(set(range(self.policy.builds)))
            self._pair(step.phase)
            evidence = self._evidence()
            step = gate.step(evidence, self.policy)
            self.tell(step)
        return evidence

    def _compile(self, variants: set[int]) -> None:
        with self._timed("compile"):
            for arm, kernel in enumerate(self.kernels):
                if len(self.builds) == arm:
                    folder = self.bench.place.state / "builds"
                    self.builds.append(
                        builds.lay_down(
                            folder,
                            self.bench.target,
                            kernel.text,
                            self.bench.place.machine,
                            kernel.label,
                        )
                    )
                took = self.bench.compile(self.builds[arm], variants, self.policy.compile_s)
                self.compile_s[arm] = self.compile_s[arm] or took

    def _battery(self) -> None:
        with self._timed("battery"):
            phase = self.phases["battery"]
            self.bench.battery(phase.stage, Arm(self.builds[CANDIDATE]), phase.limits, self.policy)

    def _pair(self, name: str) -> None:
        if name not in self.phases:
            self._order(name)
        phase = self.phases[name]
        n = len(phase.measured)
        layouts = self._layouts(n) if name != "screen" else (0, 0)
        arms = (Arm(self.builds[INCUMBENT], layouts[0]), Arm(self.builds[CANDIDATE], layouts[1]))
        with self._timed("draw"):
            self.bench.collect()
        with self._timed(name):
            measured = self.bench.measure(phase.stage, arms, phase.limits, self.policy, self.rng)
        phase.measured.append(measured)
        self._cap_prepare(phase, measured)

    def _layouts(self, n: int) -> tuple[int, int]:
        """Every combination of the two arms' layouts comes up equally often."""
        k = self.policy.builds
        return n % k, (n + n // k) % k

    def _order(self, name: str) -> None:
        """Have the judge draw a phase's stage with a seed no worker ever sees."""
        seed = int(self.rng.integers(1 << 62))
        if name == "battery":
            labels = self.bench.facts["battery"]
            stage = self.bench.order(
                "open_battery", labels, [2] * len(labels), batches=2, seed=seed
            )
            self.phases[name] = _Phase(stage, (), [self.policy.call_s] * len(labels))
            return
        drawn = self.bench.facts
        if name in ("confirm", "audit"):
            drawn = self.bench.ask("hide", seed=seed, share=self.policy.hidden_share)
        workloads = [Workload(**w) for w in drawn["workloads"]]
        works = tuple(Work(**w) for w in drawn["work"])
        expected = self._expected_ns(works)
        counts = [self._operations(ns, work) for ns, work in zip(expected, works, strict=True)]
        limits = [
            max(self.policy.call_s, self.policy.call_times * ns * b / 1e9)
            for ns, b in zip(expected, counts, strict=True)
        ]
        stage = self.bench.order(
            "open_stage",
            tuple(w.label for w in workloads),
            counts,
            workloads=drawn["workloads"],
            operations=counts,
            batches=self.policy.rounds + 1,
            seed=seed,
        )
        self.phases[name] = _Phase(stage, works, limits)

    def _expected_ns(self, works: Sequence[Work]) -> list[float]:
        """The incumbent's time per operation; a hidden shape's scales with unavoidable work."""
        declared = [Work(**w) for w in self.bench.facts["work"]]
        labels = [Workload(**w).label for w in self.bench.facts["workloads"]]
        return [
            self.known.ns.get(label, self.policy.op_ms * 1e6) * now.bytes / was.bytes
            for label, was, now in zip(labels, declared, works, strict=True)
        ]

    def _operations(self, ns: float, work: Work) -> int:
        """How many operations make a call long enough to time and small enough to hold."""
        wanted = math.ceil(self.policy.min_call_ms * 1e6 / ns)
        return max(1, min(wanted, math.floor(self.policy.batch_mb * _MB / work.bytes)))

    def _cap_prepare(self, phase: _Phase, measured: Measured) -> None:
        """`prepare` may not become the place where the work hides."""
        policy = self.policy
        for label, work, took in zip(
            phase.stage.labels, phase.works, measured.prepare_ns[CANDIDATE], strict=True
        ):
            reference = self.known.prepare_ns.get(label, 0.0)
            cap = max(
                policy.prepare_times * reference,
                policy.prepare_ms * 1e6,
                policy.prepare_ns_per_byte * work.bytes,
            )
            if took > cap:
                told = (
                    f"prepare took {took / 1e6:.0f} ms for {label}, {cap / 1e6:.0f} ms is allowed"
                )
                raise ArmFault(KernelFault("timeout", told), CANDIDATE)
        held, cap = (
            measured.prepared_bytes[CANDIDATE],
            policy.prepare_memory * self.known.held_bytes,
        )
        if cap and held > cap + _SMALL:
            told = f"prepared data takes {held / _MB:.0f} MB, {cap / _MB:.0f} MB is allowed"
            raise ArmFault(KernelFault("revert", told), CANDIDATE)

    def _pairs(self, name: str) -> tuple[Pair, ...]:
        return self.phases[name].pairs if name in self.phases else ()

    def _labels(self, name: str) -> tuple[str, ...]:
        return tuple(self.phases[name].stage.labels) if name in self.phases else ()

    def _evidence(self) -> Evidence:
        digests = [builds.code_digest(b) for b in self.builds]
        return Evidence(
            screen=self._pairs("screen"),
            confirm=self._pairs("confirm"),
            tie=self._pairs("tie"),
            workloads=self._labels("screen"),
            hidden=self._labels("confirm") or self._labels("tie"),
            sigma0=self.known.sigma0,
            sigma_w=self.known.sigma_w,
            memory_ratio=self._memory_ratio(),
            statements=(self.kernels[INCUMBENT].statements, self.kernels[CANDIDATE].statements),
            compile_s=(self.compile_s[0], self.compile_s[1]),
            same_code=len(digests) == 2
            and digests[0] == digests[1] != ""
            and not self.kernels[CANDIDATE].label,
            tie_budget=self.known.tie_budget,
        )

    def _memory_ratio(self) -> float:
        peaks = [m.peak_bytes for p in self.phases.values() for m in p.measured]
        if not peaks:
            return 1.0
        incumbent, candidate = np.median(peaks, axis=0)
        return float((candidate + _SMALL) / (incumbent + _SMALL))

    def _blamed(self, fault: KernelFault) -> Fault:
        """The incumbent's failure says nothing about the candidate."""
        if isinstance(fault, ArmFault) and fault.arm == INCUMBENT:
            return Fault("inconclusive", f"the incumbent itself failed: {fault.fault.reason}")
        return fault.fault

    def _outcome(self, evidence: Evidence) -> Outcome:
        step = gate.step(evidence, self.policy)
        verdict = step.verdict or Verdict("inconclusive", "nothing was measured")
        timed = [n for n, p in self.phases.items() if p.measured]
        outcome = Outcome(
            verdict,
            evidence,
            compile_s=self.compile_s[CANDIDATE],
            code=builds.code_digest(self.builds[CANDIDATE]) if len(self.builds) == 2 else "",
            seconds=dict(self.seconds),
        )
        if not timed:
            return outcome
        phase = self.phases[timed[-1]]
        return replace(
            outcome,
            stage=timed[-1],
            labels=tuple(phase.stage.labels),
            works=phase.works,
            incumbent_ns=phase.ns("incumbent_ns"),
            candidate_ns=phase.ns("candidate_ns"),
            prepare_ns=np.median([m.prepare_ns[CANDIDATE] for m in phase.measured], axis=0),
            held_bytes=float(np.median([m.prepared_bytes[CANDIDATE] for m in phase.measured])),
            peak_mb=float(np.median([m.peak_bytes[CANDIDATE] for m in phase.measured])) / _MB,
        )

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begin = self.bench.clock()
        try:
            yield
        finally:
            self.seconds[what] = self.seconds.get(what, 0.0) + (self.bench.clock() - begin) / 1e9


def run_experiment(file: str) -> None:
    """What `python -m targets.NAME.run_experiment` does: `autoresearch trial NAME ...`."""
    folder = Path(file).resolve().parent
    command = [sys.executable, "-m", "autoresearch", "--root", str(folder.parent.parent), "trial"]
    os.execv(sys.executable, [*command, folder.name.replace("_", "-"), *sys.argv[1:]])
