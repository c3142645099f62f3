"""How far apart two values of a knob are, and two places in which kernels ran.

Knows numpy and nothing of what is learnt from the distances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..model import FloatArray
from ..runner.knobs import Setting
from .shape import Shape, log2

STEP = 0.3  # of a knob's range, between any two numbers: 0 often means none at all
Place = tuple[str, tuple[Shape, ...]]  # machine and shapes


def apart(values: Sequence[Setting]) -> FloatArray:
    """f64[n, n] of 0 to 1: numbers by their logarithms, anything else is the same or is not."""
    other = 1.0 - np.eye(len(values))
    numbers = [v for v in values if not isinstance(v, bool | str)]
    if len(numbers) < len(values):
        return other
    logs = np.array([math.copysign(math.log2(1 + abs(v)), v) for v in numbers])
    gaps: FloatArray = np.abs(logs[:, None] - logs[None, :])
    return STEP * other + (1 - STEP) * gaps / max(float(gaps.max()), 1e-9)


def away(places: Sequence[Place], here: Place) -> FloatArray:
    """f64[n] of 0 to 1, from one place to each: the mean over all sizes, words, ops and machines in
    which any of them differ; of a place with several shapes the means count."""
    described = [_described(machine, shapes) for machine, shapes in (*places, here)]
    names = sorted({name for row in described for name, _ in row})
    gaps = []
    for name in names:
        words = sorted({word for row in described for n, word in row if n == name})
        columns = np.array([[row.get((name, word), 0.0) for word in words] for row in described])
        widest = float(np.abs(columns[:, None] - columns[None]).sum(axis=2).max())
        if widest:
            gaps.append(np.abs(columns[:-1] - columns[-1]).sum(axis=1) / widest)
    return np.mean(gaps, axis=0) if gaps else np.zeros(len(places))


def _described(machine: str, shapes: tuple[Shape, ...]) -> dict[tuple[str, str], float]:
    """By name and word: the mean log2 of a size, the share of a word."""
    row = {("machine", machine): 1.0}
    for shape in shapes:
        told = [((name, ""), log2(abs(size))) for name, size in shape.sizes]
        told += [((name, word), 1.0) for name, word in (*shape.words, ("op", shape.op))]
        for key, value in told:
            row[key] = row.get(key, 0.0) + value / len(shapes)
    return row
