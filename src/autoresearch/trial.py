"""The whole loop on one page: read the candidate, screen, measure, decide, record, keep or restore.

Every step that could lose something is preceded by the record that lets the next command finish it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import audit, gate, nulls, rows
from .experiment import Experiment, Kernel, Outcome
from .ledger import Decision, Point, Running
from .model import Fault, Trial
from .runner import lease
from .runner.bench import Bench
from .runner.screen import Screened, screen
from .session import Say, Session

WAIT_S = 3600.0  # for another measurement on this machine to end
Tell = Callable[[gate.Step], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial's row, and the commit on the current branch if it was kept. `repeated` names the trial
    whose verdict was given again instead of measuring the same code twice."""

    trial: Trial
    commit: str = ""
    repeated: str = ""


def run(session: Session, description: str, say: Say, tell: Tell) -> Finished:
    """One trial of the target's kernels.py, from its text to its row."""
    incumbent = session.incumbent()
    trial = replace(
        rows.blank(session, "trial", description),
        incumbent=incumbent.candidate,
        session=incumbent.session,
    )
    if incumbent.digest != session.digest:
        return _finish(session, _faulted(trial, _tampering(session, incumbent)), say)
    text = session.workspace.read_candidate(session.entry.kernels)
    if isinstance(text, Fault):
        return _finish(session, _faulted(trial, text), say)
    trial = _snapshot(session, trial, text)
    reference = (session.entry.path / "reference.py").read_text()
    screened = screen(text, session.target, reference)
    if isinstance(screened, Fault):
        return _finish(session, _faulted(trial, screened), say)
    trial = replace(trial, norm=screened.norm)
    if screened.norm == incumbent.norm:
        return _finish(
            session,
            _faulted(trial, Fault("refused", "the same code as the incumbent: nothing to measure")),
            say,
        )
    first = session.ledger.first_verdict(trial)
    if first:
        return _repeat(session, trial, first, text, say)
    return _measure(session, trial, incumbent, screened, say, tell)


def _measure(
    session: Session, trial: Trial, incumbent: Trial, screened: Screened, say: Say, tell: Tell
) -> Finished:
    """Hold the lease, measure, record, and now and then run the same trial blind as A/A."""
    policy, ledger = session.policy, session.ledger
    path = str(session.entry.kernels.relative_to(session.workspace.root))
    ledger.begin(Running(trial.id, trial.result.target, path, trial.candidate, trial.timestamp))
    arms = (
        Kernel(session.workspace.get_blob(trial.incumbent), incumbent.extra["statements"]),
        Kernel(screened.text.encode(), screened.statements),
    )
    known, place = session.known(incumbent), session.place()
    begun = time.monotonic()
    with lease.held(place.core, f"{trial.result.target}: {trial.description[:40]}", WAIT_S, say):
        waited, stamp = time.monotonic() - begun, _stamp()
        with Bench(place) as bench:
            opened = time.monotonic() - begun - waited
            seed = secrets.randbits(62)  # drawn after the candidate's bytes are fixed
            outcome = Experiment(bench, arms, known, policy, seed, tell).run()
            trial = rows.filled(session, trial, outcome, bench.tier)
            if secrets.randbelow(1000) < 1000 * policy.blind_share:
                note = f"A/A beside {trial.id}"
                nulls.run(session, bench, "blind", secrets.randbelow(2) == 1, note, lambda _: None)
        trial = replace(trial, stamps=(stamp, _stamp()), core=place.core)
    seconds = {**outcome.seconds, "wait": waited, "open": opened}
    total = time.monotonic() - begun - waited
    result = replace(trial.result, total_seconds=total)
    trial = _enriched(
        session, replace(trial, result=result, seconds=seconds), incumbent, screened, outcome
    )
    finished = _finish(session, trial, say, rows.points(session, trial, outcome, screened.knobs))
    if finished.commit and session.keeps_since_audit() >= policy.audit_every:
        say("every fifth keep is audited: the session's first incumbent against this one")
        audit.run(session, say, tell)
    return finished


def _enriched(
    session: Session, trial: Trial, incumbent: Trial, screened: Screened, outcome: Outcome
) -> Trial:
    """What a later trial needs of this one, and the pairs that decided it."""
    kept = outcome.verdict.name in ("keep", "simpler")
    speedup = outcome.verdict.speedup if kept else None
    versus = rows.chained(incumbent.result.speedup_vs_reference, speedup)
    extra = {
        "statements": screened.statements,
        "knobs": {name: values[0] for name, values in screened.knobs.items()},
        "stage": outcome.stage,
        "code": outcome.code,
        "llr": outcome.verdict.llr,
        "p_value": outcome.verdict.p_value,
        "certificate": outcome.verdict.certificate,
        "sigma0": outcome.evidence.sigma0,
    }
    if kept:
        extra |= {
            "ns": rows.updated_ns(incumbent.extra["ns"], outcome),
            "tie_cost": rows.cost_of_tie(outcome),
        }
    trial = replace(trial, extra=extra, result=replace(trial.result, speedup_vs_reference=versus))
    return session.ledger.attach(trial, outcome.evidence) if outcome.stage else trial


def _snapshot(session: Session, trial: Trial, text: bytes) -> Trial:
    """Commit the candidate under its own ref before anything is done with it."""
    space, target = session.workspace, session.entry.name
    blob = space.put_blob(text)
    commit = space.snapshot(target, trial.id, session.entry.kernels, blob, trial.description[:200])
    result = replace(trial.result, commit=commit[:12])
    return replace(trial, candidate=blob, result=result)


def _tampering(session: Session, incumbent: Trial) -> Fault:
    """Which immutable part changed, as far as it can be told."""
    changed = session.changed_since(incumbent)
    return Fault("tampered", f"what measures is not what the baseline saw: {changed}")


def _faulted(trial: Trial, fault: Fault) -> Trial:
    return replace(trial, result=replace(trial.result, verdict=fault.verdict, reason=fault.reason))


def _repeat(session: Session, trial: Trial, first: Trial, text: bytes, say: Say) -> Finished:
    """The first verdict stands: no row, the incumbent back in place."""
    session.workspace.restore(session.entry.kernels, text, trial.incumbent)
    say(f"the same code was tried before as trial {first.id}; its verdict stands")
    return Finished(first, repeated=first.id)


def _finish(session: Session, trial: Trial, say: Say, points: tuple[Point, ...] = ()) -> Finished:
    """Write the decision down, then carry it out: row, git, table."""
    path = str(session.entry.kernels.relative_to(session.workspace.root))
    trial = rows.advised(trial, path)
    kept = trial.result.verdict in ("keep", "simpler")
    action = "keep" if kept else "restore" if trial.candidate else "none"
    message = f"{trial.result.target}: {trial.result.speedup or 1.0:.3f}x {trial.description}"
    decision = Decision(trial, action, path, trial.candidate, trial.incumbent, message, points)
    session.ledger.decide(decision)
    return Finished(trial, session.project.carry_out(decision, say))


def _stamp() -> int:
    """ns since boot: comparable between processes, unmoved by a clock that jumps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
