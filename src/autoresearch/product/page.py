"""How ceilings and integrations read: rows of a table and sentences.

Knows rows; prints nothing.
"""

from __future__ import annotations

from . import amdahl, judge
from .promote import Done
from .record import INTEGRATE, Interval, Line, Row

_SHARE = ("workload", "op's share", "calls", "ceiling")


def heads(row: Row) -> tuple[str, ...]:
    return (*_SHARE, "predicted", *(f"vs {arm}" for arm in row.overall))


def cells(row: Row) -> list[tuple[str, ...]]:
    """A line for each pipeline, and for all of them together."""
    found = [_cells(row, line) for line in row.lines]
    if row.kind == INTEGRATE:
        found.append(("overall", *[""] * 4, *map(_ratio, row.overall.values())))
    return found


def _cells(row: Row, line: Line) -> tuple[str, ...]:
    expected = judge.predicted(line, row.lab)
    return (
        line.pipeline,
        f"{line.share:.1%}",
        f"{line.calls:.0f}",
        f"{amdahl.ceiling(line.share):.2f}x",
        f"{expected:.2f}x" if expected else "",
        *(_ratio(line.versus[arm]) for arm in row.overall),
    )


def _ratio(found: Interval) -> str:
    ratio, low, high = found
    return f"{ratio:.3f}x [{low:.3f}, {high:.3f}]"


def told(row: Row) -> list[str]:
    """What the table means, and what to do next."""
    size = "" if row.scale == 1 else f", at {row.scale:g} of the real size: not for a promotion"
    said = [f"{row.spawns} spawns on {row.machine}{size}"]
    if row.kind != INTEGRATE:
        return [*said, f"no kernel of {row.target} can gain more than {row.limit:.2f}x end to end"]
    lab = f"{row.lab:.2f}x the product in its audit" if row.lab else "not audited against it"
    said.append(f"champion: {row.origin}; {lab}")
    said += [f"not proven: {sentence}" for sentence in row.reasons]
    return [*said, f"{row.target} is {row.verdict}"]


def done(found: Done, verb: str) -> str:
    return f"{verb} {found.target}: {found.file} in commit {found.commit[:12]}"
