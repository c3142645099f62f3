"""The best known kernels for a target, and one of them put where an agent works.

Reads the corpus and moves one file; commits nothing and decides nothing.
"""

from __future__ import annotations

from .. import catalog
from ..errors import Refusal
from ..session import Session
from .hints import Hints, hints
from .warm import Advice


def run(session: Session) -> Hints:
    """What the past suggests in the incumbent's place; Refusal without a baseline here."""
    incumbent = session.incumbent()
    facts = {entry.name: entry.facts() for entry in catalog.discover(session.project.root)}
    return hints(session.ledger.corpus_path, facts, incumbent)


def apply(session: Session, found: Hints) -> Advice:
    """Write the first suggestion that git holds into kernels.py, a candidate as any other."""
    space, incumbent = session.workspace, session.incumbent()
    if not found.advice:
        what = f"Nothing known is expected to beat the incumbent of {session.entry.name}."
        raise Refusal(what, "Try an idea of your own.")
    here = [a for a in found.advice if not space.git.ask("cat-file", "-e", a.kernel).code]
    if not here:
        remedy = "Fetch them: `git fetch <remote> 'refs/autoresearch/*:refs/autoresearch/*'`."
        raise Refusal("This repository holds none of the kernels suggested.", remedy)
    check_untouched(session)
    before = space.get_blob(incumbent.candidate)
    if space.restore(session.entry.kernels, before, here[0].kernel) == "left":
        raise someone(session, incumbent.candidate)
    return here[0]


def check_untouched(session: Session) -> None:
    """Refusal unless kernels.py is the incumbent: what someone is writing is not overwritten."""
    incumbent = session.incumbent().candidate
    if session.workspace.read_candidate(session.entry.kernels) != session.workspace.get_blob(
        incumbent
    ):
        raise someone(session, incumbent)


def someone(session: Session, incumbent: str) -> Refusal:
    return Refusal(
        f"{session.path} is not the incumbent: someone is working on it.",
        f"Try it with `autoresearch trial {session.entry.name}`, or put the incumbent back: "
        f"`git cat-file blob {incumbent[:12]} > {session.path}`.",
    )
