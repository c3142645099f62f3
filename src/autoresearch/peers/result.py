"""What a race found: its nouns, and every printed figure made from the times of its rounds.

Pure: knows times, names and what was said of outputs; nothing of processes or pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..model import FloatArray
from . import ratio

CHAMPION, REFERENCE = 0, 1  # places among the entrants; the peers come behind


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who runs, on one op; `version` is empty where a library is not installed."""

    name: str
    what: str
    op: str
    version: str
    output: str
    layout: str

    @property
    def label(self) -> str:
        return f"{self.name} {self.what}".strip()


@dataclass(frozen=True, slots=True)
class Line:
    """One entrant on one workload: median ns per operation, its time over the champion's with an
    interval, recall where the op is lossy; or the `note` that says why there is no figure."""

    entrant: int
    workload: str
    op: str
    ns: float | None = None
    ns_per_unit: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    recall: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """One entrant on all of an op's workloads (`of` in number) on which it can be compared: the
    geometric mean of its time over the champion's. `note` says why some or all are missing."""

    entrant: int
    op: str
    workloads: int
    of: int
    ns_per_unit: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    recall: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Best:
    """The fastest peer of an op; `op` is empty for the mean over the ops, each with its own."""

    op: str
    name: str
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Race:
    """A whole race; `data` names the user's file behind some of its workloads, if any.

    Ratios are an entrant's time over the champion's: above 1 the champion is faster.
    `empty_call_ns` is what calling a Python function costs: part of every peer's time."""

    target: str
    unit: str
    machine: str
    cpu: str
    date: str
    rounds: int
    champion: str
    data: str
    empty_call_ns: float
    entrants: tuple[Entrant, ...]
    standings: tuple[Standing, ...]
    best: tuple[Best, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Heat:
    """What the racing process says of one workload; `ran` holds, for each entrant of the op, its
    number, `ns` per operation of each round (empty if it was not compared), `recall` and `note`."""

    workload: str
    op: str
    units: float
    ran: Sequence[Mapping[str, Any]]

    def ns(self, entrant: int) -> Sequence[float]:
        return next((one["ns"] for one in self.ran if one["entrant"] == entrant), ())


def lines(heats: Sequence[Heat]) -> tuple[Line, ...]:
    return tuple(_line(heat, one) for heat in heats for one in heat.ran)


def _line(heat: Heat, one: Mapping[str, Any]) -> Line:
    line = Line(one["entrant"], heat.workload, heat.op, recall=one["recall"], note=one["note"])
    ours = heat.ns(CHAMPION)
    if not one["ns"] or not ours:
        return line
    ns = float(np.median(one["ns"]))
    per_unit = ns / max(heat.units, 1.0)
    told = ratio.of_logs(ratio.logs(one["ns"], ours))
    return Line(line.entrant, line.workload, line.op, ns, per_unit, *told, line.recall, line.note)


def standings(heats: Sequence[Heat]) -> tuple[Standing, ...]:
    """By op in order of appearance, entrants in theirs."""
    found = []
    for op in dict.fromkeys(heat.op for heat in heats):
        own = [heat for heat in heats if heat.op == op]
        for entrant in dict.fromkeys(one["entrant"] for heat in own for one in heat.ran):
            found.append(_standing(own, op, entrant))
    return tuple(found)


def _standing(heats: Sequence[Heat], op: str, entrant: int) -> Standing:
    mine = [line for line in lines(heats) if line.entrant == entrant]
    raced = [line for line in mine if line.ratio is not None]
    note = "; ".join(dict.fromkeys(line.note for line in mine if line.note))
    if not raced:
        return Standing(entrant, op, 0, len(heats), note=note)
    per_unit = float(np.exp(np.mean(np.log([line.ns_per_unit or 1.0 for line in raced]))))
    recalls = [line.recall for line in raced if line.recall is not None]
    recall = float(np.mean(recalls)) if recalls else None
    told = ratio.of_logs(_over_workloads(heats, entrant))
    return Standing(entrant, op, len(raced), len(heats), per_unit, *told, recall, note)


def _over_workloads(heats: Sequence[Heat], entrant: int) -> FloatArray:
    """f64[n]: in each round, the mean log ratio over the workloads where both were timed."""
    pairs = [(heat.ns(entrant), heat.ns(CHAMPION)) for heat in heats]
    return ratio.geometric([ratio.logs(a, b) for a, b in pairs if len(a) and len(b)])


def best(heats: Sequence[Heat], entrants: Sequence[Entrant]) -> tuple[Best, ...]:
    """The fastest peer of each op, and the mean over ops. One that runs on more workloads goes
    before: a library that is fast where it is easy has not shown the rest."""
    found, logs = [], []
    for op in dict.fromkeys(heat.op for heat in heats):
        own = [heat for heat in heats if heat.op == op]
        peers = [s for s in standings(own) if s.entrant > REFERENCE and s.ratio is not None]
        if peers:
            first = min(peers, key=lambda s: (-s.workloads, s.ratio))
            logs.append(_over_workloads(own, first.entrant))
            found.append(Best(op, entrants[first.entrant].label, *ratio.of_logs(logs[-1])))
    if len(found) > 1:
        found.append(Best("", "the best of each op", *ratio.of_logs(ratio.geometric(logs))))
    return tuple(found)
