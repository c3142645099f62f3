"""Spawns with one process for each arm, round after round on the same inputs, all answers compared.

Knows arms by name and pipelines; nothing of targets, of rows or of thresholds. The spawn is the
unit, as in a trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import exp, inf

import numpy as np
from numpy.random import Generator

from ..errors import Refusal
from ..model import FloatArray, Pair
from ..policy import POLICY
from ..runner.pair import SPAN, STEP
from ..stats import interval, pairing
from . import answers
from .bench import Arm, Bench
from .pipeline import Arrays, Pipeline, Share
from .record import Interval, Line

SHARED = 3  # spawns that also say what share the op takes: it differs less than a ratio
Tell = Callable[[str], None]


@dataclass(slots=True)
class Seen:
    """ns[arm] f64[spawns][rounds, pipelines]; shares, and recall's two counts by arm, of each
    pipeline."""

    ns: dict[str, list[FloatArray]]
    shares: dict[str, list[Share]]
    recall: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)


def run(bench: Bench, spawns: int, rounds: int, rng: Generator, tell: Tell) -> Seen:
    """Measure every arm of the bench, the product's among them, in an even number of rounds;
    Refusal where an arm's answers are not the product's."""
    arms = list(bench.kernels)
    seen = Seen({arm: [] for arm in arms}, {p.name: [] for p in bench.pipelines})
    tell("compiling")
    for arm in arms:
        with bench.arm(arm, 0):  # leaves its machine code behind, for all that follow to load
            pass
    for spawn in range(spawns):
        tell(f"spawn {spawn + 1} of {spawns}")
        with ExitStack() as stack:
            moved = rng.integers(SPAN // STEP, size=len(arms)) * STEP
            live = {
                arms[i]: stack.enter_context(bench.arm(arms[i], int(moved[i])))
                for i in rng.permutation(len(arms))
            }
            _spawn(bench, live, rounds, rng, seen)
            for pipeline in bench.pipelines if spawn < SHARED else ():
                seen.shares[pipeline.name].append(live["product"].share(pipeline.name))
    _check_recall(seen)
    return seen


def _spawn(bench: Bench, live: Mapping[str, Arm], rounds: int, rng: Generator, seen: Seen) -> None:
    ns = {arm: np.empty((rounds, len(bench.pipelines))) for arm in live}
    for column, pipeline in enumerate(bench.pipelines):
        for batch, order in enumerate(_orders(list(live), rounds, rng)):
            told = {arm: live[arm].run(pipeline.name, batch) for arm in order}
            for arm in order:
                ns[arm][batch, column] = told[arm][0]
            _compare(bench, pipeline, batch, {arm: told[arm][1] for arm in order}, seen)
    for arm in live:
        seen.ns[arm].append(ns[arm])


def _orders(arms: list[str], rounds: int, rng: Generator) -> Iterator[list[str]]:
    """Blocks of two rounds, the second in the order opposite to the first."""
    for _ in range(rounds // 2):
        order = [arms[i] for i in rng.permutation(len(arms))]
        yield from (order, order[::-1])


def _compare(
    bench: Bench, pipeline: Pipeline, batch: int, found: Mapping[str, Arrays], seen: Seen
) -> None:
    drawn = bench.drawn[pipeline.name]
    for arm, answer in found.items():
        told = answers.differ(pipeline.answers, found["product"], answer, drawn, batch)
        if told:
            raise _differ(pipeline.name, arm, told)
        if "true" in drawn:
            counts = answers.found(drawn["true"][batch], answer["ids"])
            seen.recall.setdefault((pipeline.name, arm), []).append(counts)


def _check_recall(seen: Seen) -> None:
    """A lossy op may find other ids, and no fewer."""
    sums = {key: np.sum(counts, axis=0) for key, counts in seen.recall.items()}
    recall = {key: float(hit / there) for key, (hit, there) in sums.items()}
    for (pipeline, arm), value in recall.items():
        expected = recall[pipeline, "product"]
        if value < expected - answers.LOSS:
            raise _differ(pipeline, arm, f"recall is {value:.3f}, expected {expected:.3f}")


def _differ(pipeline: str, arm: str, told: str) -> Refusal:
    what = f"{pipeline} gives no number: the {arm}'s answers are not the product's ({told})."
    return Refusal(what, "Correct the kernel, or the reference if that is what is wrong.")


def lines(seen: Seen) -> tuple[Line, ...]:
    """Each pipeline's share and calls, means over the spawns, and speed-ups."""
    found = []
    for column, (name, shares) in enumerate(seen.shares.items()):
        share = float(np.mean([one.op / one.whole for one in shares]))
        found.append(Line(name, min(share, 1.0), shares[0].calls, versus(seen, [column])))
    return tuple(found)


def versus(seen: Seen, columns: list[int] | slice) -> dict[str, Interval]:
    """The champion's speed-up over each other arm: geometric mean over these pipelines."""
    others = [arm for arm in seen.ns if arm != "champion"] if "champion" in seen.ns else []
    return {arm: _ratio(seen, arm, columns) for arm in others}


def _ratio(seen: Seen, base: str, columns: list[int] | slice) -> Interval:
    """Plain t over the spawns of the log ratio, each the median of its blocks."""
    both = zip(seen.ns[base], seen.ns["champion"], strict=True)
    D = pairing.stack([Pair(a, b) for a, b in both])[:, columns]
    X = pairing.mean_over_workloads(D, inf)
    mean, low, high = interval.mean_interval(X, POLICY.interval_level)
    return exp(mean), exp(low), exp(high)
