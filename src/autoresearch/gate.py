"""What to measure next, and in the end the verdict: a pure function of all pairs so far.

Every call replays the looks from the first pair and stops at the first decision, so later pairs can
never undo it. Sees no clock, disk, git or random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, floor, log
from typing import Literal

from .model import Evidence, Pair, Verdict
from .policy import POLICY, Policy
from .stats import interval, pairing
from .stats.sample import Sample
from .stats.sequential import wald_bound


@dataclass(frozen=True, slots=True)
class Look:
    """One phase after n counting pairs, as speed-ups: for progress, and in reasons."""

    phase: str
    n: int
    speedup: float
    interval: tuple[float, float]
    llr: float | None = None

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.speedup:.3f}x [{low:.3f}, {high:.3f}] after {self.n} {self.phase} pairs"

    @property
    def meaning(self) -> str:
        """What the interval says to who sees a speed-up above 1 and no keep."""
        low, high = self.interval
        if high < 1:
            return "all of it below 1"
        return "it includes 1" if low <= 1 else "above 1, but not by enough to be sure"


@dataclass(frozen=True, slots=True)
class Step:
    """Measure one more pair of `phase` (screen, confirm, tie), or `done` with a verdict.

    `look` is the newest one: that of the phase before while this one has no counting pair.
    """

    phase: str
    verdict: Verdict | None = None
    look: Look | None = None


def step(evidence: Evidence, policy: Policy = POLICY) -> Step:
    """The next phase to measure, or the verdict; pairs beyond a decision change nothing."""
    settled = _unmeasured(evidence)
    if settled:
        return Step("done", settled)
    phase = _phase("screen", evidence, policy)
    ruling = _screen(phase.sample, evidence.memory_ratio)
    if ruling.outcome == "pass":
        phase = _phase("confirm", evidence, policy, phase.look(ruling.n))
        ruling = _confirm(phase)
    if ruling.outcome == "flat" and _may_tie(evidence, policy, phase.look(ruling.n)):
        phase = _phase("tie", evidence, policy, phase.look(ruling.n))
        ruling = _tie(phase, evidence.tie_budget)
    return _step(phase, ruling)


def audit(
    pairs: Sequence[Pair],
    policy: Policy = POLICY,
    *,
    labels: tuple[str, ...] = (),
    sigma0: float | None = None,
) -> Verdict:
    """The session's first incumbent against the current one: fixed n, no stopping rule, plain t.

    `keep` where the whole interval lies above 1, `revert` where it lies below, else `inconclusive`.
    `sigma0`, if given, must predate the pairs; the verdict then carries a certificate for e-BH.
    """
    n = policy.audit_pairs
    counting, noisy = _counting(pairs, policy)
    if len(counting) < n:
        reason = noisy or f"{len(counting)} counting pairs, an audit needs {n}"
        return Verdict("inconclusive", reason, pairs=len(counting))
    sample = Sample.of(pairing.stack(counting[:n]), sigma0 or 0.0, 0.0, policy)
    mean, low, high = interval.mean_interval(sample.gain(n), policy.interval_level)
    look = Look("audit", n, exp(mean), (exp(low), exp(high)))
    name = "keep" if low > 0 else "revert" if high < 0 else "inconclusive"
    verdict = _Phase("audit", sample, _named(labels, sample)).verdict(name, str(look), look)
    return replace(verdict, certificate=sample.certificate(n)) if sigma0 else verdict


def tie_cost(verdict: Verdict) -> float:
    """What a `simpler` verdict takes from the tie budget, ln units >= 0: the slowing it showed."""
    return max(0.0, -log(verdict.speedup)) if verdict.speedup else 0.0


def _unmeasured(evidence: Evidence) -> Verdict | None:
    """Verdicts that need no pair: faults, and identical machine code."""
    if evidence.fault:
        return Verdict(evidence.fault.verdict, evidence.fault.reason)
    if not evidence.same_code:
        return None
    before, after = evidence.statements
    if after < before:
        return Verdict("simpler", f"identical machine code from {after} statements, was {before}")
    return Verdict("refused", "identical machine code and no fewer statements: nothing to measure")


@dataclass(frozen=True, slots=True)
class _Phase:
    """One phase's sample, its labels, and why measuring it had to end (too many void pairs)."""

    name: str
    sample: Sample
    labels: tuple[str, ...]
    noisy: str = ""
    before: Look | None = None  # the look that led here

    def look(self, n: int) -> Look:
        mean, low, high = self.sample.figures(n)
        stage = {"screen": self.sample.policy.screen, "confirm": self.sample.policy.confirm}
        llr = float(self.sample.llr(stage[self.name])[n - 1]) if self.name in stage else None
        return Look(self.name, n, exp(mean), (exp(low), exp(high)), llr)

    def verdict(self, name: str, reason: str, look: Look) -> Verdict:
        """With the figures of the pairs that `look` covers."""
        mean, _ = self.sample.workloads(look.n)
        worst = int(mean.argmin())
        return Verdict(
            name,
            reason,
            speedup=look.speedup,
            ci95=look.interval,
            worst=exp(mean[worst]),
            worst_at=self.labels[worst],
            pairs=look.n,
            llr=look.llr,
        )


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What the first n pairs of a phase say: `open` (measure more), `pass` (on to stage 2), `flat`
    (no gain shown; a tie is still possible), or a verdict."""

    outcome: Literal["open", "pass", "flat", "keep", "simpler", "revert"]
    n: int
    reason: str = ""


def _phase(name: str, evidence: Evidence, policy: Policy, before: Look | None = None) -> _Phase:
    counting, noisy = _counting(getattr(evidence, name), policy)
    sample = Sample.of(pairing.stack(counting), evidence.sigma0, evidence.sigma_w, policy)
    declared = evidence.workloads if name == "screen" else evidence.hidden
    return _Phase(name, sample, _named(declared, sample), noisy, before)


def _named(labels: tuple[str, ...], sample: Sample) -> tuple[str, ...]:
    columns = sample.D.shape[-1]
    return labels if len(labels) == columns else tuple(f"workload {w}" for w in range(columns))


def _counting(pairs: Sequence[Pair], policy: Policy) -> tuple[list[Pair], str]:
    """The pairs that count, up to the first prefix with too many void, and that prefix in words."""
    counting: list[Pair] = []
    for measured, pair in enumerate(pairs, 1):
        if not pair.void:
            counting.append(pair)
        void = measured - len(counting)
        if measured >= policy.void_from and void > policy.void_share * measured:
            cause = [p.void for p in pairs[:measured] if p.void][-1]
            counted = counting[: len(counting) - (not pair.void)]
            return counted, f"too noisy: {void} of {measured} pairs void, the last by {cause}"
    return counting, ""


def _screen(sample: Sample, memory_ratio: float) -> _Ruling:
    """Stage 1: the first look at which the ratio leaves its bounds, or is not likely to reach the
    upper one by the cap; the cap ends it."""
    policy = sample.policy
    passing = wald_bound(policy.alpha, policy.beta)
    llr, chance = sample.llr(policy.screen), sample.chance(policy.screen, passing)
    for n in range(policy.screen.first, min(sample.n, policy.screen.cap) + 1):
        if llr[n - 1] >= passing:
            if memory_ratio > policy.memory_ratio:
                limit = f"{policy.memory_ratio:.2f}x allowed"
                return _Ruling("revert", n, f"peak memory {memory_ratio:.2f}x, {limit}")
            return _Ruling("pass", n)
        lost = llr[n - 1] <= -wald_bound(policy.beta, policy.alpha)
        if lost or chance[n - 1] < policy.hopeless or n == policy.screen.cap:
            return _Ruling("flat", n)
    return _Ruling("open", sample.n)


def _confirm(phase: _Phase) -> _Ruling:
    """Stage 2: rejects at any look, keeps only where the guard looks too."""
    sample, policy = phase.sample, phase.sample.policy
    cap = policy.confirm.cap
    llr = sample.llr(policy.confirm)
    for n in range(policy.confirm.first, min(sample.n, cap) + 1):
        if llr[n - 1] <= -wald_bound(policy.beta, policy.alpha):
            return _Ruling("flat", n)
        if n not in policy.guard_looks and n != cap:
            continue
        gained = llr[n - 1] >= wald_bound(policy.alpha, policy.beta) and _believable(sample, n)
        safety, reason = _guard(phase, n)
        if gained and safety == "safe":
            return _Ruling("keep", n, reason)
        if safety == "harm" or (gained and n == cap):
            return _Ruling("revert", n, reason)
        if n == cap:
            return _Ruling("flat", n)
    return _Ruling("open", sample.n)


def _believable(sample: Sample, n: int) -> bool:
    """Symmetry alone must carry the gain, whatever sigma0 says, and a huge one needs more pairs."""
    policy = sample.policy
    big = float(sample.workloads(n)[0].max()) > policy.big_gain
    return n >= policy.big_gain_pairs * big and sample.p_value(n) <= policy.sign_flip_level


def _guard(phase: _Phase, n: int) -> tuple[Literal["safe", "unproven", "harm"], str]:
    """Whether every workload is shown to stay above the margin (`safe`), or one shown to lie below
    it (`harm`), and the workload that settles it in words."""
    margin = phase.sample.policy.guard_margin
    mean, lower = phase.sample.workloads(n)
    upper = 2 * mean - lower
    harm = float(upper.min()) < margin
    least = int((upper if harm else lower).argmin())
    if lower[least] > margin:
        return "safe", f"every workload >= {floor(100 * exp(lower[least])) / 100:.2f}x"
    reason = (
        f"guard: {phase.labels[least]} runs at {exp(mean[least]):.2f}x, "
        f"perhaps {exp(lower[least]):.2f}x; {exp(margin):.2f}x is allowed"
    )
    return "harm" if harm else "unproven", reason


def _may_tie(evidence: Evidence, policy: Policy, look: Look) -> bool:
    """Simpler code, inside the noise band: not shown to be slower than the tie floor."""
    statements_before, statements = evidence.statements
    compile_before, compile_s = evidence.compile_s
    return (
        statements < statements_before
        and compile_s <= compile_before * policy.compile_tolerance
        and evidence.memory_ratio <= policy.memory_ratio
        and log(look.interval[1]) >= policy.tie_floor
    )


def _tie(phase: _Phase, budget: float) -> _Ruling:
    """After a fixed number of pairs: the mean's lower bound, the guard, what the budget allows."""
    sample, n = phase.sample, phase.sample.policy.tie_pairs
    if sample.n < n:
        return _Ruling("open", sample.n)
    look = phase.look(n)
    safety, reason = _guard(phase, n)
    if sample.lower(n, sample.policy.tie_level) < sample.policy.tie_floor:
        return _Ruling("revert", n, f"simpler, but slower or not shown to be as fast: {look}")
    if safety != "safe":
        return _Ruling("revert", n, f"simpler, but {reason}")
    if -log(look.speedup) > budget:
        left = f"the tie budget allows {exp(-budget):.3f}x until the next audit"
        return _Ruling("revert", n, f"simpler, but {left}: {look}")
    return _Ruling("simpler", n, f"simpler, and as fast: {look}")


def _step(phase: _Phase, ruling: _Ruling) -> Step:
    look = phase.look(ruling.n) if ruling.n else phase.before
    if ruling.outcome == "open":
        if phase.noisy:
            verdict = Verdict("inconclusive", phase.noisy, pairs=phase.sample.n)
            return Step("done", verdict, look)
        return Step(phase.name, None, look)
    assert look is not None  # every other ruling has looked
    return Step("done", _final(phase, ruling, look), look)


def _final(phase: _Phase, ruling: _Ruling, look: Look) -> Verdict:
    if ruling.outcome == "keep":
        reason = f"{look.speedup:.3f}x over the incumbent, {ruling.reason}"
        verdict = phase.verdict("keep", reason, look)
        sample = phase.sample
        return replace(
            verdict, p_value=sample.p_value(look.n), certificate=sample.certificate(look.n)
        )
    if ruling.outcome == "simpler":
        return phase.verdict("simpler", ruling.reason, look)
    told = ruling.reason or f"no gain shown: {look}; {look.meaning}"
    return phase.verdict("revert", told, look)
