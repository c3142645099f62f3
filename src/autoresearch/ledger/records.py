"""A trial as plain JSON values and back. Knows the nouns; nothing of files or hashes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..block import clean
from ..model import Result, Trial

SHOWN = ("trial", "baseline")  # kinds that a table shows and whose kernel may be the incumbent
DESCRIPTION = 400  # bytes kept of a description
_TEXT = 2000  # bytes kept of any other text
_TUPLES = ("stamps", "speedup_ci95")


def tidy(trial: Trial) -> Trial:
    """`trial` as the ledger keeps it: every text one printable line, every value plain JSON."""
    body = plain({f.name: getattr(trial, f.name) for f in fields(Trial) if f.name != "result"})
    body["description"] = clean(trial.description, DESCRIPTION)
    values = {f.name: plain(getattr(trial.result, f.name)) for f in fields(Result)}
    return from_json(body | {"result": values})


def to_json(trial: Trial) -> dict[str, Any]:
    """The values of a tidy trial."""
    body = {f.name: getattr(trial, f.name) for f in fields(Trial)}
    return body | {"result": {f.name: getattr(trial.result, f.name) for f in fields(Result)}}


def from_json(body: Mapping[str, Any]) -> Trial:
    """The trial a line tells of; unknown keys are skipped. KeyError or TypeError if it tells of none."""
    trial = Trial(**_known(Trial, body))
    return replace(trial, result=Result(**_known(Result, body["result"])))


def read(line: Mapping[str, Any]) -> Trial | None:
    """The trial of a sound line, None when the line holds something else."""
    try:
        trial = from_json(line)
    except (KeyError, TypeError, AttributeError):
        return None
    return trial if isinstance(trial.id, str) and isinstance(trial.result.verdict, str) else None


def _known(kind: type[Trial | Result], body: Mapping[str, Any]) -> dict[str, Any]:
    values = {f.name: body[f.name] for f in fields(kind) if f.name in body}
    for name in _TUPLES:
        if isinstance(values.get(name), list):
            values[name] = tuple(values[name])
    return values


def plain(value: Any) -> Any:
    """`value` in JSON's own types: no NaN, no numpy, no control characters in texts."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return clean(value, _TEXT)
        case float() | np.floating():
            return float(value) if math.isfinite(value) else None
        case np.generic() | np.ndarray():
            return plain(value.tolist())
        case Mapping():
            return {clean(str(key), _TEXT): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _:
            return clean(str(value), _TEXT)
