"""What the verb does: race or read what was raced, and rewrite the page. Knows the other parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import Refusal
from . import origin, page, run, store, tables
from .model import Row
from .run import Asked, Say


@dataclass(frozen=True, slots=True)
class Report:
    """Rows to show, lines of the file that are none, and the files rewritten."""

    rows: tuple[Row, ...]
    skipped: int = 0
    written: tuple[str, ...] = ()


def measured(root: Path, asked: Asked, write: bool, say: Say, tell: Say) -> Report:
    """Race, record, and rewrite the page if asked to; the rows are those of this race."""
    rows = tuple(run.race(root, asked, say, tell))
    known = store.read(root)
    return Report(rows, known.skipped, page.write(root, known.rows) if write else ())


def recorded(root: Path, say: Say) -> Report:
    """The newest rows that stand in the file, and the page rewritten from them."""
    known = store.read(root)
    newest = tables.newest(known.rows)
    if not newest:
        bad = (
            f"no sound row, and {known.skipped} lines that are none" if known.skipped else "no row"
        )
        what = f"{store.ROWS} holds {bad}."
        raise Refusal(what, "Measure first: `autoresearch bench-index --write-docs`.")
    now = origin.digest()
    for table in newest:
        if table.rows[0].digest != now:
            say(f"{table.title} has changed since it was raced: run it again for figures of today")
    rows = tuple(row for table in newest for row in table.rows)
    return Report(rows, known.skipped, page.write(root, known.rows))
