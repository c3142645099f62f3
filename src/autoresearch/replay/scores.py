"""What a search was worth: evaluations until it is good, how good it is after a few, and both
against the mean of all random orders. Pure: trajectories in, numbers out.

A trajectory is the best time after each evaluation, in ns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..model import FloatArray
from .space import Space

NEAR = 1.05  # of the optimum: found
CUTOFF = 0.95  # of the way from the median to the optimum: there a random search is stopped
DRAWS = 2000  # bootstrap samples


@dataclass(frozen=True, slots=True)
class Interval:
    """A value, and the bounds that hold 95 of 100 bootstrap samples."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True, slots=True)
class Score:
    """One strategy on some spaces. Evaluations are right-censored: a search that was stopped before
    it found anything good counts as one evaluation more than it had, a lower bound."""

    strategy: str
    evaluations: Interval  # to within 5 %, geometric mean
    p90: Interval
    first: Interval  # regret: best time over the optimum after 1 evaluation, geometric mean
    tenth: Interval  # and after 10
    performance: Interval
    searches: int
    censored: int


def evaluations(trajectory: Sequence[float], optimum: float) -> tuple[int, bool]:
    """Until within 5 % of the optimum, and whether it got there; one more than all if not."""
    for n, best in enumerate(trajectory, 1):
        if best <= NEAR * optimum:
            return n, True
    return len(trajectory) + 1, False


def lottery(space: Space) -> FloatArray:
    """f64[N]: the chance that a random order finds its first setting within 5 % of the best after 1
    to N evaluations."""
    size, near = len(space.ns), sum(t <= NEAR * space.best for t in space.ns)
    chances, left = np.zeros(size), 1.0  # left: the chance that none was found so far
    for n in range(size - near + 1):
        chances[n] = left * near / (size - n)
        left -= chances[n]
    return chances


def regret(trajectory: Sequence[float], optimum: float, n: int) -> float:
    """The best time after n evaluations over the optimum, at most 100 where all of them failed; of
    a shorter search, at its end."""
    return min(trajectory[min(n, len(trajectory)) - 1] / optimum, 100.0)


def baseline(space: Space) -> FloatArray:
    """f64[N]: the mean best time after 1 to N evaluations, over all orders; failures count as the
    slowest success."""
    ns = np.sort(_finite(np.array(space.ns)))
    size = len(ns)
    means = np.empty(size)
    # the chance that the i-th fastest is the best of n: C(N - i - 1, n - 1) / C(N, n)
    chance = np.full(size, 1 / size)
    for n in range(1, size + 1):
        means[n - 1] = chance @ ns
        left = size - np.arange(size) - n
        chance = chance * np.maximum(left, 0) / max(1, size - n) * (n + 1) / n
    return means


def budget(space: Space) -> int:
    """Evaluations after which the mean random search has gone 95 % of the way from the median to
    the optimum, as in Kernel Tuner's methodology (Willemsen et al., FGCS 2024)."""
    curve, median = baseline(space), float(np.median(_finite(np.array(space.ns))))
    stop = median - CUTOFF * (median - space.best)
    return int(np.argmax(curve <= stop)) + 1


def performance(trajectory: Sequence[float], space: Space) -> float:
    """How much of what random search leaves is gained, averaged over the budget: 0 is as good as
    random search, 1 is the optimum at once."""
    curve, most = baseline(space), budget(space)
    padded = [*trajectory, *[trajectory[-1]] * most][:most]
    best = np.minimum(padded, _slowest(space))
    room = curve[:most] - space.best
    gained = np.where(room > 0, (curve[:most] - best) / np.where(room > 0, room, 1), 1.0)
    return float(gained.mean())


def score(
    strategy: str,
    found: Sequence[tuple[Space, Sequence[Sequence[float]]]],
    rng: np.random.Generator,
) -> Score:
    """All searches of one strategy: for each space its trajectories."""

    def each(value: Callable[[Sequence[float], Space], float]) -> list[FloatArray]:
        return [np.array([value(t, space) for t in runs], float) for space, runs in found]

    counts = each(lambda t, space: evaluations(t, space.best)[0])
    reached = each(lambda t, space: evaluations(t, space.best)[1])
    return Score(
        strategy,
        bootstrap(counts, geometric, rng),
        bootstrap(counts, _ninety, rng),
        bootstrap(each(lambda t, space: regret(t, space.best, 1)), geometric, rng),
        bootstrap(each(lambda t, space: regret(t, space.best, 10)), geometric, rng),
        bootstrap(each(performance), lambda x: float(x.mean()), rng),
        sum(map(len, counts)),
        int(sum((1 - good).sum() for good in reached)),
    )


def _ninety(x: FloatArray) -> float:
    return float(np.quantile(x, 0.9))


def geometric(x: FloatArray) -> float:
    return math.exp(float(np.log(x).mean()))


def bootstrap(
    groups: Sequence[FloatArray], statistic: Callable[[FloatArray], float], rng: np.random.Generator
) -> Interval:
    """A statistic of all values, with bounds from samples: the groups drawn anew, and the values
    within each, as other spaces and other seeds would have been."""
    value = statistic(np.concatenate(groups))
    drawn = []
    for picks in rng.integers(0, len(groups), (DRAWS, len(groups))):
        values = [groups[i][rng.integers(0, len(groups[i]), len(groups[i]))] for i in picks]
        drawn.append(statistic(np.concatenate(values)))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(value, float(low), float(high))


def _finite(ns: FloatArray) -> FloatArray:
    slowest = ns[np.isfinite(ns)].max()
    finite: FloatArray = np.minimum(ns, slowest)
    return finite


def _slowest(space: Space) -> float:
    return max(t for t in space.ns if t < math.inf)
