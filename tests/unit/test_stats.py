"""Every formula against an independent computation: brute force, printed tables or simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoresearch.model import Pair
from autoresearch.stats import (
    evalue,
    interval,
    pairing,
    quantile,
    sequential,
    signflip,
    spread,
)

REAL = st.floats(-0.5, 0.5, allow_nan=False).map(lambda x: round(x, 6))


def vectors(least: int, most: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(REAL, min_size=least, max_size=most).map(np.array)


def times(d: np.ndarray) -> Pair:
    return Pair(1000.0 * np.exp(d), np.full(d.shape, 1000.0))


# pairing


@given(arrays(float, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=REAL))
def test_pairing_follows_its_definition(d: np.ndarray) -> None:
    pair = times(d)
    blocks = [d[r : r + 2].mean(axis=0) for r in range(0, len(d) - 1, 2)] or [d[0]]
    assert np.allclose(pairing.d(pair), d)
    assert np.allclose(pairing.D(pair), np.median(blocks, axis=0))
    assert math.isclose(pairing.X(pair), np.median(blocks, axis=0).mean(), abs_tol=1e-9)
    assert np.array_equal(pairing.stack([pair, pair]), [pairing.D(pair)] * 2)


@given(
    st.lists(st.sampled_from([-1, 1]), min_size=4, max_size=4),
    st.floats(0, 2),
    REAL,
)
def test_what_the_second_call_finds_in_the_cache_cancels(
    first: list[int], saved: float, gain: float
) -> None:
    order = np.array([sign for one in first for sign in (one, -one)])
    assert np.allclose(pairing.D(times((gain + saved * order)[:, None])), gain)


@given(
    arrays(float, (3, 2, 3), elements=REAL),
    st.permutations(range(3)),
    st.permutations(range(3)),
)
def test_order_of_blocks_and_workloads_does_not_matter(
    blocks: np.ndarray, order: list[int], workloads: list[int]
) -> None:
    d = blocks.reshape(6, 3)
    shuffled = times(blocks[order].reshape(6, 3)[:, workloads])
    assert np.allclose(pairing.D(shuffled), pairing.D(times(d))[workloads])
    assert math.isclose(pairing.X(shuffled), pairing.X(times(d)), abs_tol=1e-12)


def test_swapping_the_arms_negates() -> None:
    pair = times(np.array([[0.1, -0.2], [0.3, 0.4], [0.0, 2.0]]))
    swapped = Pair(pair.candidate_ns, pair.incumbent_ns)
    assert np.allclose(pairing.D(swapped), -pairing.D(pair))


def test_one_workload_near_zero_moves_the_clipped_mean_by_its_share_only() -> None:
    pair = times(np.array([[20.0, 0, 0, 0]]))
    assert math.isclose(pairing.X(pair), math.log(4) / 4)
    assert math.isclose(pairing.X(pair, clip=math.inf), 5.0)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="positive, finite"):
        pairing.d(Pair(np.array([[1.0, bad]]), np.ones((1, 2))))


# sequential


@given(vectors(1, 20), st.floats(0.001, 0.1))
def test_llr_of_every_prefix_follows_its_definition(X: np.ndarray, sigma0: float) -> None:
    d0, d1, nu = 0.005, 0.025, 6.0
    path = sequential.llr(X, d0, d1, sigma0, nu)
    for n in range(1, len(X) + 1):
        x = X[:n]
        s2 = (((x - x.mean()) ** 2).sum() + nu * sigma0**2) / (n - 1 + nu)
        expected = n * (d1 - d0) * (2 * x.mean() - d0 - d1) / (2 * s2)
        assert math.isclose(path[n - 1], expected, rel_tol=1e-6, abs_tol=1e-6)


def test_moments_keep_their_digits_at_a_large_gain() -> None:
    X = 1.38 + 1e-6 * np.array([1.0, -1.0, 2.0, -2.0])
    assert math.isclose(sequential.moments(X)[1][-1], 1e-11, rel_tol=1e-4)


@given(vectors(3, 12), st.floats(0.0, 0.2))
def test_llr_rises_with_the_gain(X: np.ndarray, gain: float) -> None:
    before = sequential.llr(X, 0.0, 0.02, 0.01, 6.0)
    after = sequential.llr(X + gain, 0.0, 0.02, 0.01, 6.0)
    assert (after >= before - 1e-6 * np.abs(before)).all()


def test_the_chance_of_passing_is_what_happens() -> None:
    """Means drawn flat, spread known: of trials that stand at a given mean after four pairs, as
    many reach the bound at the twelfth as was predicted."""
    rng = np.random.default_rng(3)
    n, cap, d1, spread, bound = 4, 12, 0.02, 0.03, 2.944
    mean = rng.uniform(-0.2, 0.2, (40_000, 1))
    X = mean + spread * rng.standard_normal((40_000, cap))
    at = np.abs(X[:, :n].mean(1) - 0.01) < 0.002
    reached = cap * d1 * (2 * X.mean(1) - d1) / (2 * spread**2) >= bound
    shown = 0.01 + np.array([spread, -spread, spread, -spread]) * math.sqrt(3) / 2
    told = sequential.chance(shown, cap, 0.0, d1, spread, 1e-6, bound)
    assert math.isclose(told[-1], reached[at].mean(), abs_tol=0.04)


@given(vectors(3, 12), st.floats(0.0, 0.2))
def test_the_chance_rises_with_the_gain(X: np.ndarray, gain: float) -> None:
    before, after = (
        sequential.chance(x, 12, 0.0, 0.02, 0.01, 6.0, 2.944)[: len(X)] for x in (X, X + gain)
    )
    assert (after[:11] >= before[:11] - 1e-9).all()


def test_wald_bounds_hold_their_errors_with_known_variance() -> None:
    """alpha = beta = 0.05 promises at most alpha / (1 - beta) of false acceptance."""
    rng = np.random.default_rng(1)
    bound, d1 = sequential.wald_bound(0.05, 0.05), 0.2
    assert math.isclose(bound, 2.944, abs_tol=1e-3)
    for mean, right in ((0.0, -1), (d1, 1)):
        X = mean + rng.standard_normal((2000, 600))
        llr = np.array([sequential.llr(x, 0.0, d1, 1.0, 1e9) for x in X])
        out = np.abs(llr) >= bound
        assert out.any(axis=1).mean() > 0.99
        decided = np.sign(llr[np.arange(len(X)), out.argmax(axis=1)])
        assert 0.02 < (decided != right).mean() < 0.05 / 0.95


# sign-flip


def flipped_by_hand(y: np.ndarray) -> float:
    signs = np.array(list(itertools.product([1, -1], repeat=len(y))))
    return float((signs @ y >= y.sum() - 1e-9).mean())


@given(vectors(1, 10))
def test_p_value_equals_enumeration(y: np.ndarray) -> None:
    assert signflip.p_value(y) == flipped_by_hand(y)


@given(vectors(2, 20).flatmap(lambda y: st.tuples(st.just(y), st.permutations(range(len(y))))))
def test_p_value_ignores_order_and_scale(case: tuple[np.ndarray, list[int]]) -> None:
    y, order = case
    assert signflip.p_value(y) == signflip.p_value(3.0 * y[order])


@given(vectors(2, 20), st.floats(0, 0.3))
def test_p_value_falls_as_the_gain_grows(y: np.ndarray, gain: float) -> None:
    assert signflip.p_value(y + gain) <= signflip.p_value(y)


def test_p_value_at_its_ends() -> None:
    assert signflip.p_value(np.full(20, 0.01)) == 2.0**-20
    assert signflip.p_value(np.full(5, -0.01)) == 1.0
    assert signflip.p_value(np.zeros(4)) == 1.0
    with pytest.raises(ValueError, match="at most"):
        signflip.p_value(np.zeros(41))


def test_p_value_is_valid_under_symmetric_noise() -> None:
    rng = np.random.default_rng(2)
    p = np.array([signflip.p_value(y) for y in rng.standard_t(2, (2000, 8))])
    for level in (0.02, 0.05, 0.2):
        assert (p <= level).mean() <= level + 3 * math.sqrt(level / 2000)


# e-values


@given(vectors(1, 12), st.floats(0.005, 0.05))
def test_certificate_follows_its_definition(X: np.ndarray, sigma0: float) -> None:
    d0, d1 = 0.005, 0.025
    c = 2 * (d1 - d0) / sigma0**2
    with np.errstate(over="ignore"):
        expected = np.prod(2 / (1 + np.exp(-c * (X - d0))))
    got = evalue.certificate(X, d0, d1, sigma0)
    assert math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-300)
    assert got <= 2.0 ** len(X) * (1 + 1e-9)
    assert evalue.certificate(X + 0.01, d0, d1, sigma0) >= got


def test_certificate_averages_one_under_the_null_even_when_stopped_at_its_best() -> None:
    rng = np.random.default_rng(3)
    X = 0.005 + 0.01 * rng.standard_t(3, (4000, 12))
    E = np.array([[evalue.certificate(x[:n], 0.005, 0.025, 0.014) for n in (4, 8, 12)] for x in X])
    assert abs(E[:, 0].mean() - 1) < 0.1
    assert (E.max(axis=1) >= 20).mean() <= 1 / 20  # Ville's inequality


def test_e_bh_rejects_the_largest_set_that_is_self_consistent() -> None:
    e = np.array([1.0, 60.0, 35.0, 0.1])
    assert evalue.e_bh(e, 0.05).tolist() == [False, False, False, False]
    e = np.array([1.0, 90.0, 45.0, 0.1])
    assert evalue.e_bh(e, 0.05).tolist() == [False, True, True, False]
    assert evalue.e_bh(np.empty(0), 0.05).tolist() == []


@given(st.lists(st.floats(0, 200), min_size=1, max_size=6))
def test_e_bh_equals_search_over_all_sets(e: list[float]) -> None:
    k, values = len(e), np.array(e)
    sizes = [j for j in range(1, k + 1) if np.sort(values)[-j] >= k / (0.1 * j)]
    expected = values >= np.sort(values)[-max(sizes)] if sizes else np.zeros(k, bool)
    assert evalue.e_bh(values, 0.1).tolist() == expected.tolist()


# quantiles, against the printed tables of any statistics book


@pytest.mark.parametrize(
    ("p", "df", "t"),
    [(0.975, 1, 12.7062), (0.95, 2, 2.91999), (0.975, 10, 2.22814), (0.995, 30, 2.75000),
     (0.9995, 5, 6.8688), (0.6, 4, 0.27072), (0.975, 100_000, 1.95999)],
)  # fmt: skip
def test_student_table(p: float, df: int, t: float) -> None:
    assert math.isclose(quantile.student_t(p, df), t, rel_tol=2e-5)
    assert math.isclose(quantile.student_t(1 - p, df), -t, rel_tol=2e-5)


@pytest.mark.parametrize(
    ("p", "df", "x"),
    [(0.05, 19, 10.1170), (0.95, 1, 3.84146), (0.05, 200, 168.279), (0.5, 2, 1.38629)],
)
def test_chi_square_table(p: float, df: int, x: float) -> None:
    assert math.isclose(quantile.chi_square(p, df), x, rel_tol=2e-5)


@given(st.floats(0.01, 0.99), st.integers(1, 30), st.integers(1, 30))
def test_beta_distribution_equals_the_binomial_tail(x: float, a: int, b: int) -> None:
    n = a + b - 1
    tail = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert math.isclose(quantile.beta_cdf(x, a, b), tail, rel_tol=1e-9, abs_tol=1e-12)


@given(st.floats(0.01, 0.99), st.floats(0.5, 60))
def test_quantiles_invert_their_distributions(p: float, df: float) -> None:
    assert math.isclose(quantile.gamma_cdf(quantile.chi_square(p, df) / 2, df / 2), p, rel_tol=1e-9)
    x = quantile.beta(p, df, 3.0)
    assert math.isclose(quantile.beta_cdf(x, df, 3.0), p, rel_tol=1e-9)


# bounds


def test_interval_without_a_prior_is_the_textbook_one() -> None:
    X = np.array([0.1, 0.2, 0.4, 0.1, 0.2])
    mean, low, high = interval.mean_interval(X, 0.05)
    half = 2.77645 * X.std(ddof=1) / math.sqrt(5)
    assert np.allclose((mean, low, high), (0.2, 0.2 - half, 0.2 + half), rtol=1e-5)


def test_one_pair_has_an_interval_once_there_is_a_prior() -> None:
    mean, low, high = interval.mean_interval(np.array([0.1]), 0.05, 0.01, 6.0)
    assert math.isclose(high - mean, 2.44691 * 0.01, rel_tol=1e-5)
    assert mean - low == pytest.approx(high - mean)


def test_lower_bounds_of_workloads_are_those_of_each_alone() -> None:
    D = np.random.default_rng(4).normal(0, 0.02, (8, 3))
    mean, lower = interval.lower_bound(D, 0.01, 0.02, 6.0)
    for w in range(3):
        alone = interval.lower_bound(D[:, w], 0.01, 0.02, 6.0)
        assert np.allclose((mean[w], lower[w]), alone)


@pytest.mark.parametrize("nu", [0.0, 6.0])
def test_interval_covers_what_it_promises(nu: float) -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(0.02, 0.01, (3000, 5))
    bounds = [interval.mean_interval(x, 0.05, 0.01, nu) for x in X]
    covered = np.mean([low <= 0.02 <= high for _, low, high in bounds])
    assert 0.94 <= covered <= (0.96 if nu == 0 else 0.985)


def test_rate_upper_solves_its_equation() -> None:
    assert math.isclose(interval.rate_upper(0, 100), 1 - 0.05 ** (1 / 100), rel_tol=1e-9)
    upper = interval.rate_upper(3, 50)
    below = sum(math.comb(50, k) * upper**k * (1 - upper) ** (50 - k) for k in range(4))
    assert math.isclose(below, 0.05, rel_tol=1e-9)
    assert interval.rate_upper(7, 7) == 1.0
    with pytest.raises(ValueError, match="8 events in 7"):
        interval.rate_upper(8, 7)


# spread


def test_upper_spread_is_the_chi_square_bound() -> None:
    X = 0.01 * np.array([1.0, -1.0] * 10)
    assert math.isclose(spread.upper_spread(X), 0.01 * math.sqrt(20 / 10.8508), rel_tol=1e-5)


def test_upper_spread_is_missed_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    missed = np.mean([spread.upper_spread(x) < 1 for x in rng.standard_normal((2000, 20))])
    assert 0.03 < missed < 0.07


def test_one_outlier_counts_but_does_not_rule() -> None:
    X = 0.01 * np.random.default_rng(7).standard_normal(20)
    quiet = spread.upper_spread(X)
    X[3] = 0.15
    assert quiet < spread.upper_spread(X) < 1.6 * quiet
    assert spread.upper_spread(X, limit=1e9) > 2.5 * quiet


def test_heavy_tails_lose_less_than_the_bound_adds() -> None:
    X = np.random.default_rng(8).standard_t(4, 100_000) / math.sqrt(2)
    kept = math.sqrt((spread.tamed(X, 5.0) ** 2).mean())
    assert 0.93 < kept < 1
    assert kept * math.sqrt(200 / quantile.chi_square(0.05, 200)) > 1


def test_an_offset_between_equal_arms_is_noise() -> None:
    assert spread.upper_spread(np.full(20, 0.01)) > 0.01


def test_workloads_share_the_degrees_of_freedom_of_their_pairs() -> None:
    D = 0.02 * np.random.default_rng(9).standard_normal((20, 8))
    rms = math.sqrt((D**2).mean())
    expected = rms * math.sqrt(20 / quantile.chi_square(0.05, 20))
    assert math.isclose(spread.upper_spread(D), expected, rel_tol=1e-9)


def test_pools_shrink_the_bound_and_believe_a_noisier_machine() -> None:
    new, earlier = 0.01 * np.array([1.0, -1.0] * 10), 0.01 * np.array([1.0, -1.0] * 90)
    assert 0.01 < spread.upper_spread(new, earlier) < 0.011 < spread.upper_spread(new)
    assert spread.upper_spread(4 * new, earlier) > 0.03
    recent = spread.upper_spread(new, np.concatenate([100 + earlier, earlier]))
    assert recent == spread.upper_spread(new, earlier)


def test_a_clock_without_noise_has_no_spread() -> None:
    assert spread.upper_spread(np.zeros(20)) == 0.0
