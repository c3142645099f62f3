"""The statistic of a race: faiss's time over ours with a bootstrap interval. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

import numpy as np

DRAWS, LEVEL = 2000, 0.05


def interval(
    logs: Sequence[Sequence[float]], rng: np.random.Generator
) -> tuple[float, float | None, float | None]:
    """(ratio, low, high) of log ratios by process and block: the mean over processes of the median
    over blocks. Processes are drawn again, and in each its blocks: a process is one sample of
    memory and layout, however often it runs (Efron & Tibshirani 1993, Kalibera & Jones 2013).
    One block alone tells nothing of its spread: it has no interval.
    """
    middles = np.array([np.median(own) for own in logs])
    if sum(map(len, logs)) < 2:
        return exp(middles.mean()), None, None
    again = np.empty((len(logs), DRAWS))
    for place in range(len(logs)):
        # Every draw of a process takes fresh draws of blocks, whichever process it is.
        which = rng.integers(0, len(logs), DRAWS)
        for number, own in enumerate(map(np.asarray, logs)):
            at = np.flatnonzero(which == number)
            again[place, at] = np.median(own[rng.integers(0, len(own), (len(at), len(own)))], 1)
    low, high = np.quantile(again.mean(0), [LEVEL / 2, 1 - LEVEL / 2])
    return exp(middles.mean()), exp(low), exp(high)
