"""What to expect of settings nobody tried: a mean and a covariance for all of them at once.

At one place that is a Gaussian process over settings, which are alike where their knobs are, each
knob as far as it matters; how much each counts is what makes the rows most likely (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, 2.3 and 5.4). For a new place it is the
mean of the others and of what is usual of any kernel, and how they differ from each other. Knows
numbers; nothing of trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..model import FloatArray

Ints = NDArray[np.int64]
Knobs = tuple[FloatArray, ...]  # of each, how far apart any two of its values are, 0 to 1
Weights = tuple[int, ...]  # of each knob, JOINT and NOISE: places in the tables below
LEVEL = 100.0  # variance of a group's level, that of settings being about 1: as good as unknown
SAMPLE = 96  # rows whose likelihood chooses what counts
PASSES = 2
MATTERS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  # ln of likeness lost over the whole range of a knob
JOINT = (0.3, 0.5, 0.7, 0.9, 1.0)  # share of a knob's effect that hangs on the other knobs
NOISE = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)  # of the variance of settings
LEAST = 1e-3  # variance of one measurement: 3 % of its time
SPREAD = 2.0  # a place may differ from the others more than few of them do from each other
USUAL = 0.024  # variance of settings, the same for any kernel; `OWN` comes on top
PULL = 0.2  # ln of the time that changing all knobs costs
OWN = 2.4  # times the variance of settings, that a place shares with no other


@dataclass(frozen=True)
class Rows:
    """Settings i64[n, knobs] as places in each knob's values, and whom each raced: outcomes compare
    within a group only."""

    settings: Ints
    groups: Ints

    def part(self, at: Ints) -> Rows:
        return Rows(self.settings[at], self.groups[at])

    @property
    def same(self) -> FloatArray:
        """f64[n, n]: 1 where two rows are of one group."""
        found: FloatArray = (self.groups[:, None] == self.groups).astype(np.float64)
        return found


def likeness(knobs: Knobs, weights: Weights, a: Ints, b: Ints) -> FloatArray:
    """f64[a, b]; 1 is the variance of a setting."""
    joint, alike = JOINT[weights[-2]], np.ones((len(a), len(b)))
    for knob, apart in enumerate(knobs):
        table = 1 - joint + joint * np.exp(-MATTERS[weights[knob]] * apart)
        alike *= table.take(a[:, knob], axis=0).take(b[:, knob], axis=1)
    return alike


def _observed(knobs: Knobs, weights: Weights, rows: Rows) -> FloatArray:
    matrix = likeness(knobs, weights, rows.settings, rows.settings) + LEVEL * rows.same
    matrix.flat[:: len(matrix) + 1] += NOISE[weights[-1]]
    return matrix


def likelihood(knobs: Knobs, weights: Weights, rows: Rows, y: FloatArray) -> tuple[float, float]:
    """ln of the likelihood up to a constant, at the best variance, and that; -inf where it cannot
    be had."""
    n = len(y)
    wide = np.full((n + 1, n + 1), 1e12)  # y as one row more: its factor is the factor's inverse y
    wide[:n, :n], wide[n, :n] = _observed(knobs, weights, rows), y
    try:
        lower = np.linalg.cholesky(wide)
    except np.linalg.LinAlgError:
        return -math.inf, 1.0
    variance = max(float(lower[n, :n] @ lower[n, :n]) / n, 1e-12)
    return -0.5 * n * math.log(variance) - float(np.log(np.diag(lower)[:n]).sum()), variance


def fitted(knobs: Knobs, rows: Rows, y: FloatArray) -> tuple[Weights, float]:
    """The weights that make the rows likely, changed one at a time, a step up or down, and the
    variance of settings."""
    if len(y) > SAMPLE:
        sample = np.linspace(0, len(y) - 1, SAMPLE).astype(np.int64)
        rows, y = rows.part(sample), y[sample]
    tables = (*(MATTERS,) * len(knobs), JOINT, NOISE)
    weights: Weights = (*(3,) * len(knobs), 2, 2)
    best, variance = likelihood(knobs, weights, rows, y)
    for at, table in [*enumerate(tables)] * PASSES:
        for place in (weights[at] - 1, weights[at] + 1):
            if 0 <= place < len(table):
                other = (*weights[:at], place, *weights[at + 1 :])
                found = likelihood(knobs, other, rows, y)
                if found[0] > best:
                    weights, (best, variance) = other, found
    return weights, variance


@dataclass(frozen=True)
class Belief:
    """f64[n] and f64[n, n] of n settings; `smooth` is the covariance where nothing was tried yet,
    `noise` the variance of one measurement."""

    mean: FloatArray
    covariance: FloatArray
    smooth: FloatArray
    noise: float

    def told(self, at: Ints, groups: Ints, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of each setting in the first group, once those `at` these
        places had these outcomes."""
        before = np.diag(self.covariance)
        if not len(at):
            return self.mean, np.sqrt(np.maximum(before, 0.0))
        matrix = self.covariance[np.ix_(at, at)] + LEVEL * (groups[:, None] == groups[None, :])
        matrix.flat[:: len(matrix) + 1] += self.noise
        across = self.covariance[at] + LEVEL * (groups == groups[0])[:, None]
        lower = np.linalg.cholesky(matrix)
        pulled = np.linalg.solve(lower, np.column_stack([across, y - self.mean[at]]))
        mean = self.mean + pulled[:, -1] @ pulled[:, :-1]
        left = before + LEVEL - (pulled[:, :-1] ** 2).sum(axis=0)
        return mean, np.sqrt(np.maximum(left, 0.0))


