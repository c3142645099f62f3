"""The process against its textbook formulas, and what it learns from data made to be known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoresearch.model import FloatArray
from autoresearch.prior import Shape, features, process
from autoresearch.prior.process import Belief, Rows

VALUES = (1, 2, 4, 8, 16)
KNOBS = features.apart(VALUES), features.apart(VALUES), features.apart((True, False))
EVERY = np.array([(a, b, c) for a in range(5) for b in range(5) for c in range(2)])


def drawn(seed: int, n: int, groups: int = 2) -> Rows:
    rng = np.random.default_rng(seed)
    return Rows(EVERY[rng.integers(0, len(EVERY), n)], np.arange(n) % groups)


def slow(settings: FloatArray, best: float = 2.0, seed: int = 0) -> FloatArray:
    """The first knob decides, the second does a little, the third nothing."""
    first, second, _ = settings.T
    noise = np.random.default_rng(seed).normal(0, 0.01, len(first))
    y: FloatArray = 0.2 * (first - best) ** 2 + 0.02 * second + noise
    return y


def test_the_likelihood_is_that_of_a_normal_distribution() -> None:
    rows = drawn(1, 15)
    y, weights = slow(rows.settings), (3, 3, 3, 2, 2)
    matrix = process._observed(KNOBS, weights, rows)
    variance = y @ np.linalg.solve(matrix, y) / len(y)
    expected = -0.5 * (len(y) * np.log(variance) + np.linalg.slogdet(matrix)[1])
    found = process.likelihood(KNOBS, weights, rows, y)
    assert found == pytest.approx((expected, variance), rel=1e-4)


def test_what_decides_is_told_from_what_does_not() -> None:
    rows = drawn(2, 60)
    weights, variance = process.fitted(KNOBS, rows, slow(rows.settings))
    assert weights[0] > weights[2], "the first knob matters more than the third"
    assert variance > 0


def test_the_best_setting_is_expected_to_be_the_best() -> None:
    rows = drawn(3, 40)
    belief = process.taught(KNOBS, EVERY, rows, slow(rows.settings))
    assert EVERY[belief.mean.argmin()][0] == 2
    assert belief.mean.mean() == pytest.approx(0, abs=1e-9)
    assert (np.diag(belief.covariance) >= -1e-9).all()


def test_levels_of_groups_say_nothing() -> None:
    rows = drawn(4, 40)
    one, other = (
        process.taught(KNOBS, EVERY, rows, slow(rows.settings) + level * rows.groups).mean
        for level in (0.0, 5.0)
    )
    assert np.corrcoef(one, other)[0, 1] > 0.99


def belief(size: int = 6) -> Belief:
    rng = np.random.default_rng(5)
    root = rng.normal(size=(size, size))
    covariance = root @ root.T / size
    return Belief(rng.normal(size=size), covariance, covariance, 0.01)


def test_what_was_told_is_a_normal_distribution_given_the_outcomes() -> None:
    known, at, y = belief(), np.array([4, 1, 1]), np.array([0.3, -0.2, 0.1])
    wide = known.covariance + process.LEVEL
    matrix = wide[np.ix_(at, at)] + 0.01 * np.eye(3)
    pulled = wide[:, at] @ np.linalg.inv(matrix)
    mean, spread = known.told(at, np.zeros(3, np.int64), y)
    assert mean == pytest.approx(known.mean + pulled @ (y - known.mean[at]))
    left = np.diag(wide) - (pulled * wide[:, at]).sum(axis=1)
    assert spread == pytest.approx(np.sqrt(left), abs=1e-6)


def test_nothing_told_changes_nothing() -> None:
    none = np.zeros(0, np.int64)
    mean, spread = belief().told(none, none, np.zeros(0))
    assert mean.tolist() == belief().mean.tolist()
    assert spread == pytest.approx(np.sqrt(np.diag(belief().covariance)))


def test_outcomes_compare_within_their_group() -> None:
    groups, y = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.2, 0.5])
    at = np.array([0, 1, 2, 3])
    one, other = (belief().told(at, groups, y + shift * groups)[0] for shift in (0.0, 3.0))
    assert np.corrcoef(one, other)[0, 1] > 0.99


def test_a_setting_far_from_all_is_less_sure() -> None:
    rows = Rows(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]), np.zeros(4, np.int64))
    y = np.array([0.1, 0.4, 0.2, 0.5])
    alone = process.unknown(KNOBS, EVERY, rows, y)
    at = np.array([EVERY.tolist().index(row) for row in rows.settings.tolist()])
    spread = alone.told(at, rows.groups, y)[1]
    assert spread[EVERY.tolist().index([0, 0, 0])] < spread[EVERY.tolist().index([4, 4, 1])]


def test_places_are_pooled_by_their_shares() -> None:
    rows = drawn(6, 60)
    one, other = (
        process.taught(KNOBS, EVERY, rows, slow(rows.settings, best)) for best in (1.0, 3.0)
    )
    near = process.pooled([one, other], np.array([0.9, 0.1]))
    assert EVERY[near.mean.argmin()][0] == 1
    both = process.pooled([one, other], np.array([0.5, 0.5]))
    sure, unsure = (np.diag(b.covariance).mean() for b in (process.pooled([one], np.ones(1)), both))
    assert unsure > sure, "places that differ teach less"


def test_the_improvement_is_the_mean_of_what_is_below() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.5, 400_000)
    (found,) = process.improvement(np.array([0.3]), np.array([0.5]), 0.2)
    assert found == pytest.approx(np.maximum(0.2 - draws, 0).mean(), rel=0.02)
    assert process.improvement(np.array([1.0]), np.array([0.0]), 0.2)[0] == 0
    assert not math.isnan(process.improvement(np.array([0.2]), np.array([0.0]), 0.2)[0])


def test_numbers_are_apart_by_their_logarithms_and_words_are_the_same_or_not() -> None:
    table = features.apart((0, 1, 3, 7))
    assert table[0, 3] == pytest.approx(1.0) and np.diag(table).tolist() == [0.0] * 4
    assert table[0, 1] == pytest.approx(features.STEP + (1 - features.STEP) / 3)
    assert features.apart(("a", "b", "c")).tolist() == (1.0 - np.eye(3)).tolist()
    assert features.apart((1,)).tolist() == [[0.0]]


def test_places_differ_by_size_word_and_machine() -> None:
    shapes = [(Shape.read(f"f: n={n},d=8,dist={word}"),) for n, word in ((16, "a"), (64, "b"))]
    here = ("m", shapes[0])
    assert features.away([("m", shapes[1])], here).tolist() == [1.0], "d is the same everywhere"
    found = features.away([("m", shapes[1]), ("k", shapes[0]), here], here)
    assert found == pytest.approx([2 / 3, 1 / 3, 0.0])
    both = features.away([("m", (*shapes[0], *shapes[1])), ("m", shapes[1])], here)
    assert both == pytest.approx([0.5, 1.0])
    assert features.away([here], here).tolist() == [0.0]
    assert features.away([], here).tolist() == []
