"""Spaces in the T4 format that Kernel Tuner and the FAIR autotuning benchmarks exchange.

The schema is odgaard/TuningSchema, results-schema.json, version 1.0.0. It names no target, shape or
machine: these stand in `metadata` when written here, and are empty in a file from elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import Refusal
from ..runner.knobs import Setting
from .space import Point, Space

VERSION = "1.0.0"
OBJECTIVE = "time"
UNITS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
VALID = "correct"
NO_SETTING = "constraints"
FACTS = ("target", "op", "shape", "machine", "caches", "versions", "seconds")


def write(path: Path, space: Space) -> None:
    """One result for each setting; times in ms, as Kernel Tuner has them."""
    points = zip(space.settings, (p for p in space.points if p is not None), strict=True)
    body = {
        "schema_version": VERSION,
        "metadata": {name: getattr(space, name) for name in FACTS},
        "results": [_result(setting, point) for setting, point in points],
    }
    path.write_text(json.dumps(body, indent=1) + "\n")


def _result(setting: Mapping[str, Setting], point: Point) -> dict[str, Any]:
    failed = point if isinstance(point, str) else ""
    ms = [] if not isinstance(point, float) else [point / UNITS["ms"]]
    return {
        "configuration": dict(setting),
        "objectives": [OBJECTIVE],
        "times": {"runtimes": ms},
        "invalidity": _why(failed),
        "correctness": int(not failed),
        "measurements": [{"name": OBJECTIVE, "value": value, "unit": "ms"} for value in ms],
    }


def _why(failed: str) -> str:
    if not failed:
        return VALID
    known = {"timeout": "timeout", "crash": "runtime", "incorrect": "correctness"}
    return next((name for word, name in known.items() if word in failed), "compile")


def read(path: Path) -> Space:
    """The space in a file. A knob's values are in the order in which they appear; a combination
    that the file leaves out, or calls a breach of constraints, is no setting."""
    try:
        body = json.loads(path.read_text())
        found = {_key(r["configuration"]): _point(r) for r in body["results"]}
        facts = dict.fromkeys(FACTS[:4], "") | {"target": path.stem, "shape": "t4: "}
        facts |= {k: v for k, v in body.get("metadata", {}).items() if k in FACTS}
        return _space(facts, found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{path} is no T4 file that can be used ({type(error).__name__}: {error})."
        raise Refusal(what, "Name one with results of one kernel, time among them.") from error


def _key(configuration: Mapping[str, Setting]) -> tuple[tuple[str, Setting], ...]:
    return tuple(configuration.items())


def _space(facts: dict[str, Any], found: Mapping[tuple[tuple[str, Setting], ...], Point]) -> Space:
    names = [name for name, _ in next(iter(found), ())]
    if not names or any([name for name, _ in key] != names for key in found):
        raise ValueError("the configurations have no or different parameters")
    knobs = {name: _seen(dict(key)[name] for key in found) for name in names}
    every = (tuple(zip(names, values, strict=True)) for values in product(*knobs.values()))
    points = tuple(found.get(key) for key in every)
    facts |= {"caches": tuple(facts.get("caches", ()))}
    return Space(**facts, knobs=knobs, points=points)


def _seen(values: Iterable[Setting]) -> tuple[Setting, ...]:
    return tuple(dict.fromkeys(values))


def _point(result: Mapping[str, Any]) -> Point:
    invalidity = str(result["invalidity"])
    if invalidity == NO_SETTING:
        return None
    if invalidity != VALID and invalidity:
        return invalidity
    for one in result.get("measurements", ()):
        if one["name"] == OBJECTIVE:
            ns = float(one["value"]) * UNITS[one.get("unit") or "ms"]
            return ns if 0 < ns < math.inf else "runtime"
    raise ValueError("a valid result has no time")
