"""The generalised sequential probability ratio test on spawn pairs, at every prefix at once.

M. Van den Bergh, "A Practical Introduction to the GSPRT" (fishtest), for the ratio; Wald 1945 for
the bounds. Knows nothing of the policy's numbers.
"""

from __future__ import annotations

from math import log, sqrt
from statistics import NormalDist

import numpy as np

from ..model import FloatArray


def wald_bound(alpha: float, beta: float) -> float:
    """ln((1 - beta) / alpha): the log-likelihood ratio at which H1 is accepted (Wald 1945)."""
    return log((1 - beta) / alpha)


def moments(X: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and sum of squares about it, of every prefix along the first axis (both shaped as X)."""
    n = np.arange(1, len(X) + 1).reshape(-1, *[1] * (X.ndim - 1))
    y = X - X[:1]  # shifted: a gain of ln 4 with a spread of 0.1 % would lose digits otherwise
    mean = np.cumsum(y, axis=0) / n
    squares = np.maximum(np.cumsum(y * y, axis=0) - n * mean**2, 0.0)
    return mean + X[:1], squares


def shrunk_variance(
    squares: FloatArray, n: FloatArray | float, sigma0: float, nu: float
) -> FloatArray:
    """s2 = (sum (X - mean)^2 + nu sigma0^2) / (n - 1 + nu): the posterior mean scale under a prior
    worth `nu` observations of spread sigma0 (Smyth 2004, moderated t), so that three lucky pairs do
    not look like a quiet machine."""
    s2: FloatArray = (squares + nu * sigma0**2) / (n - 1 + nu)
    return s2


def llr(X: FloatArray, d0: float, d1: float, sigma0: float, nu: float) -> FloatArray:
    """f64[n]: LLR of mean d1 against mean d0 after each of the n pairs,
    `n (d1 - d0)(2 mean - d0 - d1) / (2 s2)` (Van den Bergh, eq. 2.1)."""
    n = np.arange(1.0, len(X) + 1)
    mean, squares = moments(X)
    s2 = shrunk_variance(squares, n, sigma0, nu)
    ratio: FloatArray = n * (d1 - d0) * (2 * mean - d0 - d1) / (2 * s2)
    return ratio


def chance(
    X: FloatArray, cap: int, d0: float, d1: float, sigma0: float, nu: float, bound: float
) -> FloatArray:
    """f64[n]: after each of the n <= cap pairs, the chance that `llr` is at least `bound` after
    `cap` of them; predicted from those so far under a flat prior of their mean, s2 taken as known
    (Spiegelhalter, Freedman and Blackburn 1986)."""
    n = np.arange(1.0, len(X) + 1)
    mean, squares = moments(X)
    s2 = shrunk_variance(squares, n, sigma0, nu)
    needed = (d0 + d1) / 2 + bound * s2 / (cap * (d1 - d0))
    apart = np.sqrt(s2) * [sqrt(1 / k - 1 / cap) for k in n]
    with np.errstate(divide="ignore", invalid="ignore"):  # at the cap
        z = (mean - needed) / apart
    return np.array([NormalDist().cdf(value) for value in z])
