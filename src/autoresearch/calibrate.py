"""Bounds the rate of false keeps by live A/A trials, cumulative over runs, resumable at any time.

Every trial is a ledger row of its own, so what was measured is never lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from . import gate, nulls
from .model import KEPT, Trial
from .session import Say, Session
from .stats.interval import rate_upper

Tell = Callable[[gate.Step], None]
KINDS = ("calibrate", "blind")


@dataclass(frozen=True, slots=True)
class Tally:
    """A/A trials of one target and one sort (identical or null variant)."""

    target: str
    sort: str
    trials: int
    false_keeps: int
    median_pairs: float
    median_s: float
    inconclusive: int


@dataclass(frozen=True, slots=True)
class Report:
    """All tallies under the present digest on this machine, and sigma0 by target."""

    tallies: tuple[Tally, ...]
    sigma0: dict[str, float]

    def lines(self) -> list[tuple[str, ...]]:
        return [
            (
                *(t.target, t.sort, str(t.trials), str(t.false_keeps), f"{t.median_pairs:.0f}"),
                *(f"{t.median_s:.1f}", f"{self.sigma0[t.target]:.4f}", str(t.inconclusive)),
            )
            for t in self.tallies
        ]

    def bound(self) -> str:
        """What these trials prove about the rate, in one sentence."""
        trials = sum(t.trials for t in self.tallies)
        false = sum(t.false_keeps for t in self.tallies)
        if not trials:
            return "no A/A trials under this digest on this machine yet"
        upper = 100 * rate_upper(false, trials)
        return (
            f"{false} false keeps in {trials} trials: the rate is below {upper:.2f} % (95 %, exact)"
        )


def run(sessions: Sequence[Session], trials: int, say: Say, tell: Tell) -> None:
    """Add `trials` A/A trials, shared out over the targets; every second one is a null variant."""
    for i, session in enumerate(sessions):
        share = trials // len(sessions) + (i < trials % len(sessions))
        name = session.entry.name
        with session.measuring(f"calibrate {name}", say) as turn:
            for n in range(share):
                found = nulls.run(session, turn.bench, "calibrate", n % 2 == 1, "A/A", tell).result
                say(f"{name} {n + 1}/{share}: {found.verdict}: {found.reason}")


def report(sessions: Sequence[Session]) -> Report:
    """The tallies of every session's target."""
    tallies = []
    for session in sessions:
        found = _rows(session)
        for sort, dressed in (("identical", False), ("null variant", True)):
            own = [t for t in found if t.extra.get("null_variant") is dressed]
            if own:
                tallies.append(_tally(session.entry.name, sort, own))
    return Report(tuple(tallies), {s.entry.name: s.noise()[0] for s in sessions})


def _rows(session: Session) -> list[Trial]:
    rows = session.ledger.newest_first(f'"target":"{session.entry.name}"')
    return [
        t
        for t in rows
        if t.kind in KINDS and t.digest == session.digest and t.result.machine == session.machine.id
    ]


def _tally(target: str, sort: str, rows: list[Trial]) -> Tally:
    return Tally(
        target,
        sort,
        trials=len(rows),
        false_keeps=sum(t.result.verdict in KEPT for t in rows),
        median_pairs=float(np.median([t.result.pairs or 0 for t in rows])),
        median_s=float(np.median([t.result.total_seconds or 0.0 for t in rows])),
        inconclusive=sum(t.result.verdict == "inconclusive" for t in rows),
    )
