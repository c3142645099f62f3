"""The verbs from lab to product: what an op can gain end to end, if it does, and shipping it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import live, show
from .app import Json, Name, State, app
from .live import say

if TYPE_CHECKING:
    from ..product.record import Row

Spawns = Annotated[int, typer.Option(min=3, help="Fresh processes of each arm.")]
Scale = Annotated[
    float, typer.Option(min=0.001, max=1, help="Of the real size; below 1 for a quick look.")
]


@app.command()
def accept(
    kernel: Annotated[str, typer.Argument(help="A kernel of the plane, such as cpu-simd.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Vectors; fewer promote nothing.")] = 10**6,
    ship: Annotated[bool, typer.Option(help="Record it for all users, in this checkout.")] = False,
    json: Json = False,
) -> None:
    """Measure a kernel against the reference kernel: whether it serves without being named.

    Example: autoresearch accept cpu-simd --n 100000
    """
    from ..plane import accept as accepting

    with live.news() as tell:
        decided = accepting.run(kernel, n, ship, say, tell)
    sys.exit(show.accepted(decided, json))


@app.command()
def ceiling(name: Name, spawns: Spawns = 3, scale: Scale = 1.0, json: Json = False) -> None:
    """Measure what share of each end-to-end workload the op takes, and so what it could gain.

    Example: autoresearch ceiling pq-l2
    """
    from ..product import run
    from ..session import Session

    session = Session.open(State.root, name, say)
    with live.news() as tell:
        row = run.ceiling(session, run.Asked(spawns, scale), say, tell)
    _shown("Ceiling", row, json)


@app.command()
def integrate(
    name: Name,
    spawns: Spawns = 10,
    scale: Scale = 1.0,
    kernel: Annotated[Path | None, typer.Option(help="A file instead of the champion.")] = None,
    json: Json = False,
) -> None:
    """Measure the champion's, the product's and the seed's kernel in end-to-end workloads.

    Example: autoresearch integrate pq-l2
    """
    from ..product import run
    from ..session import Session

    session = Session.open(State.root, name, say)
    with live.news() as tell:
        row = run.integrate(session, run.Asked(spawns, scale, kernel), say, tell)
    _shown("Integration", row, json)


@app.command()
def promote(name: Name, json: Json = False) -> None:
    """Ship the champion: needs its audit against the product and an integration that proves it.

    Example: autoresearch promote pq-l2
    """
    from ..product import page
    from ..product import promote as shipping
    from ..session import Session

    done = shipping.promote(Session.open(State.root, name, say))
    if not show.emit(json, {"promoted": done}):
        sys.stdout.write(page.done(done, "promoted") + "\n")


@app.command()
def demote(name: Name, json: Json = False) -> None:
    """Take a promoted kernel out again, in one commit: users get the plain one.

    Example: autoresearch demote pq-l2
    """
    from ..product import page
    from ..product import promote as shipping
    from ..session import Session

    done = shipping.demote(Session.open(State.root, name, say))
    if not show.emit(json, {"demoted": done}):
        sys.stdout.write(page.done(done, "demoted") + "\n")


def _shown(title: str, row: Row, json: bool) -> None:
    from ..product import page

    if not show.emit(json, {row.kind: row}):
        show.table(f"{title} of {row.target}", page.heads(row), page.cells(row))
        sys.stdout.writelines(f"{sentence}\n" for sentence in page.told(row))
