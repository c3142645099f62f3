"""The choice of engine, and how a fleet's results look."""

from __future__ import annotations

import json as codec
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import Refusal
from ..model import KEPT
from .app import State
from .live import say
from .show import emit, table

if TYPE_CHECKING:
    from ..fleet.job import Done
    from ..fleet.run import Report
    from ..model import Trial
    from ..session import Session


class Engine(StrEnum):
    """Where trials run."""

    local = "local"
    ray = "ray"


class On(StrEnum):
    """Which machines a trial is for."""

    here = "here"
    all = "all"


Chosen = Annotated[Engine, typer.Option(help="local: here; ray: on a cluster (docs/fleet.md).")]
Address = Annotated[str, typer.Option(help="Of the Ray cluster; empty: the one here.")]
_HEADS = ("host", "post", "machine", "target", "verdict", "speedup", "reason")


def asked(engine: Engine, address: str, **lost: object) -> bool:
    """Whether the fleet is asked; Refusal for an option that this engine would pass over: `lost`
    are those that no job carries."""
    if engine is Engine.local:
        lost = {"address": address}
    for name in [name for name, value in lost.items() if value]:
        told = f"--{name.replace('_', '-')} means nothing with --engine {engine}."
        raise Refusal(told, "Leave it out, or choose the other engine.")
    return engine is Engine.ray


def baseline(names: Sequence[str], accept: str, address: str, json: bool) -> int:
    from ..fleet import run

    return report(run.baseline(State.root, names, accept, address, say), json)


def calibrate(names: Sequence[str], trials: int, address: str, json: bool) -> int:
    from ..fleet import run

    return report(run.calibrate(State.root, names, trials, address, say), json)


def peers(names: Sequence[str], rounds: int, address: str, json: bool) -> int:
    from ..fleet import run

    more = ("--rounds", str(rounds), *(("--json",) * json))
    return report(run.peers(State.root, names, more, address, say), json)


def report(found: Report, json: bool) -> int:
    """All jobs' results; exit 1 when one was lost."""
    if not emit(json, {"fleet": [_plain(done) for done in found.done], "rows": found.rows}):
        for done in found.done:
            sys.stdout.write(done.out if not done.row else "")
        table("The fleet", _HEADS, [_line(done) for done in found.done if done.row])
        sys.stdout.write(f"{len(found.done)} jobs, {found.lost} lost, {found.rows} new rows\n")
    return int(found.lost > 0)


def sweep(session: Session, budget: int | None, address: str, json: bool) -> int:
    from ..fleet import run

    return report(run.sweep(session, budget, address, say), json)


def elsewhere(session: Session, trial: Trial, address: str) -> None:
    """What the other machines make of what was kept here; on stderr, as stdout has this block."""
    from ..fleet import run

    if trial.result.verdict not in KEPT:
        say("not tried elsewhere: it did not hold here")
        return
    kernel = session.workspace.get_blob(trial.candidate)
    name, told = trial.result.target, trial.description
    found = run.trial(State.root, name, told, kernel, address, say)
    for done in found.done:
        sys.stderr.write(f"{' '.join(filter(None, _line(done)))}\n")
    kept = sum(done.kept for done in found.done)
    word = "portable" if found.portable else "not portable"
    sys.stderr.write(f"{word}: kept on {kept} of {len(found.done)} other machines\n")


def _line(done: Done) -> tuple[str, ...]:
    if done.row is None:
        return (done.host, done.post, "", done.job.target, "lost", "", done.err)
    result = done.row["result"]
    ratio = f"{result['speedup']:.3f}x" if result["speedup"] else ""
    verdict = (result["machine"], done.job.target, result["verdict"], ratio)
    return (done.host, done.post, *verdict, result["reason"])


def _plain(done: Done) -> dict[str, Any]:
    """A result for programs; what a command printed as JSON is nested, not quoted."""
    try:
        said = codec.loads(done.out)
    except ValueError:
        said = done.out
    place = {"host": done.host, "post": done.post, "target": done.job.target}
    return {**place, "code": done.code, "said": said, "rows": list(done.rows)}
