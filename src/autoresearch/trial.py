"""The whole loop on one page: read the candidate, screen, measure, decide, record, keep or restore.

Every step that could lose something is preceded by the record that lets the next command finish it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import audit, gate, nulls, rows
from .block import clean
from .experiment import Experiment, Kernel, Outcome
from .ledger import Decision, Point, Running
from .model import KEPT, Fault, Trial
from .runner.screen import Screened, screen
from .session import Say, Session, Turn

Tell = Callable[[gate.Step], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial's row, and the commit on the current branch if it was kept. `repeated` names the
    trial whose verdict was given again instead of measuring the same code twice."""

    trial: Trial
    commit: str = ""
    repeated: str = ""


def run(session: Session, description: str, say: Say, tell: Tell) -> Finished:
    """One trial of the target's kernels.py, from its text to its row."""
    incumbent = session.incumbent()
    session.agree_on_data()
    trial = rows.blank(session, "trial", description)
    trial = replace(trial, incumbent=incumbent.candidate, session=incumbent.session)
    if incumbent.digest != session.digest:
        changed = session.changed_since(incumbent)
        tampering = Fault("tampered", f"what measures is not what the baseline saw: {changed}")
        return _finish(session, _faulted(trial, tampering), say)
    text = session.workspace.read_candidate(session.entry.kernels)
    if isinstance(text, Fault):
        return _finish(session, _faulted(trial, text), say)
    trial = _snapshot(session, trial, text)
    reference = (session.entry.path / "reference.py").read_text()
    screened = screen(text, session.target, reference)
    if isinstance(screened, Fault):
        return _finish(session, _faulted(trial, screened), say)
    trial = replace(trial, norm=screened.norm)
    return _repeated(session, trial, text, say) or _measured(session, trial, screened, say, tell)


def _repeated(session: Session, trial: Trial, text: bytes, say: Say) -> Finished | None:
    """The same code is not measured twice: the first verdict stands, and there is no new row."""
    if trial.norm == session.incumbent().norm:
        same = Fault(
            "refused",
            "the same code as the incumbent, names and comments aside: change what it does",
        )
        return _finish(session, _faulted(trial, same), say)
    first = session.ledger.first_verdict(trial)
    if first is None:
        return None
    session.workspace.restore(session.entry.kernels, text, trial.incumbent)
    say(f"the same code was tried before as trial {first.id}; its verdict stands")
    return Finished(first, repeated=first.id)


def _measured(session: Session, trial: Trial, screened: Screened, say: Say, tell: Tell) -> Finished:
    """Hold the lease from reading the incumbent to moving git: no other trial can come between."""
    path = session.path
    running = Running(trial.id, trial.result.target, path, trial.candidate)
    session.ledger.begin(running)
    begun = time.monotonic()
    who = f"{trial.result.target}: {clean(trial.description, 40)}"
    with session.measuring(who, say) as turn:
        incumbent = session.incumbent()
        trial = replace(trial, incumbent=incumbent.candidate)
        if answered := _repeated(session, trial, screened.text.encode(), say):
            session.ledger.settle(trial.id)  # another trial of this code ended meanwhile
            return answered
        outcome = _outcome(session, turn, incumbent, screened, tell)
        trial = rows.filled(session, trial, outcome, turn.bench.tier)
        took = time.monotonic() - begun - turn.waited_s
        seconds = {**outcome.seconds, "wait": turn.waited_s, "open": turn.opened_s}
        result = replace(trial.result, total_seconds=took)
        trial = replace(trial, result=result, seconds=seconds, stamps=turn.stamps(), core=turn.core)
        trial = _enriched(session, trial, incumbent, screened, outcome)
        points = rows.points(session, trial, outcome, screened.knobs)
        finished = _finish(session, trial, say, points)
        if secrets.randbelow(1000) < 1000 * session.policy.blind_share:
            dressed, note = secrets.randbelow(2) == 1, f"A/A beside {trial.id}"
            nulls.run(session, turn.bench, "blind", dressed, note, lambda _: None)
    if finished.commit and session.keeps_since_audit() >= session.policy.audit_every:
        say("an audit is due: the session's first incumbent against this one")
        audit.run(session, say, tell)
    return finished


def _outcome(
    session: Session, turn: Turn, incumbent: Trial, screened: Screened, tell: Tell
) -> Outcome:
    """Both arms through the experiment; the seed is drawn after the candidate's bytes are fixed."""
    arms = (
        Kernel(session.workspace.get_blob(incumbent.candidate), incumbent.extra["statements"]),
        Kernel(screened.text.encode(), screened.statements),
    )
    seed, known = secrets.randbits(62), session.known(incumbent)
    return Experiment(turn.bench, arms, known, session.policy, seed, tell).run()


def _enriched(
    session: Session, trial: Trial, incumbent: Trial, screened: Screened, outcome: Outcome
) -> Trial:
    """What a later trial needs of this one, and the pairs that decided it."""
    kept = outcome.verdict.name in KEPT
    speedup = outcome.verdict.speedup if kept else None
    versus = rows.chained(incumbent.result.speedup_vs_reference, speedup)
    extra = {
        "statements": screened.statements,
        "knobs": {name: values[0] for name, values in screened.knobs.items()},
        "phase": outcome.phase,
        "code": outcome.code,
        "llr": outcome.verdict.llr,
        "p_value": outcome.verdict.p_value,
        "certificate": outcome.verdict.certificate,
        "sigma0": outcome.evidence.sigma0,
        **rows.measured(outcome),
    }
    if kept:
        extra |= {
            "ns": rows.updated_ns(incumbent.extra["ns"], outcome),
            "tie_cost": rows.cost_of_tie(outcome),
        }
    trial = replace(trial, extra=extra, result=replace(trial.result, speedup_vs_reference=versus))
    return session.ledger.attach(trial, outcome.evidence) if outcome.phase else trial


def _snapshot(session: Session, trial: Trial, text: bytes) -> Trial:
    """Commit the candidate under its own ref before anything is done with it."""
    space, target = session.workspace, session.entry.name
    blob = space.put_blob(text)
    commit = space.snapshot(target, trial.id, session.entry.kernels, blob, trial.description[:200])
    result = replace(trial.result, commit=commit[:12])
    return replace(trial, candidate=blob, result=result)


def _faulted(trial: Trial, fault: Fault) -> Trial:
    return replace(trial, result=replace(trial.result, verdict=fault.verdict, reason=fault.reason))


def _finish(session: Session, trial: Trial, say: Say, points: tuple[Point, ...] = ()) -> Finished:
    """Write the decision down, then carry it out: row, git, table."""
    path = session.path
    trial = rows.advised(trial, path)
    kept = trial.result.verdict in KEPT
    action = "keep" if kept else "restore" if trial.candidate else "none"
    message = f"{trial.result.target}: {trial.result.speedup or 1.0:.3f}x {trial.description}"
    decision = Decision(trial, action, path, trial.candidate, trial.incumbent, message, points)
    session.ledger.decide(decision)
    return Finished(trial, session.project.carry_out(decision, say))
