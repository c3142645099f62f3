"""A Gaussian process over settings and the places they ran in: what to expect of a setting nobody
tried, and how surely.

Two settings are alike where their knobs are, each knob as far as it matters; two groups are alike
where their shapes and machines are, and have levels of their own. How much each of this counts is
what makes the rows most likely (Rasmussen and Williams, Gaussian Processes for Machine Learning,
2006, 2.3 and 5.4). Knows numbers; nothing of trials. numpy alone, milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..model import FloatArray

Ints = NDArray[np.int64]
LEVEL = 100.0  # variance of a group's level, in those of settings: as good as unknown
SAMPLE = 160  # rows whose likelihood chooses what counts
PASSES = 2
MATTERS = (0.03, 0.1, 0.3, 1.0, 3.0)  # ln of likeness lost over a knob's whole range
OWN = (0.03, 0.1, 0.3, 0.6)  # share of what a setting does that is a group's own
REACH = (0.5, 2.0, 8.0, 32.0)  # doublings of a shape at which likeness is down to 1 / e
NOISE = (1e-3, 1e-2, 1e-1, 1.0)  # of the variance of settings


@dataclass(frozen=True)
class Rows:
    """Settings i64[n, knobs] as places in each knob's values, where each ran, and whom it raced:
    outcomes compare within a group only."""

    settings: Ints
    places: Ints
    groups: Ints

    def part(self, at: Ints) -> Rows:
        return Rows(self.settings[at], self.places[at], self.groups[at])


@dataclass(frozen=True)
class Space:
    """How far apart any two values of each knob are, 0 to 1, and any two places, in doublings."""

    knobs: tuple[FloatArray, ...]
    places: FloatArray


@dataclass(frozen=True)
class Weights:
    """What counts how much: places in the tables above, so that the next ones can be tried."""

    matters: tuple[int, ...]
    own: int = 1
    reach: int = 2
    noise: int = 1

    def neighbours(self, at: int) -> list[Weights]:
        """One number, a step up and a step down."""
        found = []
        for step in (-1, 1):
            if at < len(self.matters):
                place = self.matters[at] + step
                if 0 <= place < len(MATTERS):
                    changed = (*self.matters[:at], place, *self.matters[at + 1 :])
                    found.append(replace(self, matters=changed))
                continue
            name, table = _OTHERS[at - len(self.matters)]
            place = getattr(self, name) + step
            if 0 <= place < len(table):
                found.append(replace(self, **{name: place}))
        return found


_OTHERS = (("own", OWN), ("reach", REACH), ("noise", NOISE))


def likeness(space: Space, weights: Weights, a: Rows, b: Rows) -> FloatArray:
    """f64[a, b], levels and noise apart; 1 is the variance of a setting."""
    own = OWN[weights.own]
    shared = (1 - own) * np.exp(-space.places / REACH[weights.reach])
    alike = (shared + own * np.eye(len(shared)))[a.places[:, None], b.places[None, :]]
    for knob, (apart, at) in enumerate(zip(space.knobs, weights.matters, strict=True)):
        table = np.exp(-MATTERS[at] * apart)
        alike *= table[a.settings[:, knob][:, None], b.settings[:, knob][None, :]]
    return alike


def _observed(space: Space, weights: Weights, rows: Rows) -> FloatArray:
    matrix = likeness(space, weights, rows, rows)
    matrix += LEVEL * (rows.groups[:, None] == rows.groups[None, :])
    matrix.flat[:: len(matrix) + 1] += NOISE[weights.noise]
    return matrix


def likelihood(space: Space, weights: Weights, rows: Rows, y: FloatArray) -> float:
    """ln of the likelihood up to a constant, at the best scale; -inf where it cannot be had."""
    n = len(y)
    wide = np.full((n + 1, n + 1), 1e12)  # y as one row more: its factor is the factor's inverse y
    wide[:n, :n], wide[n, :n] = _observed(space, weights, rows), y
    try:
        lower = np.linalg.cholesky(wide)
    except np.linalg.LinAlgError:
        return -math.inf
    scale = max(float(lower[n, :n] @ lower[n, :n]) / n, 1e-12)
    return -0.5 * n * math.log(scale) - float(np.log(np.diag(lower)[:n]).sum())


def fitted(space: Space, rows: Rows, y: FloatArray) -> Weights:
    """The weights that make these rows likely, one number at a time."""
    every = (
        np.arange(len(y)) if len(y) <= SAMPLE else np.linspace(0, len(y) - 1, SAMPLE).astype(int)
    )
    rows, y = rows.part(every), y[every]
    weights = Weights((2,) * len(space.knobs))
    best = likelihood(space, weights, rows, y)
    for _ in range(PASSES):
        before = best
        for at in range(len(space.knobs) + len(_OTHERS)):
            weights, best = _climbed(weights, best, at, lambda w: likelihood(space, w, rows, y))
        if best == before:
            break
    return weights


def _climbed(
    weights: Weights, best: float, at: int, value: Callable[[Weights], float]
) -> tuple[Weights, float]:
    for other in weights.neighbours(at):
        found = value(other)
        if found > best:
            weights, best = other, found
    return weights, best


@dataclass(frozen=True)
class Process:
    """Rows with their outcomes, ready to be asked."""

    space: Space
    weights: Weights
    rows: Rows
    y: FloatArray
    inverse: FloatArray

    @classmethod
    def of(cls, space: Space, rows: Rows, y: FloatArray) -> Process:
        weights = fitted(space, rows, y)
        return cls(space, weights, rows, y, np.linalg.inv(_observed(space, weights, rows)))

    def expected(self, new: Rows) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of each new setting above the level of its group."""
        across = likeness(self.space, self.weights, new, self.rows)
        pulled = across @ self.inverse
        scale = float(self.y @ self.inverse @ self.y) / len(self.y)
        left = 1 - (pulled * across).sum(1)
        return pulled @ self.y, np.sqrt(scale * np.maximum(left, 0.0))

    def unseen(self, parts: Sequence[NDArray[np.bool_]]) -> FloatArray:
        """What each row would have been expected to be without its part."""
        pulled, found = self.inverse @ self.y, np.empty_like(self.y)
        for part in parts:
            block = self.inverse[np.ix_(part, part)]
            found[part] = self.y[part] - np.linalg.solve(block, pulled[part])
        return found
