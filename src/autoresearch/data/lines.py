"""Plain text: one text or one whole number a line, with or without a carriage return.

Knows one file. Lines have no cheap numbers in the midst of a large file, so bytes are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from . import caps, checks
from .source import Source

_NEWLINE, _RETURN = 10, 13


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """The lines of one block side by side, how long each is, and the byte at which it began."""

    values: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    begins: NDArray[np.int64]


def read(path: Path, kind: str) -> Source:
    """The lines of a small file, of a large one those that lie whole in evenly spaced blocks."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        blocks = list(_blocks(file, size))
    most = caps.ROWS // max(1, len(blocks))
    found = [_cut(begin, raw, most) for begin, raw in blocks]
    if not found:
        told = "has no whole line where it was sampled" if size else "is empty"
        raise caps.fault(path, told)
    lengths = np.concatenate([lines.lengths for lines in found])
    values = np.concatenate([lines.values for lines in found])
    ends = np.concatenate([[0], np.cumsum(lengths)])
    if kind == "text":
        return Source(kind, values, ends)
    begins = np.concatenate([lines.begins for lines in found])
    return Source(kind, _integers(values.tobytes(), ends.tolist(), begins.tolist()))


def _blocks(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of stretches that begin and end with a line."""
    if size <= caps.BYTES:
        file.seek(0)
        whole = file.read(size)
        if whole.count(b"\n") < caps.ROWS:
            yield from [(0, whole)] if whole else []
            return
    length = max(1, min(size, caps.BYTES) // caps.BLOCKS)
    for start in caps.spaced(size - length, caps.BLOCKS):
        before = max(0, start - 1)  # a line begins at `start` if one ends just before it
        file.seek(before)
        raw = file.read(start - before + length)
        begin = raw.find(b"\n") + 1 if start else 0
        end = len(raw) if before + len(raw) == size else raw.rfind(b"\n") + 1
        if begin < end and (begin or not start):
            yield before + begin, raw[begin:end]


def _cut(begin: int, raw: bytes, most: int) -> _Lines:
    """The first `most` lines of a block."""
    checks.utf8(raw, lambda at: f"byte {begin + at}")
    data = np.frombuffer(raw, np.uint8)
    stops = np.flatnonzero(data == _NEWLINE)
    if data[-1] != _NEWLINE:
        stops = np.append(stops, len(data))
    stops = stops[:most]
    begins = np.concatenate([[0], stops[:-1] + 1])
    returned = (stops > begins) & (data[stops - 1] == _RETURN)
    dropped = np.concatenate([stops[:-1], stops[returned] - 1])
    values = np.delete(data[: stops[-1]], dropped)
    return _Lines(values, stops - begins - returned, begin + begins)


def _integers(text: bytes, ends: list[int], begins: list[int]) -> NDArray[np.uint32]:
    spans = zip(ends[:-1], ends[1:], begins, strict=True)
    return np.array([_integer(text[a:b], at) for a, b, at in spans], np.uint32)


def _integer(line: bytes, at: int) -> int:
    digits = line.strip()
    if not digits.isdigit() or len(digits) > 10 or int(digits) > checks.LARGEST:
        shown = digits[:20].decode(errors="replace")
        raise ValueError(
            f"has {shown!r} in the line at byte {at}, "
            f"expected a whole number from 0 to {checks.LARGEST}"
        )
    return int(digits)
