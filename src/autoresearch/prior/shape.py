"""What a workload is like, in numbers that can be compared: logarithms of its sizes, and words.

Knows labels and arithmetic; nothing of kernels or files, and no numpy: `status` comes by here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

OTHER = 0.5  # another distribution is as far away as half a doubling of one size


@dataclass(frozen=True, slots=True)
class Shape:
    """One op at one shape: its sizes by name, and what is not a number (such as `dist`)."""

    op: str
    sizes: tuple[tuple[str, float], ...] = ()
    words: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, op: str, features: Mapping[str, Any]) -> Shape:
        """From the features of a corpus row: numbers, or texts that may be numbers."""
        sizes, words = [], []
        for name, value in sorted(features.items()):
            number = _number(value)
            if number is None:
                words.append((name, str(value)))
            else:
                sizes.append((name, number))
        return cls(op, tuple(sizes), tuple(words))

    @classmethod
    def read(cls, label: str) -> Shape:
        """From a workload's label, `"search: m=16,dist=sparse"`."""
        op, _, spec = label.partition(": ")
        return cls.of(op, dict(item.split("=", 1) for item in spec.split(",") if "=" in item))

    @property
    def label(self) -> str:
        """As a workload's label reads, names in order."""
        told = [f"{name}={value:g}" for name, value in self.sizes]
        return f"{self.op}: " + ",".join([*told, *("=".join(pair) for pair in self.words)])


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def log2(size: float) -> float:
    """0 counts as a half, so that an empty input is one doubling below a single row."""
    return math.log2(size) if size > 0 else -1.0


def distance(a: Shape, b: Shape) -> float:
    """Doublings between two shapes, as the crow flies; infinite if they cannot be compared."""
    alike = [n for n, _ in a.sizes] == [n for n, _ in b.sizes]
    if a.op != b.op or not alike or dict(a.words).keys() != dict(b.words).keys():
        return math.inf
    return math.hypot(*_steps(a, b))


def _steps(a: Shape, b: Shape) -> Iterator[float]:
    for (_, x), (_, y) in zip(a.sizes, b.sizes, strict=True):
        yield log2(x) - log2(y)
    for left, right in zip(a.words, b.words, strict=True):
        yield OTHER * (left != right)
