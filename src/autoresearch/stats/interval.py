"""Bounds: of a mean of few spawn pairs, and of a rate counted over many trials."""

from __future__ import annotations

import numpy as np

from ..model import FloatArray
from .quantile import beta, student_t
from .sequential import moments, shrunk_variance


def lower_bound(
    X: FloatArray, level: float, sigma: float = 0.0, nu: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """(mean, one-sided lower bound) along the first axis, missed with probability `level`.

    Student's t with n - 1 + nu degrees of freedom, variance shrunk to `sigma` with weight `nu`
    (Smyth 2004); `nu=0` is the plain t interval. The upper bound is `2 mean - lower`.
    """
    n = len(X)
    mean, squares = (values[-1] for values in moments(X))
    s2 = shrunk_variance(squares, n, sigma, nu)
    return mean, mean - student_t(1 - level, n - 1 + nu) * np.sqrt(s2 / n)


def mean_interval(
    X: FloatArray, level: float, sigma: float = 0.0, nu: float = 0.0
) -> tuple[float, float, float]:
    """(mean, low, high) of X f64[n], two-sided, missed with probability `level`."""
    mean, low = (float(value) for value in lower_bound(X, level / 2, sigma, nu))
    return mean, low, 2 * mean - low


def rate_upper(events: int, trials: int, level: float = 0.05) -> float:
    """One-sided upper bound of a rate, `events` in `trials`, exact (Clopper & Pearson 1934)."""
    if not 0 <= events <= trials:
        raise ValueError(f"{events} events in {trials} trials")
    return 1.0 if events == trials else beta(1 - level, events + 1.0, float(trials - events))
