"""Spaces in T4, the autotuning community's format for results, written and read.

The schema is results-schema.json of github.com/odgaard/TuningSchema, as Kernel Tuner writes it. It
holds what was tried and how it fared, and not where: that stands in a field of ours, which others
may ignore and which others' files lack. Knows files; nothing of searches.
"""

from __future__ import annotations

import gzip
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import Refusal
from ..runner.knobs import Setting
from . import space
from .space import Knobs, Point, Space

VERSION = "1.0.0"
OURS = "autoresearch"  # our field, beside `results`
NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
PLAIN = "ms"  # where a file names no unit: Kernel Tuner's
MOST = 1 << 22  # points of the full grid of a foreign file, holes included
VALID = ("", "correct", "valid", None)
INVALID = {"incorrect": "correctness", "timeout": "timeout", "compile": "compile"}
_REMEDY = "Name a file of scripts/brute_force.py, or results in T4."
Key = tuple[str, ...]


def write(path: Path, space_: Space) -> None:
    """A space as T4: JSON, compressed where the name ends in .gz."""
    results = [_result(s, ns) for s, ns in zip(space_.settings, _points(space_), strict=True)]
    facts = {
        **{name: getattr(space_, name) for name in ("target", "op", "shape", "machine")},
        **{name: getattr(space_, name) for name in ("caches", "versions", "seconds", "noise")},
        "knobs": {name: list(values) for name, values in space_.knobs.items()},
    }
    body = {"schema_version": VERSION, "results": results, OURS: facts}
    text = json.dumps(body, indent=1).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _points(space_: Space) -> list[Point]:
    return [p for p in space_.points if p is not None]


def _result(setting: Knobs, point: Point) -> dict[str, Any]:
    good = isinstance(point, float)
    kind = "correct" if good else INVALID.get(str(point).partition(":")[0], "runtime")
    told = "time" if good else "failure"
    return {
        "configuration": setting,
        "times": {"runtimes": [point / 1e6] if isinstance(point, float) else []},
        "invalidity": kind,
        "correctness": 0.0 if kind == "correctness" else 1.0,
        "measurements": [{"name": told, "value": point, "unit": "ns" if good else ""}],
        "objectives": ["time"],
    }


def load(path: Path) -> Space:
    """A space from a file of ours or from one in T4, compressed or not."""
    if not path.is_file():
        raise Refusal(f"{path} is not a file.", _REMEDY)
    try:
        body = json.loads(_text(path))
    except (OSError, EOFError, ValueError) as error:
        raise _unread(path, error) from error
    return read(path, body) if isinstance(body, dict) and "results" in body else space.read(path)


def read(path: Path, body: Mapping[str, Any]) -> Space:
    """The space in a T4 body; Refusal when it has none."""
    try:
        return _read(path, body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unread(path, error) from error


def _unread(path: Path, error: Exception) -> Refusal:
    what = f"{path} holds no knob space ({type(error).__name__}: {error})."
    return Refusal(what, _REMEDY)


def _text(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _read(path: Path, body: Mapping[str, Any]) -> Space:
    results, facts = body["results"], body.get(OURS, {})
    knobs = _knobs(results, facts.get("knobs"))
    size = math.prod(map(len, knobs.values()))
    if size > MOST:
        raise ValueError(f"its grid has {size} points, more than {MOST}")
    found = {_key(result["configuration"], knobs): _point(result) for result in results}
    points = tuple(found.get(_words(choice)) for choice in product(*knobs.values()))
    named = path.name.removesuffix(".gz").removesuffix(".json")
    return Space(
        target=str(facts.get("target", named)),
        op=str(facts.get("op", "")),
        shape=str(facts.get("shape", "")),
        machine=str(facts.get("machine", "elsewhere")),
        knobs=knobs,
        points=points,
        caches=tuple(facts.get("caches", ())),
        versions=dict(facts.get("versions", {})),
        seconds=facts["seconds"] if facts else _seconds(results),
        noise=float(facts.get("noise", 0.0)),
    )


def _knobs(
    results: Sequence[Mapping[str, Any]], given: Mapping[str, Sequence[Setting]] | None
) -> dict[str, tuple[Setting, ...]]:
    """Knobs and their values in the order in which the results name them, unless it is given."""
    if given is not None:
        return {name: tuple(values) for name, values in given.items()}
    values: dict[str, dict[str, Setting]] = {}
    for result in results:
        for name, value in result["configuration"].items():
            values.setdefault(name, {}).setdefault(repr(value), _setting(value))
    return {name: tuple(found.values()) for name, found in values.items()}


def _setting(value: object) -> Setting:
    """As it is, or as a word where it is something else, such as a list."""
    return value if isinstance(value, bool | int | float | str) else repr(value)


def _key(configuration: Mapping[str, Any], knobs: Mapping[str, object]) -> Key:
    return _words([configuration[name] for name in knobs])


def _words(values: Sequence[object]) -> Key:
    return tuple(repr(_setting(value)) for value in values)  # 1, 1.0 and True are three settings


def _point(result: Mapping[str, Any]) -> Point:
    """ns, why it failed, or None where a constraint left it out."""
    kind = result.get("invalidity")
    if kind == "constraints":
        return None
    if kind not in VALID:
        told = [m["value"] for m in result.get("measurements", ()) if m.get("name") == "failure"]
        return str(told[0]) if told else str(kind)
    return _time(result)


def _time(result: Mapping[str, Any]) -> float:
    """The objective where that is a time, else `time`, else the mean of the runs."""
    measured = {m["name"]: m for m in result.get("measurements", ())}
    for name in (*result.get("objectives", ()), "time"):
        unit = measured.get(name, {}).get("unit") or (PLAIN if name == "time" else "")
        if name in measured and unit in NS:
            return float(measured[name]["value"]) * NS[unit]
    return statistics.fmean(result["times"]["runtimes"]) * NS[PLAIN]


def _seconds(results: Sequence[Mapping[str, Any]]) -> float:
    """What one evaluation took, from the parts that are told; ms as all times in T4."""
    parts = [result.get("times", {}) for result in results]
    return sum(sum(_cost(part)) for part in parts) / max(1, len(parts)) / 1e3


def _cost(times: Mapping[str, Any]) -> list[float]:
    alone = [v for name, v in times.items() if name != "runtimes" and isinstance(v, int | float)]
    return [*alone, *(v for v in times.get("runtimes", ()) if isinstance(v, int | float))]
