"""What is under way: running trials, and decisions that the ledger and git have yet to carry out.

Knows processes and small files; carries nothing out itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from ..model import Trial
from . import corpus, disk, records
from .corpus import Point

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Running:
    """A trial being measured: `candidate` is the blob of its kernel at `path`."""

    id: str
    target: str
    path: str
    candidate: str


@dataclass(frozen=True, slots=True)
class Decision:
    """All that is needed to finish a decided trial after a crash, in this order: ledger row and
    corpus `points`, then git (`action` is keep, restore or none, of `candidate` or back to
    `incumbent` at `path`, with `message`), then results.tsv."""

    trial: Trial
    action: str
    path: str
    candidate: str
    incumbent: str
    message: str = ""
    points: tuple[Point, ...] = ()


def begin(folder: Path, running: Running) -> None:
    """Mark a trial as being measured by this process."""
    _write(folder, running.id, {f.name: getattr(running, f.name) for f in fields(Running)})


def write(folder: Path, decision: Decision) -> None:
    """Write a decision down, durably, before anything of it is carried out."""
    body = {f.name: getattr(decision, f.name) for f in fields(Decision)}
    body["trial"] = records.to_json(records.tidy(decision.trial))
    body["points"] = [corpus.to_json(point) for point in decision.points]
    _write(folder, decision.trial.id, body)


def _write(folder: Path, name: str, body: Mapping[str, Any]) -> None:
    owner = {"pid": os.getpid(), "started": started(os.getpid())}
    text = json.dumps({"owner": owner, **body}).encode()
    disk.replace(disk.folder(folder) / f"{name}.json", text)


def remove(folder: Path, name: str) -> None:
    """Forget a mark or a decision, durably; one that is gone already is no fault."""
    path = folder / f"{name}.json"
    with disk.faults(path):
        path.unlink(missing_ok=True)
    disk.sync_folder(folder)


def abandoned(folder: Path) -> Iterator[Running]:
    """The marks that no living process stands behind, this process's own among them."""
    return _orphans(folder, _running)


def pending(folder: Path) -> Iterator[Decision]:
    """The decisions that nobody is carrying out, oldest first."""
    return _orphans(folder, _decision)


def unreadable(folder: Path) -> int:
    """How many files were set aside because they said nothing."""
    return len(list(folder.glob("*.unreadable")))


def _running(body: Mapping[str, Any]) -> Running:
    return Running(**{f.name: body[f.name] for f in fields(Running)})


def _decision(body: Mapping[str, Any]) -> Decision:
    values = {f.name: body[f.name] for f in fields(Decision)}
    values["trial"] = records.from_json(values["trial"])
    values["points"] = tuple(Point(**point) for point in values["points"])
    return Decision(**values)


def _orphans(folder: Path, read: Callable[[Mapping[str, Any]], Entry]) -> Iterator[Entry]:
    for path in sorted(folder.glob("*.json")):
        with disk.reading(path) as file:
            text = file.read()
        try:
            body = json.loads(text)
            owner, entry = body["owner"], read(body)
            alive = owner["pid"] != os.getpid() and started(owner["pid"]) == owner["started"]
        except (ValueError, KeyError, TypeError, RecursionError):
            _set_aside(path)
            continue
        if not alive:
            yield entry


def _set_aside(path: Path) -> None:
    """Keep a file that says nothing under another name; another command may have removed it."""
    with disk.faults(path), suppress(FileNotFoundError):
        os.replace(path, path.with_suffix(".unreadable"))


def started(pid: int) -> str:
    """When process `pid` started, in words that no later process of that number shares; "" if dead.

    Boot and ticks rather than a date: the clock of the system may be set meanwhile.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _started_elsewhere(pid)
    return "" if state in "ZX" else f"{boot} {rest[18]}"


def _started_elsewhere(pid: int) -> str:
    import psutil  # type: ignore[import-untyped,unused-ignore]  # only without /proc: slow to load

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return ""