def usual(knobs: Knobs, settings: Ints) -> Belief:
    """Of settings of any kernel, whose author knew it and made the first of them the default: each
    knob that is changed costs something, and all knobs matter alike."""
    changed = (settings != settings[0]).mean(axis=1)
    smooth = USUAL * likeness(knobs, (*(2,) * len(knobs), 2, 0), settings, settings)
    return Belief(PULL * (changed - changed.mean()), smooth, smooth, LEAST)


def unknown(knobs: Knobs, settings: Ints, rows: Rows, y: FloatArray) -> Belief:
    """Of settings, from what `rows` show of which knobs matter, and from nothing else."""
    weights, variance = fitted(knobs, rows, y)
    smooth = variance * likeness(knobs, weights, settings, settings)
    noise = max(variance * NOISE[weights[-1]], LEAST)
    return Belief(np.zeros(len(settings)), smooth, smooth, noise)


def taught(knobs: Knobs, settings: Ints, rows: Rows, y: FloatArray) -> Belief:
    """Of settings at the place that the rows are of, its level taken out."""
    arrays = (settings, rows.settings, rows.groups)
    return _taught(
        tuple((k.tobytes(), len(k)) for k in knobs), *(a.tobytes() for a in arrays), y.tobytes()
    )


@lru_cache(maxsize=24)
def _taught(
    tables: tuple[tuple[bytes, int], ...], grid: bytes, tried: bytes, groups: bytes, slow: bytes
) -> Belief:
    """The same for the same rows, which a replay asks about again and again."""
    knobs = tuple(np.frombuffer(raw).reshape(n, n) for raw, n in tables)
    settings, at = (np.frombuffer(x, np.int64).reshape(-1, len(knobs)) for x in (grid, tried))
    rows, y = Rows(at, np.frombuffer(groups, np.int64)), np.frombuffer(slow)
    weights, variance = fitted(knobs, rows, y)
    smooth = variance * likeness(knobs, weights, settings, settings)
    across = likeness(knobs, weights, at, settings)
    pulled = np.linalg.solve(_observed(knobs, weights, rows), np.column_stack([across, y]))
    mean = across.T @ pulled[:, -1]
    covariance = smooth - variance * across.T @ pulled[:, :-1]
    covariance -= covariance.mean(axis=0)
    covariance -= covariance.mean(axis=1)[:, None]
    noise = max(variance * NOISE[weights[-1]], LEAST)
    return Belief(mean - mean.mean(), covariance, smooth, noise)


def pooled(beliefs: Sequence[Belief], shares: FloatArray) -> Belief:
    """Of the same settings at a place like these, each as far as its share, which sum to 1."""
    means = np.array([b.mean for b in beliefs])
    mean = shares @ means
    gaps = means - mean
    smooth, covariance = np.zeros((2, len(mean), len(mean)))
    for share, belief in zip(shares, beliefs, strict=True):
        smooth += share * belief.smooth
        covariance += share * belief.covariance
    covariance += SPREAD * (gaps.T * shares) @ gaps + OWN * smooth
    noise = float(shares @ [b.noise for b in beliefs])
    return Belief(mean, covariance, smooth, noise)


def improvement(mean: FloatArray, spread: FloatArray, best: float) -> FloatArray:
    """How much below `best` a setting is expected to be, where it is (Jones et al., 1998)."""
    spread = np.maximum(spread, 1e-9)
    z = (best - mean) / spread
    below = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])
    found: FloatArray = spread * (z * below + np.exp(-z * z / 2) / math.sqrt(2 * math.pi))
    return found
