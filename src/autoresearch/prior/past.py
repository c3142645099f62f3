"""What was tried before, one `Past` a row, whichever file it came from.

Knows the ledger's lines and the corpus; nothing of how a prior ranks. A line that cannot be used
is dropped and counted, however it is damaged, and a file of any length is streamed. No numpy.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ledger import chain, disk, records
from ..model import KEPT, Target, Trial
from .attempt import attempt
from .shape import Shape

if TYPE_CHECKING:
    from ..runner.knobs import Setting  # its module parses Python, which takes a while to load

FAILED = ("incorrect", "timeout", "crash")  # a setting that earned one of these is a bad one
TRIALS = 2000  # newest usable rows of the ledger: more change no order
EACH = 8  # best points kept of one shape on one machine
SHAPES = 1024  # shapes told apart; later ones share the places of one
Place = tuple[bytes, ...]  # of a point: target, op and machine, features
Heap = list[tuple[float, int, bytes]]  # pct, line number, line
_POINT = re.compile(  # a corpus line as `chain.seal` writes it, without parsing it
    rb'\{"v":%d,"n":\d+,"trial":"[^"]*","target":"([^"]*)",("op":"[^"]*","machine":"[^"]*"),'
    rb'"kernel":"[^"]*","ns":[^,"]*,"features":(\{[^}]*\}),"knobs":\{[^}]*\},'
    rb'"pct_of_roofline":(?:null|(-?[\d.e+-]+))[,}]' % chain.SCHEMA
)


@dataclass(frozen=True, slots=True)
class Past:
    """One setting of one kernel, and what came of it. `kernel` is its git blob. `ratio` is the time
    of the group's incumbent over its own, None when it failed or was never raced; ratios compare
    within a `group` only. `ns` and `pct` (of the roofline) are those of kept kernels."""

    target: str
    machine: str
    kernel: str
    knobs: Mapping[str, Setting]
    verdict: str = "keep"
    group: str = ""
    ratio: float | None = None
    shapes: tuple[Shape, ...] = ()
    ns: float | None = None
    pct: float | None = None
    trial: str = ""
    norm: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that can be used, how many could not, and what went wrong when none could be read."""

    rows: tuple[Past, ...] = ()
    dropped: int = 0
    told: str = ""


def _nothing(told: str) -> Found:
    return Found(told=told)


def signature(target: Target) -> object:
    """What two targets share when the kernel of one is a start for the other: all but the oracle's
    way to compare, the unit and the site."""
    ops = {name: (op.steps, dict(op.each), dict(op.out)) for name, op in target.ops.items()}
    return ops, dict(target.static), target.prepare, target.scratch


def family(name: str, targets: Mapping[str, Target]) -> tuple[str, ...]:
    """`name`, then the targets with the same signature."""
    mine = signature(targets[name])
    return name, *(n for n, t in targets.items() if n != name and signature(t) == mine)


def corpus(path: Path, targets: Collection[str]) -> Found:
    """The best points of these targets, up to `EACH` of every op, shape and machine."""
    return attempt(lambda: _corpus(path, targets), _nothing)


def _corpus(path: Path, targets: Collection[str]) -> Found:
    heaps, dropped = _best(path, {name.encode() for name in targets})
    lines = [chain.unseal(raw) for heap in heaps for _, _, raw in heap]
    rows = [row for line in lines if line and (row := _point(line)) is not None]
    return Found(tuple(rows), dropped + len(lines) - len(rows))


def _best(path: Path, wanted: Collection[bytes]) -> tuple[Collection[Heap], int]:
    """The lines to parse, and how many were damaged. A microsecond a line, so that a million are
    read while a person waits."""
    heaps: dict[Place, Heap] = {}
    dropped = 0
    with disk.reading(path) as file:
        for number, raw in enumerate(file):
            found = _POINT.match(raw)
            place = _slowly(raw) if found is None else found.group(1, 2, 3)
            if place is None:
                dropped += 1
            elif place[0] in wanted:
                heap = heaps.get(place)
                if heap is None:
                    place = place if len(heaps) < SHAPES else (place[0], b"", b"")
                    heap = heaps.setdefault(place, [])
                pct = float(found[4] or 0.0) if found else 0.0
                if len(heap) < EACH:
                    heapq.heappush(heap, (pct, number, raw))
                elif pct > heap[0][0]:
                    heapq.heapreplace(heap, (pct, number, raw))
    return heaps.values(), dropped


