"""Measures where a session starts: the incumbent against itself (noise) and against the reference.

The only way to accept a changed digest, and it says so for good. Decides no trial.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import gate, rows
from .errors import Refusal
from .experiment import Experiment, Kernel, Outcome
from .ledger import Decision
from .model import Fault, Result, Trial
from .phases import Known
from .runner.pair import Runner
from .runner.screen import Screened, screen
from .session import Say, Session
from .stats import pairing

Tell = Callable[[gate.Step], None]
_SMOKE_PAIRS = 3
_VERSUS_PAIRS = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What a baseline may be asked for, beside its target."""

    accept: str = ""
    smoke: bool = False
    data: str = ""


def one(path: Path, name: str, asked: Asked, say: Say, tell: Tell) -> Trial:
    """The baseline of one target of the project around `path`."""
    session = Session.open(path, name, say, data=asked.data)
    return run(session, say, tell, asked.accept, asked.smoke)


def run(session: Session, say: Say, tell: Tell, accept: str = "", smoke: bool = False) -> Trial:
    """Record a baseline of the present kernels.py. `smoke` measures three pairs and stores nothing.

    Raises `Refusal` when the digest changed since the last baseline and `accept` does not name it.
    """
    before = session.ledger.incumbent(session.entry.name)
    _check_digest(session, before, accept)
    reference = (session.entry.path / "reference.py").read_text()
    text, screened = _screened(session, reference)
    with session.measuring(f"baseline of {session.entry.name}", say) as turn:
        trial = _measured(session, turn.bench, screened, reference.encode(), tell, smoke)
        trial = replace(trial, stamps=turn.stamps(), core=turn.core)
    if smoke or trial.result.verdict != "baseline":
        return rows.advised(trial, session.path)
    return _record(session, trial, text, before, accept, say)


def _screened(session: Session, reference: str) -> tuple[bytes, Screened]:
    """The present kernels.py, its bytes read once: what is recorded is what was measured."""
    text = session.workspace.read_candidate(session.entry.kernels)
    if isinstance(text, Fault):
        raise _unfit(session, text)
    screened = screen(text, session.target, reference)
    if isinstance(screened, Fault):
        raise _unfit(session, screened)
    return text, screened


def _unfit(session: Session, fault: Fault) -> Refusal:
    remedy = f"Repair it, or run `autoresearch reset {session.entry.name}`."
    return Refusal(f"kernels.py cannot be a baseline: {fault.reason}.", remedy)


def _check_digest(session: Session, before: Trial | None, accept: str) -> None:
    if before is None or before.digest == session.digest:
        return
    if not accept or not session.digest.startswith(accept):
        what = (
            f"The immutable parts changed since the last baseline: {session.changed_since(before)}."
        )
        remedy = f"Undo the change, or accept it for good with --accept {session.digest}."
        raise Refusal(what, remedy, code=7)


def _measured(
    session: Session, bench: Runner, screened: Screened, reference: bytes, tell: Tell, smoke: bool
) -> Trial:
    """One rough pair of the reference to size the batches, pairs against it, then A/A pairs."""
    begun = time.monotonic()
    policy = session.policy
    seed, kernel = Kernel(reference), Kernel(screened.text.encode(), screened.statements)

    def fixed(arms: tuple[Kernel, Kernel], known: Known, pairs: int) -> Outcome:
        experiment = Experiment(bench, arms, known, policy, secrets.randbits(62), tell)
        return experiment.fixed("baseline", pairs)

    rough = fixed((seed, seed), Known(), 1)
    versus = fixed((seed, kernel), Known(ns=_ns(rough)), 1 if smoke else _VERSUS_PAIRS)
    noise = fixed(
        (kernel, kernel), Known(ns=_ns(versus)), _SMOKE_PAIRS if smoke else policy.aa_pairs
    )
    for outcome in (rough, versus, noise):
        if outcome.evidence.fault:
            return rows.filled(session, rows.blank(session, "baseline"), outcome, bench.tier)
    trial = rows.filled(session, rows.blank(session, "baseline", "baseline"), noise, bench.tier)
    result = _told(trial.result, versus, noise, time.monotonic() - begun)
    extra = _facts(session, screened, rough, noise)
    return replace(trial, result=result, norm=screened.norm, extra=extra)


def _told(result: Result, versus: Outcome, noise: Outcome, took: float) -> Result:
    ratio = math.exp(np.mean([pairing.X(p, math.inf) for p in versus.pairs]))
    return replace(
        result,
        verdict="baseline",
        pairs=len(noise.pairs),
        speedup_vs_reference=f"~{ratio:.2f}",
        total_seconds=took,
        reason=f"{ratio:.2f}x the reference; noise from {len(noise.pairs)} A/A pairs",
    )


def _ns(outcome: Outcome) -> dict[str, float]:
    return dict(zip(outcome.labels, outcome.candidate_ns.tolist(), strict=True))


def _facts(
    session: Session, screened: Screened, rough: Outcome, outcome: Outcome
) -> dict[str, Any]:
    """What every later trial of the session is measured against."""
    return {
        "ns": _ns(outcome),
        "prepare_ns": dict(zip(rough.labels, rough.prepare_ns.tolist(), strict=True)),
        "held_bytes": rough.held_bytes,
        "statements": screened.statements,
        "knobs": {name: values[0] for name, values in screened.knobs.items()},
        "digests": dict(session.digests),
        **rows.quiet(outcome.pairs),
    }


def _record(
    session: Session, trial: Trial, text: bytes, before: Trial | None, accept: str, say: Say
) -> Trial:
    """The kernel becomes the incumbent; an accepted digest stays visible in `status`."""
    blob = session.workspace.put_blob(text)
    commit = session.workspace.snapshot(
        session.entry.name, trial.id, session.entry.kernels, blob, "baseline"
    )
    extra = dict(trial.extra)
    if before and before.digest != session.digest:
        extra["accepted"] = {"from": before.digest, "to": session.digest, "named": accept}
    result = replace(trial.result, commit=commit[:12])
    path = session.path
    trial = replace(
        trial, candidate=blob, incumbent=blob, session=trial.id, extra=extra, result=result
    )
    trial = rows.advised(trial, path)
    decision = Decision(trial, "adopt", path, blob, blob)
    session.ledger.decide(decision)
    session.project.carry_out(decision, say)
    return trial
