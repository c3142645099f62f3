"""From the raw times of one spawn pair to the one number it contributes.

The spawn pair is the unit of analysis: calls inside one process share its memory and code layout.
Knows nothing of thresholds or verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..model import FloatArray, Pair

CLIP = math.log(4)  # one workload moves the mean of eight by a factor of 1.19 at most


def d(pair: Pair) -> FloatArray:
    """f64[r, w]: `ln T_A - ln T_B` of each round, above 0 where the candidate was faster.

    Raises ValueError where a time is not positive and finite: no decision may rest on it.
    """
    return _log_ratio(pair.incumbent_ns, pair.candidate_ns)


def D(pair: Pair) -> FloatArray:
    """f64[w]: the median over blocks of two rounds, which one disturbed call cannot move far.

    Who is called second finds what the first one read in shared caches. The rounds of a block have
    both orders, so that this cancels in their mean (decision 0012).
    """
    return _median_of_blocks(d(pair))


def stack(pairs: Sequence[Pair]) -> FloatArray:
    """f64[n, w]: `D` of every pair, in the order measured; f64[0, 1] of none. All pairs of a phase
    have the same rounds and workloads."""
    if not pairs:
        return np.empty((0, 1))
    both = ((pair.incumbent_ns, pair.candidate_ns) for pair in pairs)
    incumbent, candidate = zip(*both, strict=True)
    return _median_of_blocks(_log_ratio(np.array(incumbent), np.array(candidate)))


def _log_ratio(incumbent_ns: FloatArray, candidate_ns: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        ratio: FloatArray = np.log(incumbent_ns) - np.log(candidate_ns)
    if not ratio.size or not np.isfinite(ratio).all():
        raise ValueError("a pair needs positive, finite times for every round and workload")
    return ratio


def _median_of_blocks(d: FloatArray) -> FloatArray:
    """f64[..., w] of f64[..., r, w]; a last round without its other half is left out."""
    even = d.shape[-2] // 2 * 2
    blocks = (d[..., 0:even:2, :] + d[..., 1:even:2, :]) / 2 if even else d
    ordered = np.sort(blocks, axis=-2)
    r = blocks.shape[-2]
    middle: FloatArray = (ordered[..., (r - 1) // 2, :] + ordered[..., r // 2, :]) / 2
    return middle


def mean_over_workloads(D: FloatArray, clip: float = CLIP) -> FloatArray:
    """f64[...] from f64[..., w]: the clipped mean; `clip=inf` gives ln of the geometric mean."""
    mean: FloatArray = np.clip(D, -clip, clip).mean(axis=-1)
    return mean


def X(pair: Pair, clip: float = CLIP) -> float:
    """The pair's one number, ln units; decisions clip it, printed figures have `clip=inf`."""
    return float(mean_over_workloads(D(pair), clip))
