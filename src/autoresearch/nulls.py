"""A/A trials: the incumbent against itself through the same pipeline, to count false keeps.

Blind ones run beside real trials, unseen by the agent; `calibrate` runs them in bulk.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from . import gate, rows
from .experiment import Experiment, Kernel
from .machine import boot_ns
from .model import Trial
from .runner.driver import entry_points
from .runner.normal import null_variant
from .runner.pair import Runner
from .session import Session

Tell = Callable[[gate.Step], None]


def run(session: Session, bench: Runner, kind: str, dressed: bool, note: str, tell: Tell) -> Trial:
    """One A/A trial, recorded under `kind`; `dressed` gives the candidate other names and order."""
    begun, start = time.monotonic(), boot_ns()
    row = session.incumbent()
    incumbent = Kernel(session.workspace.get_blob(row.candidate), row.extra["statements"])
    text = incumbent.text
    if dressed:
        names = entry_points(session.target)
        text = null_variant(text.decode(), secrets.randbits(32), names).encode()
    arms = (incumbent, Kernel(text, incumbent.statements, label="null"))
    known, seed = session.known(row), secrets.randbits(62)
    outcome = Experiment(bench, arms, known, session.policy, seed, tell).run()
    trial = rows.filled(session, rows.blank(session, kind, note), outcome, bench.tier)
    pairs = outcome.evidence.screen + outcome.evidence.confirm
    extra = {"null_variant": dressed, "sigma0": known.sigma0, **rows.quiet(pairs)}
    result = replace(trial.result, total_seconds=time.monotonic() - begun)
    stamps, core = (start, boot_ns()), bench.place.core
    trial = replace(trial, extra=extra, result=result, stamps=stamps, core=core)
    trial = replace(trial, candidate=row.candidate, incumbent=row.candidate)
    stored = session.ledger.attach(trial, outcome.evidence) if pairs else trial
    return session.ledger.append(stored)