def _slowly(raw: bytes) -> Place | None:
    """Where a line belongs that other hands wrote, None if it is damaged or foreign."""
    line = chain.unseal(raw)
    if line is None or line.get("v") != chain.SCHEMA or _point(line) is None:
        return None
    told = (line["target"], (line["op"], line["machine"]), line.get("features"))
    first, *rest = (str(part).encode(errors="replace") for part in told)
    return first, rest[0], rest[1]


def _point(line: Mapping[str, Any]) -> Past | None:
    """A corpus line as a row; None where a field does not hold what it must."""
    texts = [line.get(name) for name in ("target", "machine", "kernel", "trial", "op")]
    ns, pct = _positive(line.get("ns")), _positive(line.get("pct_of_roofline"))
    features, knobs = line.get("features", {}), _settings(line.get("knobs", {}))
    if ns is None or knobs is None or not isinstance(features, Mapping):
        return None
    if not all(isinstance(text, str) for text in texts):
        return None
    target, machine, kernel, trial, op = map(str, texts)
    shape = Shape.of(op, features)
    return Past(target, machine, kernel, knobs, shapes=(shape,), ns=ns, pct=pct, trial=trial)


def trials(path: Path, targets: Collection[str], most: int = TRIALS) -> Found:
    """The newest rows of these targets that say how a setting fared, losers and failures too."""
    return attempt(lambda: _trials(path, targets, most), _nothing)


def _trials(path: Path, targets: Collection[str], most: int) -> Found:
    rows: list[Past] = []
    dropped = 0
    marks = [b'"target":"%s"' % name.encode() for name in targets]
    with disk.reading(path) as file:
        for _, raw in chain.backwards(file):
            if not any(mark in raw for mark in marks):
                continue
            trial = records.read(chain.unseal(raw) or {})
            dropped += trial is None
            if trial is not None and trial.result.target in targets:
                rows += _of_trial(trial)
            if len(rows) >= most:
                break
    return Found(_same_shapes(rows), dropped)


def _same_shapes(rows: list[Past]) -> tuple[Past, ...]:
    """Rows of one target and digest get the shapes that all of them were tried on. Those actually
    measured would tell the outcome: only what passed the screen has seen hidden ones."""
    declared = {_question(row): row.shapes for row in rows if row.shapes}
    return tuple(replace(row, shapes=declared.get(_question(row), ())) for row in rows)


def _question(row: Past) -> str:
    return row.group.rpartition(" ")[0]


def _of_trial(trial: Trial) -> Iterator[Past]:
    """What a row teaches: how its kernel fared, and where it was kept, what later ones race."""
    knobs, measured = _settings(trial.extra.get("knobs")), trial.extra.get("measured", {})
    if not knobs or trial.kind not in records.SHOWN:
        return
    result, verdict = trial.result, trial.result.verdict
    measured = measured if isinstance(measured, Mapping) else {}
    base = Past(
        *(result.target, result.machine, trial.candidate, knobs, verdict),
        shapes=_declared(trial, measured),
        trial=trial.id,
        norm=trial.norm,
    )
    if verdict in KEPT:
        yield replace(base, group=_group(trial, trial.candidate), ratio=1.0)
    ratio = _exp(measured.get("X"))
    if trial.kind == "trial" and (ratio is not None or verdict in FAILED):
        ratio = None if verdict in FAILED else ratio
        yield replace(base, group=_group(trial, trial.incumbent), ratio=ratio)


def _group(trial: Trial, incumbent: str) -> str:
    """Ratios compare on one machine, under one digest, on the same data, against one incumbent."""
    result = trial.result
    return f"{result.target} {result.machine} {trial.digest} {result.data} {incumbent}"


def _declared(trial: Trial, measured: Mapping[str, Any]) -> tuple[Shape, ...]:
    """The workloads of inputs.py, where a row lists them and no others."""
    screened = trial.extra.get("phase") == "screen"
    ns = measured.get("ns") if screened else trial.extra.get("ns")
    return tuple(Shape.read(str(label)) for label in ns) if isinstance(ns, Mapping) else ()


def _positive(value: object) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 < value < 1e300 else None  # type: ignore[operator,arg-type]


def _exp(value: object) -> float | None:
    sound = isinstance(value, int | float) and abs(value) < 50
    return math.exp(value) if sound else None  # type: ignore[arg-type]


def _settings(knobs: object) -> dict[str, Setting] | None:
    """The values in use: a corpus row lists all of a knob's values, the one in use first."""
    if not isinstance(knobs, Mapping):
        return None
    firsts = {k: v[0] if isinstance(v, list | tuple) and v else v for k, v in knobs.items()}
    sound = all(isinstance(v, bool | str) or _number(v) for v in firsts.values())
    return firsts if sound else None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e300
