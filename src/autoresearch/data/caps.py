"""How much of a user's file is read, and how its faults are told. Knows no format.

A file of any size takes bounded memory: of a large one only blocks are read, evenly spaced from its
first row to its last, and the same ones every time.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import Refusal

ROWS = 1 << 20  # the largest workloads hold a million; twice that would sample nothing better
BYTES = 64 << 20  # as held: 131,072 vectors of 128 floats, and read within a tenth of a second
BLOCKS = 64  # enough to meet every part of a file, long enough to keep its runs and its order
WIDEST = 1 << 16  # dimensions of a vector; embeddings and image descriptors stay far below


def spans(rows: int, row_bytes: int) -> list[tuple[int, int]]:
    """[begin, end) of the rows to read: all within the caps, else blocks evenly spaced."""
    kept = min(rows, ROWS, max(1, BYTES // max(1, row_bytes)))
    if kept == rows:
        return [(0, rows)] if rows else []
    length = max(1, kept // BLOCKS)
    count = kept // length
    return [(begin, begin + length) for begin in spaced(rows - length, count)]


def spaced(last: int, count: int) -> list[int]:
    """`count` whole numbers from 0 to `last`, evenly spaced."""
    return [i * last // max(1, count - 1) for i in range(count)]


def fault(path: Path, told: str, remedy: str = "") -> Refusal:
    """The refusal of a file: its name and what is wrong, then what to do."""
    advice = remedy or "Repair the file, or name another one after --data."
    return Refusal(f"{path.name} {told}.", advice)
