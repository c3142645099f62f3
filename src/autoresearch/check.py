"""Correctness without a clock, and the way back to the seed. Records nothing in the ledger."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace

from . import rows
from .errors import Refusal
from .experiment import Experiment, Kernel
from .model import Fault, Trial
from .phases import Known
from .runner.screen import screen
from .session import Say, Session

_FIX = "fix what reason names"


@dataclass(frozen=True, slots=True)
class Reset:
    """A kernels.py that is the reference again; `before` is the blob of the text that stood there,
    empty where there was none."""

    path: str
    before: str = ""


def run(session: Session, say: Say) -> Trial:
    """Screen and check the present kernels.py; records nothing and restores nothing."""
    trial = rows.blank(session, "check")
    begun = time.monotonic()
    text = session.workspace.read_candidate(session.entry.kernels)
    reference = (session.entry.path / "reference.py").read_text()
    screened = text if isinstance(text, Fault) else screen(text, session.target, reference)
    if isinstance(screened, Fault):
        return _told(trial, screened.verdict, screened.reason, _FIX, begun)
    # The reference is the other arm: what does not compile is then the kernel's own fault.
    arms = Kernel(reference.encode()), Kernel(screened.text.encode(), screened.statements)
    with session.measuring(f"check of {session.entry.name}", say) as turn:
        bench, seed = turn.bench, secrets.randbits(62)
        experiment = Experiment(bench, arms, Known(), session.policy, seed, lambda _: None)
        trial = rows.filled(session, trial, experiment.check(), bench.tier)
        cases, given = len(bench.facts["battery"]), bench.facts["given"]
        begun += turn.waited_s
    if trial.result.correctness != "pass":
        return _told(trial, trial.result.verdict, trial.result.reason, _FIX, begun)
    from_data = f", {given} of them from data" if given else ""
    told = f"correct on all {cases} cases of the battery{from_data}"
    # The verdict word of a pass: exit code 0, and nothing was decided.
    return _told(trial, "baseline", told, _further(session), begun)


def _further(session: Session) -> str:
    """What comes after a pass: a trial, where there is a baseline to try against."""
    try:
        session.incumbent()
    except Refusal as refusal:
        return refusal.remedy
    return f'run `autoresearch trial {session.entry.name} -m "one hypothesis"`'


def _told(trial: Trial, verdict: str, reason: str, following: str, begun: float) -> Trial:
    result = replace(
        trial.result,
        verdict=verdict,
        reason=reason,
        total_seconds=time.monotonic() - begun,
        next=following,
    )
    return replace(trial, result=result)


def reset(session: Session) -> Reset:
    """Copy reference.py over kernels.py; the text that stood there is kept as a git blob."""
    path = session.entry.kernels
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise Refusal(f"{path} is not a regular file.", "Move it away, then reset again.")
    before = session.workspace.put_blob(path.read_bytes()) if path.exists() else ""
    part = path.with_name(".kernels.py.reset")
    part.write_bytes((session.entry.path / "reference.py").read_bytes())
    part.replace(path)
    return Reset(str(path.relative_to(session.project.root)), before)
