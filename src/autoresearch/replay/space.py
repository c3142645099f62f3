"""A knob space measured in full: one time, or one failure, for each setting, and where it was.

Knows a file of its own and nothing of who searches it or of how it was measured.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import Refusal
from ..runner.knobs import Setting

SCHEMA = 1
SUFFIX = ".json.gz"
Point = float | str | None  # ns; why it failed; not a setting of this space
Knobs = dict[str, Setting]


@dataclass(frozen=True)
class Space:
    """One op at one shape on one machine. `points` follow `product(*knobs.values())`, the first
    value of each knob being the default one; `caches` are bytes of L1 and L2."""

    target: str
    op: str
    shape: str  # a workload's label
    machine: str
    knobs: Mapping[str, tuple[Setting, ...]]
    points: tuple[Point, ...]
    caches: tuple[int, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0  # that one point took to compile and to measure
    noise: float = 0.0  # standard error of ln of a point, the median over points

    def __post_init__(self) -> None:
        size = math.prod(map(len, self.knobs.values()))
        sound = all(p is None or isinstance(p, str) or 0 < p < math.inf for p in self.points)
        if not self.knobs or len(self.points) != size or not sound:
            told = (
                f"The space of {self.target} has {len(self.points)} points, not {size} sound ones."
            )
            raise Refusal(told, "Measure it again with scripts/brute_force.py.")
        if not any(isinstance(p, float) for p in self.points):
            raise Refusal(
                f"No point of the space of {self.target} has a time.", "Measure it again."
            )

    @property
    def name(self) -> str:
        """Which space this is, as a table names it."""
        return f"{self.target} {self.shape} on {self.machine}"

    @cached_property
    def settings(self) -> tuple[Knobs, ...]:
        """Every setting that belongs to the space, the default first where it does."""
        every = (dict(zip(self.knobs, c, strict=True)) for c in product(*self.knobs.values()))
        return tuple(s for s, p in zip(every, self.points, strict=True) if p is not None)

    @cached_property
    def ns(self) -> tuple[float, ...]:
        """The time of each of `settings`; infinite where it failed."""
        return tuple(p if isinstance(p, float) else math.inf for p in self.points if p is not None)

    @property
    def best(self) -> float:
        return min(self.ns)


def write(path: Path, space: Space) -> None:
    """The same bytes for the same space, whatever the clock says."""
    body = {"schema": SCHEMA, **asdict(space)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(body).encode(), mtime=0))


def read(path: Path) -> Space:
    """The space in a file; Refusal when it is damaged or of another schema."""
    try:
        body = json.loads(gzip.decompress(path.read_bytes()))
        if body.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        return _made(body)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{path} holds no knob space ({error})."
        raise Refusal(what, "Name a file that scripts/brute_force.py wrote.") from error


def _made(body: dict[str, Any]) -> Space:
    knobs = {str(name): tuple(values) for name, values in body.pop("knobs").items()}
    points = tuple(float(p) if isinstance(p, int) else p for p in body.pop("points"))
    caches = tuple(body.pop("caches"))
    return Space(**body, knobs=knobs, points=points, caches=caches)
