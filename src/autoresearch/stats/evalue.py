"""Evidence that can be multiplied, stopped at any time and combined over a session."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..model import FloatArray


def certificate(X: FloatArray, d0: float, d1: float, sigma0: float) -> float:
    """E = prod 2 / (1 + exp(-c (X_i - d0))), c = 2 (d1 - d0) / sigma0^2: an e-value of mean <= d0.

    2 / (1 + exp(-c y)) averages to 1 over y and -y and rises with y, so the product is a test
    (super)martingale for noise symmetric about any mean <= d0, valid at any stopping time (Ramdas,
    Grunwald, Vovk & Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference").
    At most 2^n. `sigma0` must predate X.
    """
    c = 2 * (d1 - d0) / sigma0**2
    log_e = len(X) * math.log(2) - float(np.logaddexp(0.0, -c * (X - d0)).sum())
    return math.exp(log_e)


def e_bh(e: FloatArray, alpha: float) -> NDArray[np.bool_]:
    """bool[k]: the hypotheses rejected with false discovery rate <= alpha under any dependence.

    The largest j with j e_(j) / k >= 1 / alpha, and all above it (Wang & Ramdas 2022).
    """
    k = len(e)
    ranked = np.sort(e)[::-1]
    passing = np.flatnonzero(np.arange(1, k + 1) * ranked >= k / alpha)
    if not len(passing):
        return np.zeros(k, bool)
    rejected: NDArray[np.bool_] = e >= ranked[passing[-1]]
    return rejected
