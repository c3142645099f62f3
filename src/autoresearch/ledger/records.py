"""A trial as plain JSON values and back. Knows the nouns; nothing of files or hashes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ..block import clean
from ..model import Result, Trial

SHOWN = ("trial", "baseline")  # kinds that a table shows and whose kernel may be the incumbent
DESCRIPTION = 400  # bytes kept of a description
_TEXT = 2000  # bytes kept of any other text
_TRIAL = {f.name: str(f.type) for f in fields(Trial)}
_RESULT = {f.name: str(f.type) for f in fields(Result)}
_TUPLES = ("stamps", "speedup_ci95")
_ENDS = ([int, int], [float, float], [int, float], [float, int])
_TYPES = {  # by annotation, as model.py spells it
    "str": str,
    "int": int,
    "int | None": int | None,
    "float | None": float | int | None,
    "tuple[int, int]": tuple,
    "tuple[float, float] | None": tuple | None,
    "Mapping[str, float]": dict,
    "Mapping[str, Any]": dict,
}


def tidy(trial: Trial) -> Trial:
    """`trial` as the ledger keeps it: every text one printable line, every value plain JSON."""
    body = plain({name: getattr(trial, name) for name in _TRIAL if name != "result"})
    body["description"] = clean(trial.description, DESCRIPTION)
    values = {name: plain(getattr(trial.result, name)) for name in _RESULT}
    return from_json(body | {"result": values})


def to_json(trial: Trial) -> dict[str, Any]:
    """The values of a tidy trial."""
    body = {name: getattr(trial, name) for name in _TRIAL}
    return body | {"result": {name: getattr(trial.result, name) for name in _RESULT}}


def from_json(body: Mapping[str, Any]) -> Trial:
    """The trial a line tells of, unknown keys skipped; KeyError or TypeError if there is none."""
    result = Result(**_known(_RESULT, body["result"]))
    return Trial(**_known(_TRIAL, body) | {"result": result})


def read(line: Mapping[str, Any]) -> Trial | None:
    """The trial of a sound line, None when the line holds something else."""
    try:
        trial = from_json(line)
    except (KeyError, TypeError, AttributeError):
        return None
    return trial if _sound(trial, _TRIAL) and _sound(trial.result, _RESULT) else None


def _sound(record: Trial | Result, notes: Mapping[str, str]) -> bool:
    """Whether the fields hold what is declared, as far as readers lean on it."""
    for name, note in notes.items():
        value = getattr(record, name)
        if not isinstance(value, _TYPES.get(note, object)):
            return False
        if isinstance(value, tuple) and list(map(type, value)) not in _ENDS:
            return False
    return True


def _known(names: Iterable[str], body: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: body[name] for name in names if name in body}
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
        case float():
            return float(value) if math.isfinite(value) else None
        case Mapping():
            return {clean(str(key), _TEXT): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if hasattr(value, "tolist"):  # numpy's scalars and arrays, without loading numpy
            return plain(value.tolist())
        case _:
            return clean(str(value), _TEXT)
