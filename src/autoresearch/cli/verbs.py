"""The verbs of the loop in order of use. Heavy modules load inside their verb."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import Refusal
from . import fleets, live, show
from .app import Data, Json, Name, State, app
from .fleets import Address, Chosen, Engine, On
from .live import say


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    root: Annotated[
        Path, typer.Option(help="The project: a git work tree with targets/.")
    ] = Path(),
) -> None:
    """Without a verb: the state of the session and the next step."""
    State.root = root
    if context.invoked_subcommand is None:
        status()


@app.command()
def demo(json: Json = False) -> None:
    """Show the whole loop on pq-l2 in a scratch clone: baseline and five prepared candidates.

    Example: autoresearch demo
    """
    from .. import demo as demonstration

    show.demo(demonstration.run(State.root, say), json)


@app.command()
def doctor(json: Json = False) -> None:
    """Print what this machine is, how quiet it is, which sandbox it reaches, and remedies.

    Example: autoresearch doctor
    """
    from .. import checkup

    sys.exit(show.doctor(checkup.run(State.root), json))


@app.command()
def targets(json: Json = False) -> None:
    """List the project's targets, each with its incumbent.

    Example: autoresearch targets
    """
    from .. import overview

    show.targets(overview.targets(State.root), json)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The new target, in lower case with dashes.")],
    json: Json = False,
) -> None:
    """Make the files of a new target: a small example that passes its checks, to be edited.

    Example: autoresearch new my-kernel
    """
    from .. import new as making

    show.new(making.run(State.root, name), json)


@app.command()
def check(name: Name, data: Data = "", json: Json = False) -> None:
    """Compile kernels.py and check it against the oracle on the battery; measures nothing.

    Example: autoresearch check pq-l2
    """
    from .. import check as checking
    from ..session import Session

    session = Session.open(State.root, name, say, data=data)
    sys.exit(show.block(checking.run(session, say), json))


@app.command()
def baseline(
    name: Annotated[str, typer.Argument(help="The target; empty with --all.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every target, in turn.")] = False,
    accept: Annotated[str, typer.Option(help="The changed digest to accept, for good.")] = "",
    smoke: Annotated[bool, typer.Option(help="Three pairs, nothing recorded: for CI.")] = False,
    data: Data = "",
    engine: Chosen = Engine.local,
    address: Address = "",
    json: Json = False,
) -> None:
    """Make the present kernels.py the incumbent: its speed, and the noise of this machine.

    Example: autoresearch baseline pq-l2
    """
    from .. import baseline as starting
    from ..catalog import discover, root_of

    if bool(name) == every:
        raise Refusal(
            "Either a target or --all must be given.", "`autoresearch targets` lists all."
        )
    names = [name] if name else [entry.name for entry in discover(root_of(State.root))]
    if fleets.asked(engine, address, smoke=smoke, data=data):
        sys.exit(fleets.baseline(names, accept, address, json))
    asked = starting.Asked(accept, smoke, data)
    with live.progress() as tell:
        found = [starting.one(State.root, each, asked, say, tell) for each in names]
    sys.exit(show.block(found[0], json) if name else show.blocks(found, json))


@app.command()
def trial(
    name: Name,
    message: Annotated[str, typer.Option("-m", "--message", help="One hypothesis.")] = "",
    data: Data = "",
    on: Annotated[
        On, typer.Option(help="all, with --engine ray: a keep is tried there too.")
    ] = On.here,
    engine: Chosen = Engine.local,
    address: Address = "",
    json: Json = False,
) -> None:
    """Measure kernels.py against the incumbent; keep it in git or put the incumbent back.

    Example: autoresearch trial pq-l2 -m "transposed codes"
    """
    from .. import trial as loop
    from ..session import Session

    if fleets.asked(engine, address) != (on is On.all):
        raise Refusal("--on all and --engine ray mean nothing alone.", "Give both or neither.")
    session = Session.open(State.root, name, say, data=data)
    with live.progress() as tell:
        finished = loop.run(session, message, say, tell)
    if on is On.all:
        fleets.elsewhere(session, finished.trial, address)
    sys.exit(show.finished(finished, json))


@app.command()
def log(
    name: Annotated[str, typer.Argument(help="Only this target.")] = "",
    number: Annotated[int, typer.Option("-n", min=1, help="How many rows, newest last.")] = 20,
    json: Json = False,
) -> None:
    """Print the newest rows of the ledger.

    Example: autoresearch log pq-l2 -n 50
    """
    from .. import overview

    show.log(overview.log(State.root, name, number), json)


@app.command()
def status(
    policy: Annotated[bool, typer.Option(help="Print every number that decides.")] = False,
    json: Json = False,
) -> None:
    """Print where every target stands, what the ledger's health is, and the next step.

    Example: autoresearch status
    """
    from .. import overview

    show.policy(json) if policy else show.status(overview.status(State.root), json)


@app.command()
def calibrate(
    names: Annotated[list[str], typer.Argument(help="Targets, tried in turn.")],
    trials: Annotated[int, typer.Option("-n", min=1, help="Live A/A trials to add.")] = 20,
    report: Annotated[bool, typer.Option(help="Only print what was found so far.")] = False,
    engine: Chosen = Engine.local,
    address: Address = "",
    json: Json = False,
) -> None:
    """Run live A/A trials and bound the rate of false keeps; adds to all earlier ones.

    Example: autoresearch calibrate pq-l2 -n 100
    """
    from .. import calibrate as calibration
    from ..session import Session

    if fleets.asked(engine, address, report=report):
        sys.exit(fleets.calibrate(names, trials, address, json))
    sessions = [Session.open(State.root, name, say) for name in names]
    if not report:
        with live.progress() as tell:
            calibration.run(sessions, trials, say, tell)
    show.calibration(calibration.report(sessions), json)


@app.command()
def audit(
    name: Name,
    json: Json = False,
) -> None:
    """Measure the session's first incumbent against the current one: the headline figure.

    Example: autoresearch audit pq-l2
    """
    from .. import audit as auditing
    from ..session import Session

    session = Session.open(State.root, name, say)
    with live.progress() as tell:
        row = auditing.run(session, say, tell)
    sys.exit(show.block(row, json, code=0))


@app.command()
def peers(
    names: Annotated[list[str] | None, typer.Argument(help="Targets, raced in turn.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every target that lists peers.")] = False,
    data: Data = "",
    rounds: Annotated[int, typer.Option(min=6, help="How often all run on fresh inputs.")] = 15,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Put the table into docs/targets/ too.")
    ] = False,
    engine: Chosen = Engine.local,
    address: Address = "",
    json: Json = False,
) -> None:
    """Race champion, reference and the native libraries installed; decides and records nothing.

    Example: autoresearch peers pq-l2
    """
    from ..peers import run as racing
    from . import races

    if bool(names) == every:
        raise Refusal("Either targets or --all must be given.", "`autoresearch targets` lists all.")
    if fleets.asked(engine, address, data=data, write_docs=write_docs):
        sys.exit(fleets.peers(names or [], rounds, address, json))
    with live.news() as tell:
        asked = racing.Asked(rounds, data, write_docs)
        found = racing.races(State.root, names or [], asked, say, tell)
    races.races(found, json)


@app.command()
def reset(name: Name, json: Json = False) -> None:
    """Copy the reference over kernels.py: the seed to start a climb from.

    Example: autoresearch reset pq-l2
    """
    from .. import check as checking
    from ..session import Session

    show.reset(checking.reset(Session.open(State.root, name, say)), json)
