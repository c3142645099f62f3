"""Measures a candidate against the incumbent until the gate has seen enough.

Knows the bench and the gate; nothing of the ledger, git or the command line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from . import gate, phases
from .model import Evidence, Fault, FloatArray, Pair, Verdict, Work
from .phases import SMALL, Known, Phase
from .policy import Policy
from .runner import builds
from .runner.bench import Stage
from .runner.builds import Build
from .runner.pair import CANDIDATE, INCUMBENT, ArmFault, Runner, blaming
from .runner.sealed import KernelFault

_MB = 1 << 20
_PATIENCE = 10  # void pairs borne with where few are wanted


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel to run: its text, its size, and a label that gives equal texts separate builds."""

    text: bytes
    statements: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and the figures behind it, those of the last phase measured.

    `incumbent_ns` and `candidate_ns` are f64[w] per operation, `prepare_ns` f64[w] the candidate's;
    `recall` is the candidate's on the lossy workload where it finds least.
    """

    verdict: Verdict
    evidence: Evidence
    phase: str = ""
    pairs: tuple[Pair, ...] = ()
    labels: tuple[str, ...] = ()
    works: tuple[Work, ...] = ()
    incumbent_ns: FloatArray = field(default_factory=lambda: np.empty(0))
    candidate_ns: FloatArray = field(default_factory=lambda: np.empty(0))
    prepare_ns: FloatArray = field(default_factory=lambda: np.empty(0))
    held_bytes: float = 0.0
    peak_mb: float | None = None
    recall: float | None = None
    compile_s: float | None = None
    checked: bool = False
    code: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


Tell = Callable[[gate.Step], None]


class Experiment:
    """One candidate against one incumbent on an open bench; `seed` comes after both are fixed."""

    def __init__(
        self,
        bench: Runner,
        kernels: tuple[Kernel, Kernel],
        known: Known,
        policy: Policy,
        seed: int,
        tell: Tell,
    ) -> None:
        self.bench, self.kernels, self.known = bench, kernels, known
        self.policy, self.tell = policy, tell
        self.rng = np.random.default_rng(seed)
        self.seconds: dict[str, float] = {}
        self.phases: dict[str, Phase] = {}
        self.builds: list[Build] = []
        self.codes = ("", "")
        self.compile_s = [0.0, 0.0]
        self.checked = False
        self.recall: float | None = None
        self.untimed = ("battery", "recall") if bench.facts["lossy"] else ("battery",)
        self.fault: Fault | None = None
        bench.release()  # what an earlier experiment left there
        self.begun = bench.clock()

    def run(self) -> Outcome:
        """Compile, check, measure until the gate decides; a kernel's fault becomes its verdict."""
        with self._faults():
            self._plan(*self.untimed, "screen")
            self._compile()
            step = self._step()
            if step.phase != "done" or (step.verdict and step.verdict.name == "simpler"):
                self._check()
            self._measure()
        return self.outcome()

    def check(self) -> Outcome:
        """Correctness only: compile and run the battery."""
        with self._faults():
            self._plan(*self.untimed)
            self._compile()
            self._check()
        return self.outcome()

    def fixed(self, name: str, pairs: int) -> Outcome:
        """Check, then exactly `pairs` counting pairs, with no stopping rule."""
        with self._faults():
            self._plan(*self.untimed, name)
            self._compile()
            self._check()
            phase = self.phases[name]
            while phase.counting < pairs:
                self._pair(name)
                self.tell(gate.Step(name))
                if len(phase.pairs) - phase.counting > max(_PATIENCE, pairs):
                    last = f"{phase.pairs[-1].void} in the last of {len(phase.pairs)} pairs"
                    told = f"the machine is too noisy: {last}"
                    raise KernelFault("inconclusive", told)
        return self.outcome()

    def audited(self) -> Verdict:
        """The gate's reading of the pairs of phase `audit`."""
        phase, sigma0 = self.phases["audit"], self.known.sigma0
        return gate.audit(phase.pairs, self.policy, labels=phase.labels, sigma0=sigma0)

    def _step(self) -> gate.Step:
        return gate.step(self.evidence(), self.policy)

    def _measure(self) -> None:
        step = self._step()
        while step.phase != "done":
            if (self.bench.clock() - self.begun) / 1e9 > self.policy.trial_s:
                told = f"measuring took more than {self.policy.trial_s:.0f} s"
                raise KernelFault("timeout", told)
            if step.phase not in self.phases:
                self._plan(step.phase)
            self._pair(step.phase)
            step = self._step()
            self.tell(step)

    def _plan(self, *names: str) -> None:
        """Order stages; the judge draws them on its own core while this process goes on."""
        for name in names:
            seed = int(self.rng.integers(1 << 62))
            if name in self.untimed:
                make = {"battery": phases.battery, "recall": phases.recall}[name]
                self.phases[name] = make(self.bench, self.policy, seed)
            else:
                known = self.known
                self.phases[name] = phases.timed(self.bench, name, known, self.policy, seed)

    def _compile(self) -> None:
        with self._timed("compile"):
            for arm, kernel in enumerate(self.kernels):
                if len(self.builds) == arm:
                    self.builds.append(self._lay_down(kernel))
                with blaming(arm):
                    limit = self.policy.compile_s
                    took = self.bench.compile(self.builds[arm], limit)
                self.compile_s[arm] = self.compile_s[arm] or took
            incumbent, candidate = (builds.code_digest(b, self.bench.target) for b in self.builds)
            self.codes = incumbent, candidate

    def _lay_down(self, kernel: Kernel) -> Build:
        place, target = self.bench.place, self.bench.target
        folder = place.state / "builds"
        return builds.lay_down(
            folder, target, kernel.text, place.machine, place.secret, kernel.label
        )

    def _check(self) -> None:
        with self._timed("draw"):
            self.bench.collect()
        with self._timed("battery"):
            phase, build = self.phases["battery"], self.builds[CANDIDATE]
            self.bench.battery(phase.stage, build, phase.limits, self.policy)
        if "recall" in self.phases:
            phase = self.phases["recall"]
            with self._timed("recall"):
                found = self.bench.recall(phase.stage, build, phase.limits, self.policy)
            self.recall = float(found.min())
        self.checked = True

    def _pair(self, name: str) -> None:
        phase = self.phases[name]
        arms = self.builds[INCUMBENT], self.builds[CANDIDATE]
        with self._timed("draw"):
            self.bench.collect()
        with self._timed(name):
            measured = self.bench.measure(phase.stage, arms, phase.limits, self.policy, self.rng)
        phase.measured.append(measured)
        phases.cap_prepare(phase, measured, self.known, self.policy)

    def evidence(self) -> Evidence:
        """Everything the gate may see, so far."""
        incumbent, candidate = self.kernels
        none = Phase(Stage(-1, (), ()), (), [])
        screen, confirm, tie = (self.phases.get(n, none) for n in ("screen", "confirm", "tie"))
        return Evidence(
            screen=screen.pairs,
            confirm=confirm.pairs,
            tie=tie.pairs,
            workloads=screen.labels,
            hidden=confirm.labels or tie.labels,
            sigma0=self.known.sigma0,
            sigma_w=self.known.sigma_w,
            memory_ratio=self._memory_ratio(),
            statements=(incumbent.statements, candidate.statements),
            compile_s=(self.compile_s[INCUMBENT], self.compile_s[CANDIDATE]),
            same_code=self.codes[0] == self.codes[1] != "" and not candidate.label,
            tie_budget=self.known.tie_budget,
            fault=self.fault,
        )

    def _memory_ratio(self) -> float:
        peaks = [m.peak_bytes for p in self.phases.values() for m in p.measured]
        if not peaks:
            return 1.0
        incumbent, candidate = np.median(peaks, axis=0)
        return float((candidate + SMALL) / (incumbent + SMALL))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """A kernel's failure ends the measuring; the incumbent's tells nothing of the candidate."""
        try:
            yield
        except KernelFault as error:
            self.fault = error.fault
            if isinstance(error, ArmFault) and error.arm == INCUMBENT:
                told = f"the incumbent itself failed: {error.fault.reason}"
                self.fault = Fault("inconclusive", told)

    def outcome(self) -> Outcome:
        """What came of it, with the figures of the last phase measured."""
        evidence = self.evidence()
        verdict = gate.step(evidence, self.policy).verdict
        outcome = Outcome(
            verdict or Verdict("inconclusive", "nothing was decided"),
            evidence,
            compile_s=self.compile_s[CANDIDATE] if self.builds else None,
            checked=self.checked,
            code=self.codes[CANDIDATE],
            recall=self.recall,
            seconds=dict(self.seconds),
        )
        measured = [(name, phase) for name, phase in self.phases.items() if phase.measured]
        return self._with_figures(outcome, *measured[-1]) if measured else outcome

    def _with_figures(self, outcome: Outcome, name: str, phase: Phase) -> Outcome:
        seen = phase.measured
        return replace(
            outcome,
            phase=name,
            pairs=phase.pairs,
            labels=phase.labels,
            works=phase.works,
            incumbent_ns=phase.ns("incumbent_ns"),
            candidate_ns=phase.ns("candidate_ns"),
            prepare_ns=np.median([m.prepare_ns[CANDIDATE] for m in seen], axis=0),
            held_bytes=float(np.median([m.prepared_bytes[CANDIDATE] for m in seen])),
            peak_mb=float(np.median([m.peak_bytes[CANDIDATE] for m in seen])) / _MB,
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
