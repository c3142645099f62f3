"""Where to start: the best known kernels and knobs of the nearest shapes, and what they promise.

Pure, and without numpy: `status` shows it. Advice; a trial alone decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .attempt import attempt
from .past import Past
from .shape import Shape, distance

if TYPE_CHECKING:
    from ..runner.knobs import Setting  # its module parses Python, which takes a while to load

SHOWN = 3
_VOTES = 8  # points of one workload that speak for their kernels


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose place a suggestion would take: the incumbent of a target on a machine, its ns by
    workload label and its share of the roofline."""

    target: str
    machine: str
    kernel: str
    ns: Mapping[str, float]
    pct: float | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """A kernel to try. `ratio` is the incumbent's time over the one expected, `spread` its factor
    of one standard deviation between workloads, `distance` the doublings to the nearest point, None
    when no shape is comparable."""

    target: str
    kernel: str
    knobs: Mapping[str, Setting]
    ratio: float
    spread: float
    distance: float | None
    why: str


def warm_start(
    past: Iterable[Past], shape: Shape, machine: str, k: int = SHOWN, radius: float = 1.0
) -> tuple[Past, ...]:
    """The `k` best known settings, knobs apart: of this shape, else of the nearest within `radius`
    doublings, else of any on this machine. Empty when nothing is usable."""
    return attempt(lambda: _apart(_near(past, shape, machine, radius), _knobs, k), lambda _: ())


def warm_start_combined(
    past: Iterable[Past], shape: Shape, machine: str, k: int = SHOWN, radius: float = 1.0
) -> tuple[Past, ...]:
    """As `warm_start`, kernels and knobs together."""
    return attempt(lambda: _apart(_near(past, shape, machine, radius), _both, k), lambda _: ())


def _near(past: Iterable[Past], shape: Shape, machine: str, radius: float) -> list[Past]:
    """The points of the nearest shape, best first; those of this machine where there are any."""
    usable = [p for p in past if p.pct is not None and 0 < p.pct < math.inf and p.shapes]
    away = [distance(shape, p.shapes[0]) for p in usable]
    nearest = min(away, default=math.inf)
    if nearest > radius:
        pool = [p for p in usable if p.machine == machine]
    else:
        pool = [p for p, d in zip(usable, away, strict=True) if d == nearest]
        pool = [p for p in pool if p.machine == machine] or pool
    return sorted(pool, key=lambda p: -(p.pct or 0.0))


def _apart(found: Iterable[Past], key: Callable[[Past], Hashable], k: int) -> tuple[Past, ...]:
    unique: dict[Hashable, Past] = {}
    for point in found:
        unique.setdefault(key(point), point)
    return tuple(unique.values())[: max(0, k)]


def _knobs(point: Past) -> Hashable:
    return tuple(sorted((name, repr(value)) for name, value in point.knobs.items()))


def _both(point: Past) -> Hashable:
    return point.kernel, _knobs(point)


def suggest(past: Iterable[Past], wanted: Wanted, k: int = SHOWN) -> tuple[Advice, ...]:
    """Up to `k` kernels that the past expects to beat the incumbent, the most promising first."""
    return attempt(lambda: _suggested(tuple(past), wanted)[: max(0, k)], lambda _: ())


def _suggested(past: tuple[Past, ...], wanted: Wanted) -> tuple[Advice, ...]:
    votes: dict[str, list[tuple[float, float, Past]]] = {}
    for label, ns in wanted.ns.items():
        for kernel, vote in _votes(past, wanted, Shape.read(label), ns):
            votes.setdefault(kernel, []).append(vote)
    found = [_advice(v, len(wanted.ns)) for k, v in votes.items() if k not in ("", wanted.kernel)]
    return tuple(sorted((a for a in found if a.ratio > 1), key=lambda a: -a.ratio))


def _votes(
    past: tuple[Past, ...], wanted: Wanted, shape: Shape, ns: float
) -> Iterator[tuple[str, tuple[float, float, Past]]]:
    """What the points near one workload say: ln of the ratio expected there, and how far away."""
    for point in warm_start_combined(past, shape, wanted.machine, _VOTES):
        away = distance(shape, point.shapes[0])
        same = (point.target, point.machine, away) == (wanted.target, wanted.machine, 0.0)
        if same and point.ns:
            yield point.kernel, (math.log(ns / point.ns), away, point)
        elif wanted.pct and point.pct:  # elsewhere only the share of the roofline carries over
            yield point.kernel, (math.log(point.pct / wanted.pct), away, point)


def _advice(votes: list[tuple[float, float, Past]], workloads: int) -> Advice:
    """The mean over all workloads; one where this kernel is not among the best counts as a tie."""
    logs = [ln for ln, _, _ in votes]
    ratio = math.exp(sum(logs) / workloads)
    mean = sum(logs) / len(logs)
    spread = math.exp(math.sqrt(sum((ln - mean) ** 2 for ln in logs) / len(logs)))
    _, away, nearest = min(votes, key=lambda vote: (vote[1], -vote[0]))
    far = f"at {away:.1f} doublings" if away < math.inf else "not comparable in shape"
    why = (
        f"{nearest.target} on {nearest.machine}, trial {nearest.trial}: nearest point "
        f"{nearest.shapes[0].label} {far}; speaks for {len(votes)} of "
        f"{workloads} workloads; expected {ratio:.2f}x, spread {spread:.2f}x"
    )
    near = away if away < math.inf else None
    return Advice(nearest.target, nearest.kernel, nearest.knobs, ratio, spread, near, why)
