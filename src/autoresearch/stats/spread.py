"""How much A/A pairs differ: the noise that every decision on this machine and target is scaled by.

Knows nothing of where the pairs are stored.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..model import FloatArray
from .quantile import chi_square

MAD_TO_SD = 1.4826  # of a normal distribution


def tamed(X: FloatArray, limit: float) -> FloatArray:
    """X with values beyond `limit` robust standard deviations (MAD about 0) pulled in to it
    (winsorised, Huber 1964); as it is where more than half are exactly 0."""
    scale = MAD_TO_SD * float(np.median(np.abs(X)))
    return np.clip(X, -limit * scale, limit * scale) if scale > 0 else X


def upper_sd(squares: float, n: float, level: float) -> float:
    """One-sided upper bound of a standard deviation, missed with probability `level`, from the sum
    of n squared deviations from a known mean: chi-square with n degrees of freedom."""
    return sqrt(squares / chi_square(level, n))


def upper_spread(
    new: FloatArray,
    earlier: FloatArray | None = None,
    *,
    level: float = 0.05,
    limit: float = 5.0,
    most: int = 200,
) -> float:
    """Upper bound of the spread of A/A pairs: `sigma0` from X f64[n], `sigma_w` from D f64[n, w].

    About 0, not about the sample mean: both arms are the same program, so an offset that lasts a
    whole trial (the layout of a null variant) is noise and must count. Pairs of blind trials that
    stopped by rule may be pooled all the same: E sum X^2 = sigma^2 E n at any stopping time (Wald's
    second identity). Workloads are pooled by their mean square, but the degrees of freedom stay
    those of the pairs, for the workloads of one spawn share its luck.

    One outlier: among 20 pairs of spread 1 % a single burst of 15 % would raise the bound from
    1.5 % to 4.8 %, and every null trial would run to its cap; pulled in to `limit` robust
    deviations it is 2.0 %. It still counts; a t with 4 degrees of freedom loses 5 % of its spread,
    less than the bound adds (36 % at 20 pairs, 9 % at 200). Too large costs pairs, too small false
    keeps.

    Only the `most` recent pairs are pooled (earlier ones oldest first), so that a machine that got
    noisier is soon believed; until then the plain spread of the new ones is a floor.
    """
    pool = new if earlier is None else np.concatenate([earlier, new])
    squares = _squares(tamed(pool[-most:], limit))
    fresh = _squares(tamed(new, limit))
    return max(upper_sd(float(squares.sum()), len(squares), level), sqrt(float(fresh.mean())))


def _squares(D: FloatArray) -> FloatArray:
    """f64[n]: each pair's mean square over its workloads, from f64[n] or f64[n, w]."""
    squares: FloatArray = (D * D).reshape(len(D), -1).mean(axis=1)
    return squares
