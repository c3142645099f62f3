"""Whether a kernel is promoted past experimental: the rules of acceptance, pure.

Knows measured figures; nothing of clocks, indexes or where a verdict is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

FULL = 1_000_000  # vectors of the reference workload: what a promotion is measured on
P95 = 2.0  # times lower
COST = 1 / 0.7  # times lower: 30 % less
MEMORY = 2.0  # of the bytes of the index
LEVEL = 0.05
RESAMPLES = 2000

Times = NDArray[np.int64]
Figure = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Arm:
    """Times in ns of a kernel over the same queries, round by round."""

    single: Times  # i64[rounds, queries]: one search each
    batch: Times  # i64[rounds, batches]: one search of `of` queries each
    of: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found out of `kernel` beside the reference kernel."""

    kernel: str
    n: int
    reference: Arm
    candidate: Arm
    recalls: tuple[float, float]  # recall@10: reference, candidate
    exact: bool  # the same candidate sets, bit by bit
    broken: tuple[str, ...]  # sentences of the contract suite
    memory: float  # steady state over the bytes of the index


@dataclass(frozen=True, slots=True)
class Ratio:
    """The reference's figure over the candidate's, with a 95 % interval; above 1 is better."""

    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.ratio:.2f}x [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`passed`: every rule is met; `promoted`: and the workload was the full one."""

    kernel: str
    n: int
    passed: bool
    promoted: bool
    p95: Ratio
    cost: Ratio
    reference_p95_ms: float
    candidate_p95_ms: float
    recalls: tuple[float, float]
    memory: float
    reasons: tuple[str, ...]


def decide(found: Measured, rng: Generator) -> Verdict:
    """The verdict; what speaks against the kernel stands in `reasons`. A ratio counts by the lower
    end of its interval, so that a lucky run promotes nothing."""
    ours, theirs = found.candidate, found.reference
    p95 = _ratio(theirs.single, ours.single, _p95, rng)
    cost = _ratio(theirs.batch, ours.batch, _mean, rng)
    against = (*_unsound(found), *_slow(p95, cost))
    full = found.n >= FULL
    short = () if full else (f"{found.n:,} vectors are fewer than the {FULL:,} that count",)
    return Verdict(
        kernel=found.kernel,
        n=found.n,
        passed=not against,
        promoted=full and not against,
        p95=p95,
        cost=cost,
        reference_p95_ms=float(_p95(theirs.single / 1e6)),
        candidate_p95_ms=float(_p95(ours.single / 1e6)),
        recalls=found.recalls,
        memory=found.memory,
        reasons=(*against, *short),
    )


def _unsound(found: Measured) -> tuple[str, ...]:
    reference, candidate = found.recalls
    told = {
        "its candidate set is not bit-exact": not found.exact,
        f"its recall@10 is {candidate:.4f} and the reference's {reference:.4f}": candidate
        != reference,
        f"it needs {found.memory:.2f} times the index bytes": found.memory > MEMORY,
    }
    return (*found.broken, *(sentence for sentence, holds in told.items() if holds))


def _slow(p95: Ratio, cost: Ratio) -> tuple[str, ...]:
    if p95.low >= P95 or cost.low >= COST:
        return ()
    needs = f"{P95:.2f}x p95 or {COST:.2f}x cost surely"
    return (f"p95 {p95} and cost {cost} lower: a promotion needs {needs}",)


def _p95(times: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.percentile(times, 95, axis=(-2, -1))
    return found


def _mean(times: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = times.mean(axis=(-2, -1))
    return found


def _ratio(reference: Times, candidate: Times, figure: Figure, rng: Generator) -> Ratio:
    """A ratio of figures and its percentile bootstrap interval (Efron 1979), over queries drawn
    for both arms alike, with all their rounds."""
    both = np.stack([reference, candidate]).astype(np.float64)
    drawn = rng.integers(0, both.shape[2], (RESAMPLES, both.shape[2]))
    above, below = (figure(arm[:, drawn].transpose(1, 0, 2)) for arm in both)
    low, high = np.percentile(above / below, [100 * LEVEL / 2, 100 - 100 * LEVEL / 2])
    mid = figure(both[0]) / figure(both[1])
    return Ratio(float(mid), float(low), float(high))
