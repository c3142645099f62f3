"""`results.tsv`, the projection people and agents read: rebuilt from the ledger, never read back.

Knows columns; decides nothing.
A row depends on its ledger line alone, so catching up compares bytes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..block import NA, clean, figure
from ..errors import Refusal
from ..model import Trial
from . import chain, disk, records

HEADER = (
    "commit\ttimestamp\ttarget\tcorrectness\tgeomean_ns_per_op\tspeedup\tci_lo\tci_hi\t"
    "worst_speedup\tworst_workload\tpct_of_roofline\tpeak_mem_mb\ttotal_seconds\tkeep\t"
    "description\n"
)
_CELL = 200  # bytes of a text cell; descriptions may be longer


def row(trial: Trial) -> str:
    """The line of `results.tsv` for one trial."""
    result = trial.result
    low, high = result.speedup_ci95 or (None, None)
    cells = [
        *(result.commit, trial.timestamp, result.target, result.correctness),
        figure("geomean_ns_per_op", result.geomean_ns_per_op),
        figure("speedup", result.speedup),
        *(figure("speedup_ci95", end) for end in (low, high)),
        figure("worst_speedup", result.worst_speedup),
        result.worst_speedup_at,
        figure("pct_of_roofline", result.pct_of_roofline),
        figure("peak_mem_mb", result.peak_mem_mb),
        figure("total_seconds", result.total_seconds),
        result.verdict,
    ]
    seen = f"[data={result.data}]" if result.data else ""
    description = clean(f"{trial.description} {seen}", records.DESCRIPTION + _CELL) or NA
    return "\t".join([clean(cell, _CELL) or NA for cell in cells] + [description]) + "\n"


def catch_up(ledger: Path, table: Path, cursor: Path) -> Path | None:
    """Bring `table` up to `ledger`; the caller holds the lock.

    Appends what is missing. A table that does not continue the ledger (someone edited it) is moved
    aside, its new place is returned, and a fresh one is written.
    """
    done, size = _cursor(ledger, table, cursor)
    rest, end = _rows(ledger, done)
    with disk.reading(table) as file:
        file.seek(size)
        tail = file.read()
    aside = None
    if rest.startswith(tail):
        if rest != tail:
            disk.append(table, rest[len(tail) :])
    elif done:
        return _again(ledger, table, cursor)
    else:
        aside = _set_aside(cursor.parent, tail)
        disk.replace(table, rest)
    state = {"end": end, "fit": chain.fingerprint(ledger, end), "size": size + len(rest)}
    with suppress(Refusal):
        disk.replace(cursor, json.dumps(state).encode(), durable=False)
    return aside


def _again(ledger: Path, table: Path, cursor: Path) -> Path | None:
    with disk.faults(cursor):
        cursor.unlink(missing_ok=True)
    return catch_up(ledger, table, cursor)


def _cursor(ledger: Path, table: Path, cursor: Path) -> tuple[int, int]:
    """Offsets (ledger, table) up to which the two are known to agree, (0, 0) when nothing is."""
    with disk.reading(cursor) as file:
        try:
            saved = json.loads(file.read())
            end, size = int(saved["end"]), int(saved["size"])
            fits = min(end, size) > 0 and chain.fingerprint(ledger, end) == saved["fit"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return 0, 0
    with disk.reading(table) as file:
        return (end, size) if fits and file.seek(0, 2) >= size else (0, 0)


def _rows(ledger: Path, start: int) -> tuple[bytes, int]:
    rest, end = [] if start else [HEADER], start
    for offset, raw in chain.forwards(ledger, start):
        end = offset + len(raw)
        rest += _shown(raw)
    return "".join(rest).encode(), end


def _shown(raw: bytes) -> Iterator[str]:
    line = chain.unseal(raw)
    trial = None if line is None else records.read(line)
    if trial is not None and trial.kind in records.SHOWN:
        yield row(trial)


def _set_aside(folder: Path, text: bytes) -> Path | None:
    """Keep a table that the ledger does not explain; a torn or shorter one needs no keeping."""
    if not text:
        return None
    aside = folder / f"results.{time.strftime('%Y%m%dT%H%M%S')}.{time.time_ns() % 10**9:09d}.tsv"
    disk.replace(aside, text)
    return aside


def unexplained(ledger: Path, table: Path) -> int | None:
    """The first line of `table` (from 1) that the ledger does not tell, None when all are told."""
    told = _rows(ledger, 0)[0].split(b"\n")
    with disk.reading(table) as file:
        for number, line in enumerate(file, 1):
            if number > len(told) or line.rstrip(b"\n") != told[number - 1]:
                return number
    return None
