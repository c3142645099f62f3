"""`benchmarks/`: rows that are only ever added, and one environment for each machine.

Knows files; nothing of how a row was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..ledger import disk
from .model import SCHEMA, Row, row_of

ROWS, ENVIRONMENT = "benchmarks/benchmarks.jsonl", "benchmarks/env.json"


@dataclass(frozen=True, slots=True)
class Read:
    """The sound rows in the order they were written, and how many lines are no row."""

    rows: tuple[Row, ...]
    skipped: int


def add(root: Path, rows: Sequence[Row]) -> None:
    """Append rows durably; the torn end of an earlier write stays a line of its own."""
    path = root / ROWS
    disk.folder(path.parent)
    with disk.reading(path) as file:
        torn = not file.read().endswith(b"\n") and file.tell() > 0
    text = "".join(json.dumps(asdict(row), separators=(",", ":")) + "\n" for row in rows)
    disk.append(path, b"\n" * torn + text.encode())


def read(root: Path) -> Read:
    with disk.reading(root / ROWS) as file:
        lines = [line for line in file.read().splitlines() if line.strip()]
    found = [_row(line) for line in lines]
    rows = tuple(row for row in found if row)
    return Read(rows, len(lines) - len(rows))


def _row(line: bytes) -> Row | None:
    try:
        return row_of(json.loads(line))
    except (ValueError, RecursionError):
        return None


def describe(root: Path, machine: str, about: Mapping[str, Any]) -> None:
    """Put this machine's environment in place of its last one."""
    path = root / ENVIRONMENT
    disk.folder(path.parent)
    with disk.reading(path) as file:
        text = file.read()
    try:
        machines = dict(json.loads(text)["machines"])
    except (ValueError, TypeError, KeyError):
        machines = {}
    whole = {"schema": SCHEMA, "machines": {**machines, machine: about}}
    disk.replace(path, (json.dumps(whole, indent=2, sort_keys=True) + "\n").encode())
