"""The headline: the session's first incumbent against the current one: fixed n, new seeds."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from . import gate, rows
from .experiment import Experiment, Kernel
from .model import Trial
from .session import Say, Session

Tell = Callable[[gate.Step], None]


def run(session: Session, say: Say, tell: Tell) -> Trial:
    """Measure and record one audit; its verdict never moves the incumbent."""
    current, first = session.incumbent(), session.since_baseline()[-1]
    arms = _kernel(session, first), _kernel(session, current, "audit")
    known = replace(session.known(current), ns=first.extra["ns"])
    with session.measuring(f"audit of {session.entry.name}", say) as turn:
        bench, seed = turn.bench, secrets.randbits(62)
        experiment = Experiment(bench, arms, known, session.policy, seed, tell)
        outcome = experiment.fixed("audit", session.policy.audit_pairs)
        if not outcome.evidence.fault:
            outcome = replace(outcome, verdict=experiment.audited())
        trial = rows.filled(session, rows.blank(session, "audit", "audit"), outcome, bench.tier)
        trial = replace(trial, stamps=turn.stamps(), core=turn.core)
    result = replace(
        trial.result,
        speedup_vs_reference=current.result.speedup_vs_reference,
        commit=current.result.commit,
        pairs=outcome.verdict.pairs,
    )
    extra = {"first": first.id, "certificate": outcome.verdict.certificate}
    trial = replace(
        trial,
        candidate=current.candidate,
        incumbent=first.candidate,
        session=first.id,
        extra=extra,
        result=result,
    )
    return session.ledger.append(trial)


def _kernel(session: Session, row: Trial, label: str = "") -> Kernel:
    text = session.workspace.get_blob(row.candidate)
    return Kernel(text, row.extra["statements"], label)
