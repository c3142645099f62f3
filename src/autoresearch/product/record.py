"""What was measured end to end, as rows of the ledger's `integration.jsonl`, and one word for it.

Knows rows and blob ids; nothing of how they were measured, and loads neither numpy nor numba.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import kernels
from ..catalog import Entry
from ..ledger import Ledger
from ..model import Trial
from . import amdahl

Interval = tuple[float, float, float]  # ratio, low, high: above 1 the champion is faster
CEILING, INTEGRATE = "ceiling", "integrate"
PROVEN, UNPROVEN = "proven", "unproven"


@dataclass(frozen=True, slots=True)
class Line:
    """One pipeline: the op's share of it with the product's kernel, calls of the op in a batch, and
    the champion's speed-up of the whole over other arms."""

    pipeline: str
    share: float
    calls: float
    versus: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A ceiling, or an integration: `arms` maps each arm to its kernel's blob id, `overall` holds
    the geometric means over pipelines, `lab` the audited gain over the product if there is one."""

    kind: str
    target: str
    timestamp: str
    machine: str
    digest: str
    scale: float
    spawns: int
    lines: tuple[Line, ...]
    arms: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    overall: Mapping[str, Interval] = field(default_factory=dict)
    lab: float | None = None
    verdict: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def limit(self) -> float:
        """The largest gain end to end that the op has room for, over its pipelines."""
        return max(amdahl.ceiling(line.share) for line in self.lines)


def write(ledger: Ledger, row: Row) -> None:
    """Add a row, durably."""
    ledger.note(asdict(row))


def newest(ledger: Ledger, target: str, kind: str = "") -> Row | None:
    """The last row of `target`, of one kind if named."""
    for line in ledger.notes(f'"target":{json.dumps(target)}'):
        row = _row(line)
        if row and row.target == target and kind in ("", row.kind):
            return row
    return None


def _row(line: Mapping[str, Any]) -> Row | None:
    """The row of a sound line, None when the line holds something else."""
    try:
        values = {name: line[name] for name in Row.__dataclass_fields__ if name in line}
        lines = tuple(Line(**one | {"versus": _tuples(one["versus"])}) for one in line["lines"])
        overall, reasons = _tuples(line["overall"]), tuple(line["reasons"])
        return Row(**values | {"lines": lines, "overall": overall, "reasons": reasons})
    except (KeyError, TypeError, AttributeError):
        return None


def _tuples(found: Mapping[str, list[float]]) -> dict[str, Interval]:
    return {name: (value[0], value[1], value[2]) for name, value in found.items()}


def blob_id(data: bytes, like: str) -> str:
    """The id git gives to a file, in the hash that `like` is written in."""
    kind = hashlib.sha1 if len(like) == 40 else hashlib.sha256
    return kind(b"blob %d\0" % len(data) + data).hexdigest()


def provenance(target: str) -> dict[str, Any]:
    """What `promote` wrote beside the kernel of `target` that ships; empty if none does."""
    path = Path(kernels.__file__).parent / "promoted" / f"{target.replace('-', '_')}.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def shipped() -> list[dict[str, Any]]:
    """The provenance of every kernel that ships."""
    folder = Path(kernels.__file__).parent / "promoted"
    return [dict(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]


def standing(ledger: Ledger, entry: Entry, incumbent: Trial | None) -> tuple[str, float | None]:
    """How far the incumbent has come, in a word, and the most that the target can gain end to end.

    The word is seed, lab (fast in the lab, and nothing more is known), unproven or proven (by an
    integration of this very kernel), product (it ships), or empty without an incumbent.
    """
    found, proof = newest(ledger, entry.name), newest(ledger, entry.name, INTEGRATE)
    word = _word(entry, incumbent.candidate, proof) if incumbent else ""
    return word, found.limit if found else None


def _word(entry: Entry, incumbent: str, proof: Row | None) -> str:
    if incumbent == provenance(entry.name).get("kernel"):
        return "product"
    if incumbent == blob_id((entry.path / "reference.py").read_bytes(), incumbent):
        return "seed"
    return proof.verdict if proof and proof.arms.get("champion") == incumbent else "lab"
