"""The pairs behind a verdict, one file per trial, so that any trial can be decided again.

Knows arrays; nothing of ledger lines. A file is loaded only when its bytes are the ones linked.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ..errors import Refusal
from ..model import Evidence, Fault, Pair
from . import disk

STAGES = ("screen", "confirm", "tie")
_TUPLES = ("workloads", "hidden", "statements", "compile_s")


def store(path: Path, evidence: Evidence) -> str:
    """Write `evidence` to `path`; the digest that a ledger line links it by."""
    data = _packed(evidence)
    disk.folder(path.parent)
    disk.replace(path, data)
    return hashlib.sha256(data).hexdigest()


def fits(path: Path, digest: str) -> bool:
    """Whether `path` holds the bytes that `digest` was taken from."""
    with disk.reading(path) as file:
        return hashlib.sha256(file.read()).hexdigest() == digest


def load(path: Path, digest: str) -> Evidence:
    """The evidence in `path`; Refusal when it is not what the ledger linked."""
    with disk.reading(path) as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != digest:
        what = f"The pairs in {path} are {'not those the ledger linked' if data else 'missing'}."
        raise Refusal(what, "Restore the file from a backup, or leave that trial out.")
    import numpy as np  # not before pairs are wanted: `status` never does

    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return _unpacked({name: arrays[name] for name in arrays.files})


def _packed(evidence: Evidence) -> bytes:
    import numpy as np

    facts = {f.name: getattr(evidence, f.name) for f in fields(Evidence)}
    facts["fault"] = asdict(evidence.fault) if evidence.fault else None
    arrays: dict[str, Any] = {}
    for stage in STAGES:
        pairs: tuple[Pair, ...] = getattr(evidence, stage)
        facts[stage] = [{"shifts": pair.shifts, "void": pair.void} for pair in pairs]
        for place, pair in enumerate(pairs):
            arrays[f"{stage}.{place}.incumbent"] = np.asarray(pair.incumbent_ns, np.float64)
            arrays[f"{stage}.{place}.candidate"] = np.asarray(pair.candidate_ns, np.float64)
    text = np.frombuffer(json.dumps({"v": 1} | facts, default=_bare).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, facts=text, **arrays)
    return buffer.getvalue()


def _bare(value: Any) -> Any:
    """A numpy scalar as the Python number it holds."""
    return value.item()


def _unpacked(arrays: dict[str, Any]) -> Evidence:
    facts = json.loads(arrays["facts"].tobytes())
    values = {f.name: facts[f.name] for f in fields(Evidence) if f.name in facts}
    values |= {name: tuple(facts[name]) for name in _TUPLES}
    values["fault"] = Fault(**facts["fault"]) if facts["fault"] else None
    return Evidence(**values | {stage: _pairs(stage, facts, arrays) for stage in STAGES})


def _pairs(stage: str, facts: dict[str, Any], arrays: dict[str, Any]) -> tuple[Pair, ...]:
    return tuple(
        Pair(
            arrays[f"{stage}.{place}.incumbent"],
            arrays[f"{stage}.{place}.candidate"],
            (pair["shifts"][0], pair["shifts"][1]),
            pair["void"],
        )
        for place, pair in enumerate(facts[stage])
    )
