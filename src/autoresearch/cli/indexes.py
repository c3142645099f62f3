"""The verb that races our indexes against faiss, and how its tables look."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from . import live, show
from .app import Data, Json, State, app
from .live import say

if TYPE_CHECKING:
    from ..bench_index.run import Shown


class Kind(StrEnum):
    """Indexes that may be raced."""

    flat = "flat"
    ivfflat = "ivfflat"
    ivfpq = "ivfpq"


@app.command(name="bench-index")
def bench_index(
    only: Annotated[Kind | None, typer.Option(help="One index; without it all.")] = None,
    n: Annotated[int | None, typer.Option("--n", min=300, help="Vectors; usually 100000.")] = None,
    d: Annotated[int | None, typer.Option("--d", min=1, help="Components; usually 128.")] = None,
    data: Data = "",
    spawns: Annotated[int, typer.Option(min=1, help="Fresh processes of each point.")] = 5,
    quick: Annotated[bool, typer.Option(help="One process and a small size: for tests.")] = False,
    from_rows: Annotated[
        bool, typer.Option("--from-rows", help="Measure nothing: rewrite the page from the rows.")
    ] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Rewrite docs/indexes.md when all is measured.")
    ] = False,
    json: Json = False,
) -> None:
    """Race our indexes against faiss side by side, at equal recall and threads; needs [faiss].

    Example: autoresearch bench-index --only ivfflat --n 100000
    """
    from ..bench_index import run

    asked = run.Asked(only.value if only else "", n, d, data, quick, spawns)
    with live.news() as tell:
        found = run.shown(State.root, asked, (from_rows, write_docs), say, tell)
    _shown(found, json)
