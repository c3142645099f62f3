"""Ways to search a space: each names a setting, is told its time, and names the next.

Knows what anyone knows beforehand and what it was told; the times of a space are not here, so that
no strategy can look at them. No clock, no files.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..model import FloatArray
from ..prior import Past, Shape, features
from ..prior.ranking import Learnt, learn
from .space import Knobs

HERE = "here"  # the group of what a search was told
FIRST = 5  # settings that k-NN draws before it has neighbours to ask
NEAREST = 5

Search = Generator[int, float, None]  # names places in `settings`, is sent their times in ns


@dataclass(frozen=True)
class Problem:
    """What is known before the first evaluation; `settings[0]` is the default one."""

    target: str
    shape: Shape
    machine: str
    settings: tuple[Knobs, ...]
    past: tuple[Past, ...] = ()

    @cached_property
    def learnt(self) -> Learnt:
        """What the past teaches, the same for all searches."""
        return learn(self.settings, self.past, (self.shape,), self.machine, self.target)


Strategy = Callable[[Problem, np.random.Generator], Search]


def random(problem: Problem, rng: np.random.Generator) -> Search:
    """Every setting once, in any order."""
    for place in rng.permutation(len(problem.settings)):
        yield int(place)


def seeds(problem: Problem, rng: np.random.Generator) -> Search:
    """The default, then what differs from it in one knob, then the rest in any order."""
    order = _once(_seeds(problem.settings), rng.permutation(len(problem.settings)))
    yield from (place for place in order)


def nearest(problem: Problem, rng: np.random.Generator) -> Search:
    """The default and a few others, then what lies near the fast ones found so far."""
    away, told = _distances(problem.settings), dict[int, float]()
    for place in _once([0], rng.permutation(len(away))[:FIRST]):
        told[place] = yield place
    while len(told) < len(away):
        left = [i for i in range(len(away)) if i not in told]
        y = np.log(_finite(list(told.values())))
        place = left[int(_neighbours(away[left][:, list(told)], y).argmin())]
        told[place] = yield place


def _distances(settings: Sequence[Knobs]) -> FloatArray:
    """f64[n, n]: as the crow flies, a step of a knob's whole range being 1."""
    square = np.zeros((len(settings), len(settings)))
    for name in settings[0]:
        square += features.apart([setting[name] for setting in settings]) ** 2
    return np.sqrt(square)


def _neighbours(away: FloatArray, y: FloatArray) -> FloatArray:
    """For each row the mean of what is nearest, near ones heavier."""
    k = min(NEAREST, len(y))
    near = np.argpartition(away, k - 1, axis=1)[:, :k]
    weight = 1 / (0.1 + np.take_along_axis(away, near, axis=1))
    mean: FloatArray = (weight * y[near]).sum(1) / weight.sum(1)
    return mean


def prior(problem: Problem, rng: np.random.Generator) -> Search:
    """As a sweep does it: what other places teach, asked before each setting with what was found
    here."""
    told: dict[int, float] = {}
    left = _once([0], rng.permutation(len(problem.settings)))
    while left:
        place = left.pop(problem.learnt.ranking(_rows(problem, told), left).order[0])
        told[place] = yield place


STRATEGIES: dict[str, Strategy] = {
    "random": random,
    "seeds": seeds,
    "k-NN": nearest,
    "prior": prior,  # told other spaces in full
    "prior of a part": prior,
}


def _seeds(settings: Sequence[Knobs]) -> Iterator[int]:
    default = settings[0]
    yield 0
    for place, setting in enumerate(settings):
        if sum(setting[name] != value for name, value in default.items()) == 1:
            yield place


def _once(*parts: Iterable[int]) -> list[int]:
    """All places in turn, each where it comes first."""
    return list(dict.fromkeys(int(place) for part in parts for place in part))


def _rows(problem: Problem, told: dict[int, float]) -> list[Past]:
    """What was found here, newest first, as the prior reads it: a group of its own."""
    found = [ns for ns in told.values() if ns < np.inf]
    return [
        Past(
            *(problem.target, problem.machine, "", problem.settings[place]),
            *("keep" if ns < np.inf else "crash", HERE),
            ratio=found[0] / ns if ns < np.inf else None,
            shapes=(problem.shape,),
        )
        for place, ns in reversed(told.items())
    ]


def _finite(ns: list[float]) -> list[float]:
    """Failures as slow as the slowest success."""
    slowest = max((t for t in ns if t < np.inf), default=1.0)
    return [min(t, slowest) for t in ns]
