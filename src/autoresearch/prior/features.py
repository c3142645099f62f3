"""How far apart two values of a knob are, and two places in which kernels ran.

Knows numpy and nothing of what is learnt from the distances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..model import FloatArray
from ..runner.knobs import Setting
from .shape import OTHER, Shape, log2

MACHINE = 2.0  # another machine is as far away as two doublings of one size


def apart(values: Sequence[Setting]) -> FloatArray:
    """f64[n, n] of 0 to 1: numbers by their logarithms, anything else is the same or is not."""
    if any(isinstance(value, bool | str) for value in values):
        return 1.0 - np.eye(len(values))
    logs = np.array([math.copysign(math.log2(1 + abs(value)), value) for value in values])
    gaps: FloatArray = np.abs(logs[:, None] - logs[None, :])
    return gaps / max(float(gaps.max()), 1e-9)


def between(places: Sequence[tuple[str, tuple[Shape, ...]]]) -> FloatArray:
    """f64[n, n]: doublings between places, as the crow flies; a place of several shapes is at their
    mean."""
    described = [_described(machine, shapes) for machine, shapes in places]
    names = sorted({name for row in described for name in row})
    table = np.array([[row.get(name, 0.0) for name in names] for row in described], np.float64)
    gaps = table[:, None, :] - table[None, :, :]
    found: FloatArray = np.sqrt((gaps**2).sum(2))
    return found


def _described(machine: str, shapes: tuple[Shape, ...]) -> dict[str, float]:
    """Coordinates: two that differ in a word or in the machine are OTHER or MACHINE apart."""
    row = {f"machine={machine}": MACHINE / math.sqrt(2)}
    for shape in shapes:
        told = {f"{name}={word}": OTHER / math.sqrt(2) for name, word in shape.words}
        told |= {name: log2(abs(size)) for name, size in shape.sizes}
        told |= {f"op={shape.op}": 1 / math.sqrt(2)}
        for name, value in told.items():
            row[name] = row.get(name, 0.0) + value / len(shapes)
    return row
