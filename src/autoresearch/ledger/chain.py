"""A file of JSON lines, each sealed by its hash and linked to the line before.

Knows lines, hashes and damage; nothing of trials. Damage is skipped and told, never fatal.

A line is `{"v":1,"n":<place in the file>,...,"prev":<hash before>,"hash":<its own>}`; the hash is
sha256 over the line's bytes up to `,"hash":`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from . import disk

SCHEMA = 1
_MARK = b',"hash":"'
_CLAIM = re.compile(rb'.*,"hash":"([0-9a-f]{64})"}\n')
_BLOCK = 1 << 16  # bytes per step backwards: some fifty lines
_FINGERPRINT = 4096  # bytes before an offset that tell whether a checkpoint still fits


@dataclass(frozen=True, slots=True)
class Break:
    """One damaged place: `line` counts from 1; `kind` is torn, edited, missing, replaced, added,
    truncated, table, journal or pairs; `told` is one sentence."""

    line: int
    kind: str
    told: str


def seal(body: Mapping[str, Any], n: int, prev: str) -> bytes:
    """The line for `body` at place `n`, newline included."""
    line = {"v": SCHEMA, "n": n, **body, "prev": prev}
    head = json.dumps(line, separators=(",", ":"), allow_nan=False).encode()[:-1]
    return head + _MARK + hashlib.sha256(head).hexdigest().encode() + b'"}\n'


def unseal(raw: bytes) -> dict[str, Any] | None:
    """What a line says, None unless its hash fits."""
    head, _, tail = raw.rstrip(b"\n").rpartition(_MARK)
    if tail != hashlib.sha256(head).hexdigest().encode() + b'"}':
        return None
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    sound = isinstance(line, dict) and type(line.get("n")) is int and "prev" in line
    return line if sound else None


def backwards(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines of `file`, newest first, each with its offset and without its newline.

    A last line that was never finished counts as one."""
    end = file.seek(0, 2)
    place, rest = end - ends_whole(file), b""
    while place > 0:
        step = min(_BLOCK, place)
        place -= step
        file.seek(place)
        rest, *lines = (file.read(step) + rest).split(b"\n")
        offset = place + len(rest) + 1 + sum(len(line) + 1 for line in lines)
        for line in reversed(lines):
            offset -= len(line) + 1
            yield offset, line
    if end:
        yield 0, rest


def ends_whole(file: BinaryIO) -> bool:
    """Whether the last line of `file` was finished."""
    file.seek(max(0, file.seek(0, 2) - 1))
    return file.read(1) in (b"", b"\n")


def forwards(path: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """The finished lines from offset `start` on, each with its offset."""
    with disk.reading(path) as file:
        file.seek(start)
        for raw in file:
            if raw.endswith(b"\n"):
                yield start, raw
            start += len(raw)


def newest_first(path: Path, holding: bytes = b"") -> Iterator[dict[str, Any]]:
    """The sound lines of `path` from the end; `holding` skips unread what lacks those bytes."""
    with disk.reading(path) as file:
        for _, raw in backwards(file):
            if holding in raw and (line := unseal(raw)) is not None:
                yield line


def append(path: Path, body: Mapping[str, Any]) -> None:
    """Seal `body` as the next line, durably. The caller holds the lock. Reads the tail only."""
    mend(path)
    n, prev = _follow(path)
    disk.append(path, seal(body, n, prev))


def mend(path: Path) -> None:
    """End a torn last line, so that what follows starts a line of its own."""
    with disk.reading(path) as file:
        whole = ends_whole(file)
    if not whole:
        disk.append(path, b"\n")


def _follow(path: Path) -> tuple[int, str]:
    broken = 0
    with disk.reading(path) as file:
        for _, raw in backwards(file):
            line = unseal(raw)
            if line is not None:
                return line["n"] + 1 + broken, line["hash"]
            broken += 1
    return broken, ""


def fingerprint(path: Path, end: int) -> str:
    """What a checkpoint remembers of the bytes before `end`; empty if the file is shorter."""
    with disk.reading(path) as file:
        if file.seek(0, 2) < end:
            return ""
        start = max(0, end - _FINGERPRINT)
        file.seek(start)
        return hashlib.sha256(file.read(end - start)).hexdigest()


def verify(path: Path) -> Iterator[Break]:
    """Every damaged place of the chain, in order."""
    shift, last, broken, number = 0, "", 0, 0
    for number, (_, raw) in enumerate(forwards(path), 1):
        line = unseal(raw)
        if line is None:
            broken += 1
            yield _damaged(number, raw)
            continue
        gap = line["n"] + 1 - number - shift
        if gap or (line["prev"] != last and not broken):
            yield _unlinked(number, gap)
        shift, last, broken = shift + gap, line["hash"], 0
    with disk.reading(path) as file:
        if not ends_whole(file):
            yield Break(number + 1, "torn", "The last line was never finished.")


def _damaged(number: int, raw: bytes) -> Break:
    if _CLAIM.fullmatch(raw):
        return Break(number, "edited", f"Line {number} was edited: its hash does not fit.")
    return Break(number, "torn", f"Line {number} is not a whole line.")


def _unlinked(number: int, gap: int) -> Break:
    if gap > 0:
        return Break(number, "missing", f"{gap} line(s) are missing before line {number}.")
    if gap < 0:
        return Break(number, "added", f"Line {number} was added: its place is taken.")
    before = max(1, number - 1)
    return Break(before, "replaced", f"Line {before} was replaced by another.")
