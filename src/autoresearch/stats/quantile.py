"""Quantiles of Student's t, chi-square and beta, because scipy is not among the dependencies.

Distribution functions by textbook series, inverted by bisection down to neighbouring floats.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import exp, lgamma, log, log1p, sqrt

TERMS = 10_000  # far more than any df below 10^6 needs; reaching it means a bad argument


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), DLMF 8.17."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):  # beyond the mode the fraction converges slowly: mirror
        return 1.0 - beta_cdf(1.0 - x, b, a)
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)
    return exp(front) / (a * _beta_fraction(x, a, b))


def _beta_fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22, by the modified Lentz method."""
    f = c = 1.0
    d = 0.0
    for m in range(1, TERMS):
        k = m // 2
        if m % 2:
            term = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))
        else:
            term = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k))
        d = 1.0 / (1.0 + term * d)
        c = 1.0 + term / c
        f *= c * d
        if abs(c * d - 1.0) < 1e-15:
            return f
    raise ArithmeticError(f"no convergence at x={x}, a={a}, b={b}")


def gamma_cdf(x: float, a: float) -> float:
    """The regularised lower incomplete gamma function P(a, x), by its series of positive terms,
    DLMF 8.7.1."""
    if x <= 0.0:
        return 0.0
    total = term = 1.0
    for k in range(1, TERMS):
        term *= x / (a + k)
        total += term
        if term < 1e-16 * total:
            return min(1.0, total * exp(a * log(x) - x - lgamma(a + 1)))
    raise ArithmeticError(f"no convergence at x={x}, a={a}")


def _invert(cdf: Callable[[float], float], p: float, low: float, high: float) -> float:
    """The x in [low, high] with cdf(x) = p, cdf rising."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if cdf(middle) < p else (low, middle)
    return high


@lru_cache(maxsize=4096)
def student_t(p: float, df: float) -> float:
    """The p quantile of Student's t with df > 0 degrees of freedom, 0 < p < 1."""
    if p < 0.5:
        return -student_t(1.0 - p, df)
    x = _invert(lambda x: beta_cdf(x, df / 2, 0.5), 2 * (1 - p), 0.0, 1.0)
    return sqrt(df * (1 - x) / x)


@lru_cache(maxsize=4096)
def chi_square(p: float, df: float) -> float:
    """The p quantile of chi-square with df > 0 degrees of freedom, 0 < p < 1."""
    high = df + 1.0
    while gamma_cdf(high / 2, df / 2) < p:
        high *= 2
    return _invert(lambda x: gamma_cdf(x / 2, df / 2), p, 0.0, high)


@lru_cache(maxsize=4096)
def beta(p: float, a: float, b: float) -> float:
    """The p quantile of the beta distribution, 0 < p < 1."""
    return _invert(lambda x: beta_cdf(x, a, b), p, 0.0, 1.0)
