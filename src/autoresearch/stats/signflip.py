"""The exact sign-flip test: a p value that believes in symmetric noise and in nothing else."""

from __future__ import annotations

import numpy as np

from ..model import FloatArray

MOST = 40  # two tables of 2^20 sums


def p_value(y: FloatArray) -> float:
    """Exact one-sided p of mean <= 0 for independent y, each symmetric about its mean (Fisher 1935,
    "The Design of Experiments", sec. 21).

    P(sum s_i y_i >= sum y_i) over all 2^n signs is the share of subsets whose sum is <= 0, as
    flipping a subset changes the sum by minus twice its own. Counted by meeting in the middle
    (Horowitz & Sahni 1974): 2^(n/2) sums a side, one sorted, one looked up. Ties count against
    the candidate.
    """
    n = len(y)
    if n > MOST:
        raise ValueError(f"sign-flip test of {n} values: at most {MOST}")
    left, right = _subset_sums(y[: n // 2]), np.sort(_subset_sums(y[n // 2 :]))
    rounding = 1e-12 * float(np.abs(y).sum())
    return float(np.searchsorted(right, rounding - left, side="right").sum()) / 2.0**n


def _subset_sums(y: FloatArray) -> FloatArray:
    sums = np.zeros(1)
    for value in y:
        sums = np.concatenate([sums, sums + value])
    return sums
