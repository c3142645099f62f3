"""What `status`, `targets` and `log` tell: reads the ledger's summary and the targets' facts.

Writes nothing and decides nothing; fast on a ledger of 100,000 rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import catalog
from .ledger import Ledger, Summary
from .model import KEPT, Result, Target, Trial
from .prior.hints import notes as suggestions
from .product import record


@dataclass(frozen=True, slots=True)
class TargetLine:
    """Where one target stands; `stage` and `ceiling` are those of `record.standing`."""

    name: str
    unit: str
    verdict: str
    versus: str
    ns: str
    trials: int
    kept: int
    ops: tuple[str, ...]
    site: str
    stage: str = ""
    ceiling: float | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """Where the project stands, what is odd about it, the newest row and the next step."""

    targets: tuple[TargetLine, ...]
    notes: tuple[str, ...]
    next: str
    newest: str = ""


def status(path: Path) -> Overview:
    root, summary = _project(path)
    facts = _facts(root)
    lines = _lines(root, facts, summary)
    suggested = suggestions(Ledger(root).corpus_path, facts, summary.incumbent)
    newest = _newest(summary)
    told = _told(newest) if newest else ""
    return Overview(lines, (*_notes(summary), *suggested), _next(lines, newest), told)


def targets(path: Path) -> tuple[TargetLine, ...]:
    root, summary = _project(path)
    return _lines(root, _facts(root), summary)


def log(path: Path, name: str, number: int) -> list[Trial]:
    """The newest rows, newest last; of one target if named."""
    root, _ = _project(path)
    if name:
        name = catalog.find(root, name).name
    found: list[Trial] = []
    for trial in Ledger(root).newest_first(f'"target":"{name}"' if name else ""):
        if len(found) >= number:
            break
        if name in ("", trial.result.target):
            found.append(trial)
    return found[::-1]


def _project(path: Path) -> tuple[Path, Summary]:
    root = catalog.root_of(path)
    return root, Ledger(root).summary()


def _facts(root: Path) -> dict[str, Target]:
    return {entry.name: entry.facts() for entry in catalog.discover(root)}


def _lines(root: Path, facts: Mapping[str, Target], summary: Summary) -> tuple[TargetLine, ...]:
    return tuple(_line(root, name, target, summary) for name, target in facts.items())


def _line(root: Path, name: str, facts: Target, summary: Summary) -> TargetLine:
    incumbent = summary.incumbent.get(name)
    counts = summary.counts.get(name, {}).get("trial", {})
    kept = sum(counts.get(v, 0) for v in KEPT)
    result = incumbent.result if incumbent else Result(name, "no baseline")
    return TargetLine(
        name,
        facts.unit,
        result.verdict,
        result.speedup_vs_reference,
        f"{result.geomean_ns_per_op:.0f}" if result.geomean_ns_per_op else "",
        sum(counts.values()),
        kept,
        tuple(facts.ops),
        facts.site,
        *record.standing(Ledger(root), catalog.Entry(root, name), incumbent),
    )


def _notes(summary: Summary) -> list[str]:
    notes = []
    for target, counts in summary.counts.items():
        blind: Mapping[str, int] = counts.get("blind", {})
        if blind:
            false = sum(blind.get(v, 0) for v in KEPT)
            notes.append(f"{target}: {sum(blind.values())} blind A/A trials, {false} falsely kept")
        for row in summary.baselines.get(target, ()):
            accepted = row.extra.get("accepted")
            if accepted:
                notes.append(
                    f"{target}: changed digest {accepted['to']} accepted at {row.timestamp} "
                    f"(was {accepted['from']})"
                )
    if summary.damaged:
        lines = ", ".join(map(str, summary.broken[:5]))
        notes.append(f"{summary.damaged} damaged ledger lines were skipped (lines {lines})")
    if summary.rewritten:
        notes.append(f"the ledger was rewritten after {summary.rewritten} lines had been seen")
    return notes


def _newest(summary: Summary) -> Trial | None:
    rows = (rows[0] for rows in summary.newest.values() if rows)
    return max(rows, key=lambda t: t.timestamp, default=None)


def _told(trial: Trial) -> str:
    """The newest row in a line: `next` speaks of its reason."""
    return f"{trial.result.target}, {trial.result.verdict}: {trial.result.reason}"


def _next(lines: tuple[TargetLine, ...], newest: Trial | None) -> str:
    if not lines:
        return "there are no targets here: autoresearch new NAME makes one, --root names a project"
    if newest is None:
        return f"autoresearch baseline {lines[0].name}"
    return newest.result.next or f'autoresearch trial {newest.result.target} -m "one hypothesis"'
