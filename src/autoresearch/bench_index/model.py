"""What is raced and what came of it, frozen; knows nothing of clocks, files or libraries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

SCHEMA = 1
SEARCH, TRAIN, ADD = "search", "train", "add"
BUILD, OURS, THEIRS = "build", "ours", "theirs"  # what a process is for
K = 10  # neighbours asked for


@dataclass(frozen=True, slots=True)
class Plan:
    """One kind of index, over n vectors of d components from `data` ("clustered" or a file's
    label); `pool` queries are there to draw from."""

    kind: str
    n: int
    d: int
    nlist: int
    pool: int
    data: str
    quick: bool


@dataclass(frozen=True, slots=True)
class Point:
    """One operation in one setting; a search also has nq, nprobe and max_codes (0: no limit)."""

    op: str
    threads: int
    nq: int = 0
    nprobe: int = 0
    max_codes: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What one process measured of a point: ns of an operation of both sides in every block and the
    share that threads waited, the recall of a search, the loss of a training (`sides.loss`)."""

    ours_ns: tuple[float, ...]
    faiss_ns: tuple[float, ...]
    waited: tuple[float, ...]
    recall: float | None = None
    faiss_recall: float | None = None
    loss: float | None = None
    faiss_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """By what a row was made: machine, the digest of what is raced, commit and versions."""

    at: str
    machine: str
    digest: str
    commit: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One point of `benchmarks.jsonl`: medians, faiss's time over ours with its interval, and the
    log ratio of every block by process, from which both can be computed again. `void` is the share
    of blocks left out because the machine was busy."""

    schema: int
    at: str
    kind: str
    op: str
    n: int
    d: int
    data: str
    nlist: int
    k: int
    threads: int
    nq: int
    nprobe: int
    max_codes: int
    quick: bool
    ours_ns: float
    faiss_ns: float
    ratio: float | None
    low: float | None
    high: float | None
    recall: float | None
    faiss_recall: float | None
    loss: float | None
    faiss_loss: float | None
    void: float
    note: str
    logs: tuple[tuple[float, ...], ...]
    machine: str
    digest: str
    commit: str
    versions: Mapping[str, str]

    @property
    def point(self) -> Point:
        return Point(self.op, self.threads, self.nq, self.nprobe, self.max_codes)

    @property
    def setting(self) -> tuple[Any, ...]:
        """Rows of one table have this in common; others may not be compared with them."""
        size = (self.kind, self.n, self.d, self.data, self.nlist, self.k, self.quick)
        return (*size, self.machine, self.digest, *sorted(self.versions.items()))


def row_of(line: Any) -> Row | None:
    """The row of a decoded line; None when it is no sound row of this schema."""
    try:
        row = Row(**line)
        logs = tuple(tuple(map(float, spawn)) for spawn in row.logs)
        sound = row.schema == SCHEMA and all(_fits(f, getattr(row, f.name)) for f in fields(Row))
        sound = sound and all(isinstance(v, str) for v in row.versions.values())
    except (TypeError, ValueError, AttributeError):
        return None
    return Row(**line | {"logs": logs}) if sound else None


def _fits(field: Any, value: Any) -> bool:
    """Whether a value is of the type that `Row` declares, and a figure that can be shown."""
    kind, number = field.type, isinstance(value, int | float) and not isinstance(value, bool)
    if kind in ("str", "bool"):
        return isinstance(value, str if kind == "str" else bool)
    if kind == "int":
        return number and isinstance(value, int) and value >= 0
    if kind.startswith("float"):
        return (value is None and "None" in kind) or (number and isfinite(value) and value >= 0)
    return True
