"""Whether a champion may be called proven, and whether it may ship: rules on what was measured.

Pure: sees no clock, disk or git. Each rule that fails is one sentence; no sentence means yes. The
numbers and what they are against stand in decision 0017.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log
from statistics import fmean

from ..policy import POLICY
from . import amdahl
from .record import Interval, Line, Row

LAB = 1.10  # the audited gain that is worth another kernel to maintain
MARGIN = 0.99  # a whole must be shown to lose less than this: the width of a quiet run's interval
PREDICTED = 1.02  # from here on a gain of the whole can be seen, and must be
GUARD = exp(POLICY.guard_margin)  # an audit's worst workload, as in a trial


@dataclass(frozen=True, slots=True)
class Audit:
    """The champion against the product in the lab: speed-up, interval, its worst workload."""

    speedup: float
    low: float
    worst: float
    worst_at: str = ""


def predicted(line: Line, lab: float | None) -> float | None:
    """What the ceiling makes of a gain of the op in the lab."""
    return amdahl.whole(line.share, lab) if lab else None


def shortfalls(row: Row, audit: Audit | None) -> tuple[str, ...]:
    """What speaks against the champion end to end; without a figure of the lab nothing is
    predicted, and the mean over pipelines itself must be better."""
    overall = row.overall["product"]
    _, low, high = overall
    told, expected = [], _mean(row, audit) if audit else None
    if high < 1:
        told.append(f"end to end it is slower than the product: {_told(overall)}")
    elif low < MARGIN:
        told.append(f"not shown to be no slower end to end: {_told(overall)}, not above {MARGIN}x")
    elif expected is None and low <= 1:
        told.append(f"nothing is gained end to end: {_told(overall)}")
    elif expected and expected >= PREDICTED and low <= 1:
        told.append(f"end to end it should gain {expected:.2f}x and shows {_told(overall)}")
    return (*told, *(sentence for line in row.lines for sentence in _of(line, audit)))


def _mean(row: Row, audit: Audit) -> float:
    """What the audited gain makes of all pipelines together."""
    return exp(fmean(log(amdahl.whole(line.share, audit.speedup)) for line in row.lines))


def _of(line: Line, audit: Audit | None) -> Iterator[str]:
    """A pipeline calls some of the op's functions on some data: sure to come is what the lab's
    worst workload gained, not its mean."""
    versus = line.versus["product"]
    expected = predicted(line, audit.worst if audit else None)
    if versus[2] < MARGIN:
        yield f"{line.pipeline} is slower: {_told(versus)}"
    elif expected and expected >= PREDICTED and versus[1] <= 1:
        yield f"{line.pipeline} should gain {expected:.2f}x at least and shows {_told(versus)}"


def objections(audit: Audit | None, row: Row | None) -> tuple[str, ...]:
    """Why a champion may not ship; `audit` and `row` are those of this very kernel against the
    product, on this machine, under this digest and at full size."""
    told = list(_lab(audit))
    if row is None:
        return (*told, "no integration compares it with the product")
    return (*told, *shortfalls(row, audit))


def _lab(audit: Audit | None) -> Iterator[str]:
    if audit is None:
        yield "no audit compares it with the product"
        return
    if audit.speedup < LAB or audit.low <= 1:
        yield f"the audit shows {audit.speedup:.3f}x (at least {audit.low:.3f}x), not {LAB:.2f}x"
    if audit.worst < GUARD:
        yield f"the guard is broken: {audit.worst:.3f}x on {audit.worst_at or 'a workload'}"


def _told(found: Interval) -> str:
    ratio, low, high = found
    return f"{ratio:.3f}x [{low:.3f}, {high:.3f}]"
