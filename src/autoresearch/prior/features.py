"""A setting in numbers: each knob against each size of the shapes it runs on, and the caches.

The machine and the shape alone cannot reorder the candidates of one sweep; these can. Knows numpy
and nothing of what is learnt from the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from ..model import FloatArray
from ..runner.knobs import Setting
from .shape import Shape, log2

Row = Mapping[str, float]


def described(
    knobs: Mapping[str, Setting], shapes: tuple[Shape, ...], caches: Sequence[int], here: bool
) -> Row:
    """Features of one setting by name; `caches` are bytes of L1 and L2."""
    row = {"here": float(here), **_sizes(shapes)}
    tile = 0.0
    for name, value in knobs.items():
        if isinstance(value, bool | str):
            row[f"{name}={value}"] = 1.0
            continue
        size = math.log2(1 + abs(value))
        row[name] = math.copysign(size, value)
        tile += size
        row |= {f"{name} {what}": x for what, x in _against(float(value), shapes)}
    row |= {f"tile/L{level}": tile - log2(size) for level, size in enumerate(caches, 1)}
    return row


@lru_cache(maxsize=256)
def _sizes(shapes: tuple[Shape, ...]) -> dict[str, float]:
    """The mean log2 of every size over the shapes that have it."""
    sizes: dict[str, list[float]] = {}
    for shape in shapes:
        for name, size in shape.sizes:
            sizes.setdefault(name, []).append(log2(size))
    return {name: sum(values) / len(values) for name, values in sizes.items()}


@lru_cache(maxsize=4096)
def _against(value: float, shapes: tuple[Shape, ...]) -> tuple[tuple[str, float], ...]:
    """One knob's value against every size: how often it goes in, what remains, whether evenly."""
    width = abs(value) or 1.0
    told: dict[str, list[tuple[float, float, float]]] = {}
    for shape in shapes:
        for name, size in shape.sizes:
            rest = abs(size) % width
            ratio = log2(width) - log2(abs(size))
            told.setdefault(name, []).append((ratio, rest / width, float(rest == 0)))
    return tuple(
        (f"{what} {name}", sum(column) / len(values))
        for name, values in told.items()
        for what, column in zip(("to", "rest", "even"), zip(*values, strict=True), strict=True)
    )


def matrix(rows: Sequence[Row]) -> FloatArray:
    """f64[rows, names], columns of unit spread; what does not vary is left out, absent is 0."""
    names = sorted({name for row in rows for name in row})
    table = np.array([[row.get(name, 0.0) for name in names] for row in rows], np.float64)
    spread = table.std(axis=0)
    varied = spread > 1e-9
    scaled: FloatArray = (table[:, varied] - table[:, varied].mean(axis=0)) / spread[varied]
    return scaled
