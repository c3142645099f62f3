"""Replays: every strategy on a space, seed after seed, told only the times it asked for.

Knows spaces and strategies; what it gives a strategy of other spaces is what the caller allows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import Refusal
from ..prior import Past, Shape
from .scores import NEAR, Score, budget, score
from .space import Space
from .strategies import STRATEGIES, Problem, Search

PART = 64  # settings of each other space that a past holds where no sweep has tried all
MOST = 100  # evaluations of one replay
Others = Sequence[Space]


@dataclass(frozen=True, slots=True)
class Timed:
    """A strategy's score, and how long the evaluations it replayed took live, per second of this
    processor."""

    score: Score
    faster: float


def rows(spaces: Others, rng: np.random.Generator, most: int | None = None) -> tuple[Past, ...]:
    """Settings of other spaces, all or `most` random ones of each, as the ledger would tell them: a
    group for each space."""
    found: list[Past] = []
    for space in spaces:
        places = rng.permutation(len(space.settings))[:most]
        found += _told(space, sorted(places.tolist()))
    return tuple(found)


def _told(space: Space, places: Sequence[int]) -> list[Past]:
    shapes, first = (Shape.read(space.shape),), next(t for t in space.ns if t < math.inf)
    return [
        Past(
            *(space.target, space.machine, "", space.settings[place]),
            *("keep" if space.ns[place] < math.inf else "crash", space.name),
            ratio=first / space.ns[place] if space.ns[place] < math.inf else None,
            shapes=shapes,
        )
        for place in places
    ]


def problem(space: Space, past: tuple[Past, ...] = ()) -> Problem:
    """What a strategy may know of a space."""
    shape = Shape.read(space.shape)
    return Problem(space.target, shape, space.machine, space.settings, past)


def search(
    space: Space, strategy: Search, most: int = MOST, scored: int | None = None
) -> tuple[float, ...]:
    """The best time after each evaluation, until the optimum or `most` evaluations; within 5 % of
    it the search ends after `scored`, where nothing that is scored can change any more."""
    scored = scored or max(10, budget(space))
    best, place = math.inf, next(strategy, None)
    found: list[float] = []
    while place is not None and len(found) < most:
        best = min(best, space.ns[place])
        found.append(best)
        if best == space.best or (len(found) >= scored and best <= NEAR * space.best):
            break
        try:
            place = strategy.send(space.ns[place])
        except StopIteration:
            break
    return tuple(found)


def searches(
    space: Space, name: str, others: Others, seeds: int, most: int = MOST
) -> list[tuple[float, ...]]:
    """One strategy on one space, `seeds` times; the prior is told the others, or of each a part,
    seed by seed another one."""
    found, scored = [], max(10, budget(space))
    every = rows(others, np.random.default_rng(0)) if name == "prior" else ()
    known = problem(space, every)
    for seed in range(seeds):
        rng = np.random.default_rng([seed, len(space.settings)])
        if name == "prior of a part":
            known = problem(space, rows(others, rng, PART))
        found.append(search(space, STRATEGIES[name](known, rng), most, scored))
    return found


def compare(space: Space, others: Others, seeds: int, most: int = MOST) -> list[Timed]:
    """All strategies on one space; the prior knows the others."""
    if any(other.name == space.name for other in others):
        what = f"The past holds {space.name} itself, which would tell the answer."
        raise Refusal(what, "Leave that file out of --past.")
    return [_timed(space, name, others, seeds, most) for name in STRATEGIES]


def _timed(space: Space, name: str, others: Others, seeds: int, most: int) -> Timed:
    begin = time.process_time()
    found = searches(space, name, others, seeds, most)
    here = time.process_time() - begin
    live = space.seconds * sum(map(len, found))
    return Timed(score(name, [(space, found)], np.random.default_rng(0)), live / here)
