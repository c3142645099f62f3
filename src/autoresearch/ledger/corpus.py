"""What the kept kernels taught: one point per op and workload, for the priors of a later run.

Knows points; nothing of how a prior uses them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from . import chain, records


@dataclass(frozen=True, slots=True)
class Point:
    """One kept, correct kernel on one workload. `kernel` is its git blob id, `features` the shape
    (and distribution) of the workload, `ns` the time of one operation."""

    trial: str
    target: str
    op: str
    machine: str
    kernel: str
    ns: float
    features: Mapping[str, Any] = field(default_factory=dict)
    knobs: Mapping[str, Any] = field(default_factory=dict)
    pct_of_roofline: float | None = None


def to_json(point: Point) -> dict[str, Any]:
    """A point as plain JSON values."""
    return {f.name: records.plain(getattr(point, f.name)) for f in fields(Point)}


def add(path: Path, points: Iterable[Point]) -> None:
    """Append those points that are not there yet. The caller holds the lock."""
    bodies = [to_json(point) for point in points]
    names = {body["trial"] for body in bodies}
    there = [body for name in names for body in _of_trial(path, name)]
    for body in bodies:
        if body not in there:
            chain.append(path, body)


def _of_trial(path: Path, trial: str) -> Iterator[dict[str, Any]]:
    for line in chain.newest_first(path, json.dumps(trial).encode()):
        if line.get("trial") == trial:
            yield {f.name: line.get(f.name) for f in fields(Point)}


def read(path: Path) -> Iterator[Point]:
    """The points, oldest first; damaged lines are skipped."""
    for _, raw in chain.forwards(path):
        line = chain.unseal(raw)
        if line is not None and (point := _point(line)) is not None:
            yield point


def _point(line: Mapping[str, Any]) -> Point | None:
    try:
        return Point(**{f.name: line[f.name] for f in fields(Point) if f.name in line})
    except TypeError:
        return None
