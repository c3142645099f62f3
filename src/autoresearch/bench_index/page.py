"""The part of docs/indexes.md that rows write: tables and a link to the chart, between marks.

Pure but for `write`, which changes that page and the chart beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import chart, tables
from .model import Row
from .tables import Table

BEGIN, END = "<!-- bench-index -->", "<!-- /bench-index -->"
PAGE, CHART = "docs/indexes.md", "docs/indexes.svg"


def write(root: Path, rows: Sequence[Row]) -> tuple[str, ...]:
    """Put the newest rows into the page, whatever stands around the marks; the files written.

    A page without marks gets them at its end; without rows nothing is written."""
    found = tables.newest(rows)
    if not found:
        return ()
    page = root / PAGE
    text = page.read_text() if page.exists() else "# Indexes\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    (root / CHART).write_text(chart.svg(found))
    page.write_text(placed(text, markdown(found)))
    return PAGE, CHART


def placed(text: str, part: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    if not begin:
        before, rest = f"{text.rstrip()}\n\n", "\n"
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}\n{part}\n{END}{after if end else rest}"


def markdown(found: Sequence[Table]) -> str:
    parts = ["![faiss's time over ours, by number of queries](indexes.svg)"]
    for table in found:
        parts += [f"### {table.title}", "\n".join(tables.told(table))]
        parts.append(_grid(tables.search_heads(table), tables.search_cells(table)))
        parts.append(_grid(tables.FILL_HEADS, tables.fill_cells(table)))
    return "\n\n".join(filter(None, parts))


def _grid(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A table without the columns that are empty; empty itself without lines."""
    full = [at for at in range(len(heads)) if any(line[at] for line in cells)]
    lines = [[line[at] for at in full] for line in (heads, ("---",) * len(heads), *cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if cells else ""
