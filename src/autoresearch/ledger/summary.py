"""What `status` shows of a long ledger without reading it: a checkpoint, caught up from the tail.

Knows offsets and verdicts; nothing of hashes in between. It is a convenience: the incumbent that a
trial races against is read from the ledger itself, since anyone may have written the checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import Refusal
from ..model import KEPT, Trial
from . import chain, disk, records

NEWEST = 20  # rows kept at hand for each target
_BROKEN = 1000  # line numbers of damaged lines kept at hand
Counts = Mapping[str, Mapping[str, Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class Summary:
    """`counts` is rows by target, kind and verdict; `newest` the last rows of each target, newest
    first, and `baselines` all of its baselines; `incumbent` its newest kept row; `damaged` how many
    lines could not be read and `broken` their numbers (the first thousand); `rewritten` how many
    lines had been seen when the ledger last changed under its checkpoint, 0 if it never did."""

    rows: int
    counts: Counts
    newest: Mapping[str, tuple[Trial, ...]]
    baselines: Mapping[str, tuple[Trial, ...]]
    incumbent: Mapping[str, Trial]
    damaged: int
    broken: tuple[int, ...]
    rewritten: int


def _blank() -> dict[str, Any]:
    zeros = {"end": 0, "fit": "", "lines": 0, "rows": 0, "damaged": 0, "rewritten": 0}
    return zeros | {"broken": [], "counts": {}, "newest": {}, "baselines": {}, "incumbent": {}}


def read(ledger: Path, checkpoint: Path) -> Summary:
    """The summary of `ledger`, its checkpoint brought up to date where the disk allows."""
    saved = _load(checkpoint, ledger)
    try:
        return _caught_up(ledger, checkpoint, saved)
    except (LookupError, TypeError, ValueError, AttributeError):
        return _caught_up(ledger, checkpoint, _blank())


def _load(checkpoint: Path, ledger: Path) -> dict[str, Any]:
    saved = _parsed(checkpoint)
    end, lines = saved.get("end"), saved.get("lines")
    if type(end) is not int or type(lines) is not int:
        return _blank()
    fits = end >= 0 and chain.fingerprint(ledger, end) == saved.get("fit")
    return saved if fits else _blank() | {"rewritten": lines}


def _parsed(checkpoint: Path) -> dict[str, Any]:
    with disk.reading(checkpoint) as file:
        try:
            saved = json.loads(file.read() or b"{}")
        except (ValueError, RecursionError):
            saved = {}
    return saved if isinstance(saved, dict) and saved.get("v") == chain.SCHEMA else {}


def _caught_up(ledger: Path, checkpoint: Path, state: dict[str, Any]) -> Summary:
    before = state["end"]
    _take(state, chain.forwards(ledger, before))
    summary = _resolve(ledger, state)
    if state["end"] != before:
        state["fit"] = chain.fingerprint(ledger, state["end"])
        text = json.dumps({"v": chain.SCHEMA} | state).encode()
        with suppress(Refusal):
            disk.replace(checkpoint, text, durable=False)
    return summary


def _take(state: dict[str, Any], lines: Iterable[tuple[int, bytes]]) -> None:
    for offset, raw in lines:
        state["lines"] += 1
        state["end"] = offset + len(raw)
        line = chain.unseal(raw)
        trial = None if line is None else records.read(line)
        if trial is None:
            state["damaged"] += 1
            state["broken"] = [*state["broken"], state["lines"]][:_BROKEN]
            continue
        state["rows"] += 1
        _count(state, trial, offset)


def _count(state: dict[str, Any], trial: Trial, offset: int) -> None:
    target, verdict = trial.result.target, trial.result.verdict
    tally = state["counts"].setdefault(target, {}).setdefault(trial.kind, {})
    tally[verdict] = tally.get(verdict, 0) + 1
    if trial.kind not in records.SHOWN:
        return
    state["newest"][target] = [offset, *state["newest"].get(target, ())][:NEWEST]
    if trial.kind == "baseline":
        state["baselines"].setdefault(target, []).insert(0, offset)
    if verdict in KEPT:
        state["incumbent"][target] = offset


def _resolve(ledger: Path, state: Mapping[str, Any]) -> Summary:
    with disk.reading(ledger) as file:
        lists = {
            name: {t: tuple(_row(file, o) for o in offsets) for t, offsets in state[name].items()}
            for name in ("newest", "baselines")
        }
        incumbent = {t: _row(file, o) for t, o in state["incumbent"].items()}
    return Summary(
        rows=state["rows"],
        counts=state["counts"],
        incumbent=incumbent,
        damaged=state["damaged"],
        broken=tuple(state["broken"]),
        rewritten=state["rewritten"],
        **lists,
    )


def _row(file: BinaryIO, offset: int) -> Trial:
    """The trial at `offset`; LookupError when the line there no longer stands."""
    file.seek(offset)
    line = chain.unseal(file.readline())
    trial = None if line is None else records.read(line)
    if trial is None:
        raise LookupError(offset)
    return trial
