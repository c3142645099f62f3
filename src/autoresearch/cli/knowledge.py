"""The verbs that use what earlier trials taught."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from . import fleets, live, show
from .app import Data, Json, Name, State, app
from .fleets import Address, Chosen, Engine
from .live import say


@app.command()
def warm(
    name: Name,
    apply: Annotated[bool, typer.Option(help="Write the best one into kernels.py.")] = False,
    json: Json = False,
) -> None:
    """Show the best known kernels and knobs for a target, of its family, shapes and machine.

    Example: autoresearch warm pq-l2
    """
    from ..prior import start as warming
    from ..session import Session

    session = Session.open(State.root, name, say)
    found = warming.run(session)
    applied = warming.apply(session, found) if apply else None
    show.warm(name, found, applied, json)


@app.command()
def sweep(
    name: Name,
    budget: Annotated[int | None, typer.Option(min=1, help="Trials at most.")] = None,
    data: Data = "",
    engine: Chosen = Engine.local,
    address: Address = "",
    json: Json = False,
) -> None:
    """Try the settings that the incumbent's KNOBS declare, likely ones first, each a trial.

    Example: autoresearch sweep pq-l2 --budget 20
    """
    from ..prior import sweep as sweeping
    from ..session import Session

    far = fleets.asked(engine, address, data=data)
    session = Session.open(State.root, name, say, data=data)
    if far:
        sys.exit(fleets.sweep(session, budget, address, json))
    with live.progress() as tell:
        report = sweeping.run(session, budget, say, tell)
    show.sweep(report, json)
