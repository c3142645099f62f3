"""The process against its textbook formulas, and what it learns from data made to be known."""

from __future__ import annotations

import numpy as np
import pytest

from autoresearch.model import FloatArray
from autoresearch.prior import Shape, features
from autoresearch.prior.process import Process, Rows, Space, _observed, likelihood

VALUES = (1, 2, 4, 8, 16)


def space(places: int = 2) -> Space:
    knobs = features.apart(VALUES), features.apart(VALUES), features.apart((True, False))
    here = [("m", (Shape.read(f"f: n={4**n},dist=a"),)) for n in range(places)]
    return Space(knobs, features.traits(here), places)


def drawn(seed: int, n: int, places: int = 2) -> Rows:
    rng = np.random.default_rng(seed)
    settings = np.stack([rng.integers(0, 5, n), rng.integers(0, 5, n), rng.integers(0, 2, n)], 1)
    at = np.arange(n) % places
    return Rows(settings, at, at)


def slow(rows: Rows, seed: int = 0) -> FloatArray:
    """The first knob decides, the second does a little at the second place, the third nothing."""
    first, second, _ = rows.settings.T
    noise = np.random.default_rng(seed).normal(0, 0.01, len(first))
    y: FloatArray = 0.2 * (first - 2.0) ** 2 + 0.02 * rows.places * second + noise
    return y


def test_rows_left_out_are_expected_as_if_the_rest_were_all() -> None:
    rows = drawn(0, 24)
    model = Process.of(space(), rows, slow(rows), 0)
    parts = [rows.groups == 0, np.arange(24) == 1, np.arange(24) == 5]
    found = model.unseen(parts)
    for part in parts:
        rest = np.flatnonzero(~part)
        matrix = _observed(model.space, model.weights, rows)
        across = matrix[np.ix_(part, rest)]
        expected = across @ np.linalg.solve(matrix[np.ix_(rest, rest)], model.y[rest])
        assert found[part] == pytest.approx(expected, abs=1e-6)


def test_the_likelihood_is_that_of_a_normal_distribution() -> None:
    rows = drawn(1, 15)
    y, weights = slow(rows), space().start
    matrix = _observed(space(), weights, rows)
    scale = y @ np.linalg.solve(matrix, y) / len(y)
    expected = -0.5 * (len(y) * np.log(scale) + np.linalg.slogdet(matrix)[1])
    assert likelihood(space(), weights, rows, y) == pytest.approx(expected, rel=1e-4)


def test_what_decides_is_told_from_what_does_not() -> None:
    rows = drawn(2, 60)
    weights = Process.of(space(), rows, slow(rows), 0).weights
    assert weights[0] > weights[2], "the first knob matters more than the third"


def test_the_best_setting_is_expected_to_be_the_best() -> None:
    rows = drawn(3, 40)
    model = Process.of(space(), rows, slow(rows), 0)
    every = np.array([(a, b, 0) for a in range(5) for b in range(5)])
    mean, spread = model.expected(Rows(every, np.zeros(25, np.int64), np.full(25, -1)))
    assert every[mean.argmin()][0] == 2
    assert (spread >= 0).all()


def test_levels_of_groups_say_nothing() -> None:
    rows, every = drawn(4, 40), drawn(5, 30)
    one, other = (
        Process.of(space(), rows, slow(rows) + level * rows.groups, 0).expected(every)[0]
        for level in (0.0, 5.0)
    )
    assert np.corrcoef(one, other)[0, 1] > 0.99


def test_a_setting_far_from_all_is_less_sure() -> None:
    near = Rows(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]), *np.zeros((2, 4), np.int64))
    model = Process.of(space(1), near, np.array([0.1, 0.4, 0.2, 0.5]), 0)
    asked = Rows(np.array([[0, 0, 0], [4, 4, 1]]), *np.zeros((2, 2), np.int64))
    known, unknown = model.expected(asked)[1]
    assert known < unknown


def test_numbers_are_apart_by_their_logarithms_and_words_are_the_same_or_not() -> None:
    table = features.apart((0, 1, 3, 7))
    assert table[0, 3] == pytest.approx(1.0) and np.diag(table).tolist() == [0.0] * 4
    assert table[0, 1] == pytest.approx(features.STEP + (1 - features.STEP) / 3)
    assert features.apart(("a", "b", "c")).tolist() == (1.0 - np.eye(3)).tolist()
    assert features.apart((1,)).tolist() == [[0.0]]


def test_places_differ_by_size_word_and_machine() -> None:
    shapes = [(Shape.read(f"f: n={n},d=8,dist={word}"),) for n, word in ((16, "a"), (64, "b"))]
    found = features.traits([("m", shapes[0]), ("m", shapes[1]), ("k", shapes[0])])
    assert len(found) == 3, "d is the same everywhere"
    assert sorted(float(table[0, 1]) for table in found) == [0.0, 1.0, 1.0]
    both = features.traits([("m", (*shapes[0], *shapes[1])), ("m", shapes[0]), ("m", shapes[1])])
    assert all(table[0, 1] == pytest.approx(0.5) for table in both)
    assert features.traits([("m", ())]) == ()
