"""The one statistic of a race: the median of paired log ratios, with an interval from ranks.

Pure: knows rounds and workloads as axes; nothing of who ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, exp

import numpy as np

from ..model import FloatArray

LEVEL = 0.05
FEWEST = 6  # rounds: of fewer not even the extremes bound a median at this level

Interval = tuple[float, float, float]  # ratio, low, high


def rank(n: int, level: float = LEVEL) -> int:
    """The largest k such that the k-th least and k-th greatest of n values miss their median with
    probability `level` at most, whatever they are distributed as (the sign test); 0: there is none.
    """
    missed, k = 0.0, 0
    while k < n and (missed := missed + 2 * comb(n, k) / 2**n) <= level:
        k += 1
    return k


def of_logs(logs: FloatArray, level: float = LEVEL) -> Interval:
    """Median and interval of log ratios f64[n], as ratios; ValueError where n is too small."""
    k, ordered = rank(len(logs), level), np.sort(logs)
    if not k:
        raise ValueError(f"{len(logs)} rounds bound no median")
    return exp(np.median(ordered)), exp(ordered[k - 1]), exp(ordered[-k])


def logs(theirs: Sequence[float], ours: Sequence[float]) -> FloatArray:
    """f64[n]: ln of their time over ours, round by round; above 0 ours is less."""
    found: FloatArray = np.log(np.asarray(theirs, float)) - np.log(np.asarray(ours, float))
    return found


def geometric(many: Sequence[FloatArray]) -> FloatArray:
    """f64[n]: the log of the geometric mean over workloads, in each round."""
    mean: FloatArray = np.stack(many).mean(axis=0)
    return mean
