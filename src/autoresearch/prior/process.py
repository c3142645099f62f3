"""A Gaussian process over settings and the places they ran in: what to expect of a setting nobody
tried, and how surely.

Two settings are alike where their knobs are, each knob as far as it matters, and two places where
their traits are (shape and machine, of which some matter too). How much each counts is what makes
the rows most likely (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, 2.3,
5.1 and 5.4). Knows numbers; nothing of trials. numpy alone, milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import FloatArray

Ints = NDArray[np.int64]
Weights = tuple[int, ...]  # of knobs, of traits, and of OTHERS: places in the tables below
LEVEL = 100.0  # variance of a group's level, in those of settings: as good as unknown
SAMPLE = 160  # rows whose likelihood chooses what counts
PASSES = 2
MATTERS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  # ln of likeness lost over the whole range of a knob
OWN = (0.03, 0.1, 0.3, 0.6, 0.9)  # share of what settings do that is a place's own
JOINT = (0.3, 0.5, 0.7, 0.9, 1.0)  # share of a knob's effect that hangs on the other knobs
NOISE = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of the variance of settings
OTHERS = (OWN, JOINT, NOISE)
START = (1, 2, 2)


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
    """How far apart, 0 to 1, any two values of each knob are and any two of `places` places by each
    of their traits."""

    knobs: tuple[FloatArray, ...]
    traits: tuple[FloatArray, ...]
    places: int

    @property
    def tables(self) -> tuple[tuple[float, ...], ...]:
        """What each weight is a place in."""
        return (*(MATTERS,) * (len(self.knobs) + len(self.traits)), *OTHERS)

    @property
    def start(self) -> Weights:
        return (*(3,) * (len(self.knobs) + len(self.traits)), *START)


def likeness(space: Space, weights: Weights, a: Rows, b: Rows) -> FloatArray:
    """f64[a, b], levels and noise apart; 1 is the variance of a setting."""
    own, joint = OWN[weights[-3]], JOINT[weights[-2]]
    matters = [MATTERS[at] for at in weights]
    shared = np.full((space.places, space.places), 1 - own)
    for trait, weight in zip(space.traits, matters[len(space.knobs) :], strict=False):
        shared *= np.exp(-weight * trait)
    alike = _looked_up(shared + own * np.eye(len(shared)), a.places, b.places)
    for knob, (apart, weight) in enumerate(zip(space.knobs, matters, strict=False)):
        table = 1 - joint + joint * np.exp(-weight * apart)
        alike *= _looked_up(table, a.settings[:, knob], b.settings[:, knob])
    return alike


def _looked_up(table: FloatArray, a: Ints, b: Ints) -> FloatArray:
    """table[a, b] for all pairs, a tenth of the time that indexing by both would take."""
    return table.take(a, axis=0).take(b, axis=1)


def _observed(space: Space, weights: Weights, rows: Rows) -> FloatArray:
    matrix = likeness(space, weights, rows, rows)
    matrix += LEVEL * (rows.groups[:, None] == rows.groups[None, :])
    matrix.flat[:: len(matrix) + 1] += NOISE[weights[-1]]
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


def fitted(space: Space, rows: Rows, y: FloatArray, here: int) -> Weights:
    """The weights that make the rows likely, changed one at a time, a step up or down."""
    if len(y) > SAMPLE:
        sample = _sample(rows.places == here)
        rows, y = rows.part(sample), y[sample]
    weights, best = space.start, -math.inf
    for _ in range(PASSES):
        for at, table in enumerate(space.tables):
            for place in (weights[at], weights[at] - 1, weights[at] + 1):
                other = (*weights[:at], place, *weights[at + 1 :])
                if not 0 <= place < len(table) or (other == weights and best > -math.inf):
                    continue
                found = likelihood(space, other, rows, y)
                if found > best:
                    weights, best = other, found
    return weights


def _sample(here: NDArray[np.bool_]) -> Ints:
    """Rows from here before all, of the others as many as there is room for, evenly."""
    own, others = np.flatnonzero(here)[: SAMPLE // 2], np.flatnonzero(~here)
    at = np.linspace(0, len(others) - 1, min(len(others), SAMPLE - len(own)))
    return np.concatenate([own, others[at.astype(np.int64)]])


@dataclass(frozen=True)
class Process:
    """Rows with their outcomes, ready to be asked."""

    space: Space
    weights: Weights
    rows: Rows
    y: FloatArray
    inverse: FloatArray

    @classmethod
    def of(cls, space: Space, rows: Rows, y: FloatArray, here: int) -> Process:
        """Of rows, to ask about the place `here`."""
        weights = fitted(space, rows, y, here)
        inverse: FloatArray = np.linalg.inv(_observed(space, weights, rows)).astype(np.float64)
        return cls(space, weights, rows, y, inverse)

    def expected(self, new: Rows) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of each new setting above the level of its group."""
        across = likeness(self.space, self.weights, new, self.rows)
        pulled = across @ self.inverse
        scale = float(self.y @ self.inverse @ self.y) / len(self.y)
        left = 1 - (pulled * across).sum(1)
        return pulled @ self.y, np.sqrt(scale * np.maximum(left, 0.0))

    def unseen(self, parts: Sequence[NDArray[np.bool_]]) -> FloatArray:
        """What each row would have been expected to be without its part."""
        pulled, found = self.inverse @ self.y, np.full_like(self.y, np.nan)
        for part in parts:
            block = self.inverse[np.ix_(part, part)]
            found[part] = self.y[part] - np.linalg.solve(block, pulled[part])
        return found
