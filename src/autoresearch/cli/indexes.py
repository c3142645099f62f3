"""The verb that races our indexes against faiss, and how its tables look."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..catalog import root_of
from . import live, show
from .app import Data, Json, State, app
from .live import say

if TYPE_CHECKING:
    from ..bench_index.report import Report


@app.command(name="bench-index")
def bench_index(
    only: Annotated[str, typer.Option(help="flat, ivfflat or ivfpq; without it all.")] = "",
    n: Annotated[int | None, typer.Option("--n", min=300, help="Vectors; usually 100000.")] = None,
    d: Annotated[int | None, typer.Option("--d", min=1, help="Components; usually 128.")] = None,
    data: Data = "",
    spawns: Annotated[int, typer.Option(min=1, help="Fresh processes of each point.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="A small size, for tests.")] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Then rewrite the figures in docs/indexes.md.")
    ] = False,
    from_rows: Annotated[
        bool, typer.Option("--from-rows", help="Measure nothing, rewrite them from the rows.")
    ] = False,
    json: Json = False,
) -> None:
    """Race our indexes against faiss side by side, at equal recall and threads; needs [faiss].

    Example: autoresearch bench-index --only ivfflat --write-docs
    """
    from ..bench_index import report
    from ..bench_index.run import Asked

    root = root_of(State.root)
    if from_rows:
        _shown(report.recorded(root, say), json)
        return
    with live.news() as tell:
        asked = Asked(only, n, d, data, quick, spawns)
        found = report.measured(root, asked, write_docs, say, tell)
    _shown(found, json)


def _shown(found: Report, json: bool) -> None:
    from ..bench_index import tables

    if found.skipped:
        say(f"left out of benchmarks/benchmarks.jsonl, as no sound rows: {found.skipped} lines")
    if show.emit(json, {"bench_index": found}):
        return
    for table in tables.newest(found.rows):
        cells = tables.search_cells(table)
        show.table(f"{table.title}: faiss's time / ours", tables.search_heads(table), cells)
        show.table(f"{table.title}: filling", tables.FILL_HEADS, tables.fill_cells(table))
        sys.stdout.writelines(f"{sentence}\n" for sentence in tables.told(table))
    sys.stdout.writelines(f"wrote {path}\n" for path in found.written)
