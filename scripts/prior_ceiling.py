"""How few evaluations a search could need where a target is new: what knowing more would gain.

Each row knows, of the very space that it searches, what the prior can't: which knobs matter, or how
fast their values are. Times are told with the noise of a measurement, so that searches differ.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from autoresearch.model import FloatArray
from autoresearch.prior import features, process, ranking
from autoresearch.prior.process import Belief, Rows
from autoresearch.replay import run, scores, strategies, t4
from autoresearch.replay.space import Space

ROOT = Path(__file__).resolve().parent.parent
HOPE = 1.0  # the best of 0.5, 1 and 1.5 for what is known so well
Terms = Sequence[tuple[int, ...]]  # knobs whose values' effects are known together


def blurred(search: strategies.Search, noise: float, rng: np.random.Generator) -> strategies.Search:
    """A search that is told each time with the error of one measurement."""
    place = next(search, None)
    while place is not None:
        ns = yield place
        try:
            place = search.send(ns * math.exp(noise * rng.normal()))
        except StopIteration:
            return


def known(space: Space, terms: Terms) -> Belief:
    """The process that fits a space best, about what changing knobs costs on the whole, or where
    there are terms about the effects of their values."""
    learnt = ranking.learn(space.settings, ())
    knobs = tuple(features.apart([value for _, value in values]) for _, values in learnt.values)
    slow = np.minimum(np.log(np.array(space.ns) / space.best), ranking.CLIP)
    changed = (learnt.table != learnt.table[0]).mean(axis=1)
    mean = _fit(learnt.table, terms, slow) if terms else slow.std() * changed
    rows = np.random.default_rng(0).permutation(len(slow))
    groups = np.zeros(len(slow), np.int64)
    weights, variance = process.fitted(knobs, Rows(learnt.table[rows], groups), (slow - mean)[rows])
    smooth = variance * process.likeness(knobs, weights, learnt.table, learnt.table)
    noise = max(variance * process.NOISE[weights[-1]], process.LEAST)
    return Belief(mean, smooth, smooth, noise)


def _fit(table: process.Ints, terms: Terms, slow: FloatArray) -> FloatArray:
    columns = [np.ones(len(slow))]
    for term in terms:
        names = table[:, term]
        columns += [(names == found).all(axis=1) for found in np.unique(names, axis=0)]
    matrix = np.array(columns, float).T
    fitted: FloatArray = matrix @ np.linalg.lstsq(matrix, slow, rcond=None)[0]
    return fitted


def search(belief: Belief, first: int | None) -> strategies.Search:
    """From `first`, or what is expected to be fastest, to what is expected to improve most."""
    left = list(range(len(belief.mean)))
    place = int(belief.mean.argmin()) if first is None else first
    at: list[int] = []
    ns: list[float] = []
    while True:
        left.remove(place)
        ns.append((yield place))
        at.append(place)
        if not left:
            return
        slow = np.minimum(np.log(np.array(ns) / min(ns)), ranking.CLIP)
        groups = np.zeros(len(at), np.int64)
        mean, spread = belief.told(np.array(at), groups, slow)
        gain = process.improvement(mean[left], HOPE * spread[left], float(mean[at].min()))
        place = left[int(gain.argmax())]


Searcher = Callable[[Space, np.random.Generator], strategies.Search]


def rows(knobs: int) -> dict[str, Searcher]:
    """By what is known."""
    alone: Terms = [(n,) for n in range(knobs)]
    pairs: Terms = [*itertools.combinations(range(knobs), 2)]

    def nothing(space: Space, rng: np.random.Generator) -> strategies.Search:
        return strategies.prior(run.problem(space), rng)

    return {
        "nothing: the prior without a past": nothing,
        "which knobs matter, and how much": lambda space, _: search(known(space, ()), 0),
        "each value's mean effect too": lambda space, _: search(known(space, alone), None),
        "each pair's mean effect too": lambda space, _: search(known(space, pairs), None),
    }


def line(name: str, spaces: Sequence[Space], seeds: int) -> str:
    """A row of the table."""
    needs, regrets, counts = [], [], []
    for space in spaces:
        chances = scores.lottery(space)
        random = float(chances @ np.log(np.arange(1, len(chances) + 1)))
        for seed in range(seeds):
            rng = np.random.default_rng([seed, len(space.ns)])
            asked = rows(len(space.knobs))[name](space, rng)
            told = run.search(space, blurred(asked, space.noise, rng))
            counts.append(scores.evaluations(told, space.best)[0])
            needs.append(random - math.log(counts[-1]))
            regrets.append(told[min(9, len(told) - 1)] / space.best)
    factor, regret = math.exp(float(np.mean(needs))), scores.geometric(np.array(regrets))
    count = scores.geometric(np.array(counts, float))
    return f"| {name} | {count:.1f} | {factor:.1f}x | {regret:.3f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spaces", type=Path, default=ROOT / "spaces")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    spaces = [t4.load(path) for path in sorted(options.spaces.rglob("*.json.gz"))]
    print("| known of the space | evaluations | random needs | regret@10 |\n|---|---|---|---|")
    for name in rows(0):
        print(line(name, spaces, options.seeds), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
