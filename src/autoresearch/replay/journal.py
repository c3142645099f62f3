"""What brute force has measured so far, a line each, and what the lines say of a setting.

Knows a file of its own; nothing of kernels, nor of how they are timed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .space import Point

MEDIAN = 1.25  # times the error of a mean is that of a median


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement of one setting: ns on each shape, or why there is none."""

    round: int
    at: int
    ns: tuple[float, ...]
    failed: str
    seconds: float


def append(journal: Path, line: Line) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    body = {name: getattr(line, name) for name in Line.__slots__}
    with journal.open("a") as file:
        file.write(json.dumps(body) + "\n")


def lines(journal: Path) -> Iterator[Line]:
    """What was measured so far; a line that a kill cut short is measured again."""
    for text in journal.read_text().splitlines() if journal.exists() else ():
        try:
            body = json.loads(text)
        except ValueError:
            continue
        yield Line(**{**body, "ns": tuple(body["ns"])})


def point(known: Sequence[Line], shape: int) -> Point:
    failed = next((line.failed for line in known if line.failed), "")
    times = [line.ns[shape] for line in known if line.ns]
    if failed:
        return failed
    return float(np.median(times))


def noise(known: Sequence[Line], shape: int) -> float:
    """The standard error of ln of a setting's median, at the median setting; what a round was
    slower than others is all settings' and counts not."""
    logs: dict[int, dict[int, float]] = {}
    for line in known:
        if line.ns:
            logs.setdefault(line.round, {})[line.at] = math.log(line.ns[shape])
    level = {n: float(np.median([*of.values()])) for n, of in logs.items()}
    each = [[of[at] - level[n] for n, of in logs.items() if at in of] for at in logs.get(0, ())]
    errors = [np.std(x, ddof=1) / math.sqrt(len(x)) for x in each if len(x) > 1]
    return float(MEDIAN * np.median(errors)) if errors else 0.0


def scatter(journal: Path) -> float:
    """The median over settings and shapes of the widest ratio between two rounds."""
    rounds: dict[int, list[tuple[float, ...]]] = {}
    for line in lines(journal):
        if line.ns:
            rounds.setdefault(line.at, []).append(line.ns)
    ratios = [
        max(x) / min(x) for ns in rounds.values() if len(ns) > 1 for x in zip(*ns, strict=True)
    ]
    return float(np.median(ratios)) if ratios else math.nan
