"""Draws are reproducible, have the shape asked for, and look like what they are named after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch import draw

SHAPES = [(0, 4), (1, 1), (33, 12), (5,)]


def _rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("dist", draw.FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_floats_are_reproducible_finite_f32(dist, shape):
    x = draw.floats(_rng(), shape, dist)
    assert x.shape == shape and x.dtype == np.float32 and x.flags.c_contiguous
    assert np.isfinite(x).all()
    assert np.array_equal(x, draw.floats(_rng(), shape, dist))


def test_floats_differ_by_seed():
    assert not np.array_equal(
        draw.floats(_rng(), (9,), "normal"), draw.floats(_rng(1), (9,), "normal")
    )


def test_floats_look_like_their_names():
    x = {dist: draw.floats(_rng(), (2000, 16), dist) for dist in draw.FLOATS}
    assert np.mean(x["sparse"] != 0) == pytest.approx(0.1, abs=0.01)
    assert np.mean(x["mostly_zero"] != 0) == pytest.approx(0.01, abs=0.005)
    assert x["uniform"].min() >= 0 and x["uniform"].max() < 1
    assert np.abs(x["wide"]).max() / np.median(np.abs(x["wide"])) > 1e6
    assert x["outlier"].std(axis=0).argmax() == 8
    assert not x["zero"].any()
    assert len(np.unique(x["clustered"].round(-1), axis=0)) < 2000


@given(st.sampled_from(list(draw.CODES)), st.integers(1, 256), st.integers(0, 50))
def test_codes_stay_below_their_levels(dist, levels, n):
    codes = draw.codes(_rng(), (n, 3), levels, dist)
    assert codes.shape == (n, 3) and codes.dtype == np.uint8
    assert not n or codes.max() < levels
    assert np.array_equal(codes, draw.codes(_rng(), (n, 3), levels, dist))


def test_codes_look_like_their_names():
    drawn = {dist: draw.codes(_rng(), (5000,), 256, dist) for dist in draw.CODES}
    assert len(np.unique(drawn["uniform"])) == 256
    assert np.median(drawn["skewed"]) < 32
    assert len(np.unique(drawn["few"])) <= 3
    assert len(np.unique(drawn["constant"])) == 1


def test_a_codebook_gets_better_with_every_round():
    x = draw.floats(_rng(), (600, 12), "clustered")
    errors = []
    for rounds in (0, 1, 4):
        book = draw.codebook(_rng(), x, 3, 16, rounds)
        codes = draw.encode(book, x)
        errors.append(((x - book[np.arange(3), codes].reshape(600, 12)) ** 2).sum())
    assert errors[0] > errors[1] > errors[2]


def test_encode_finds_the_nearest_centroid():
    x = draw.floats(_rng(), (1100, 8), "normal")
    book = draw.codebook(_rng(), x, 2, 31)
    gap = ((x.reshape(-1, 2, 1, 4) - book) ** 2).sum(-1)
    assert np.allclose(
        gap.min(-1), np.take_along_axis(gap, draw.encode(book, x)[..., None], 2)[..., 0]
    )


def test_a_sample_smaller_than_the_codebook_will_do():
    x = draw.floats(_rng(), (5, 4), "normal")
    assert draw.codebook(_rng(), x, 2, 256).shape == (2, 256, 2)


def test_resampled_rows_keep_the_frequencies_of_their_columns():
    rows = draw.codes(_rng(), (400, 6), 256, "skewed")
    more = draw.resample(_rng(), rows, 20_000)
    assert more.shape == (20_000, 6) and more.dtype == np.uint8
    assert np.allclose(rows.mean(0), more.mean(0), atol=2)
    kept = (more[:, None, :] == rows[None, :50]).all(-1).any()
    assert kept and len(np.unique(more, axis=0)) > 5000
    assert draw.resample(_rng(), rows, 0).shape == (0, 6)
