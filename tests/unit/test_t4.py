"""Spaces go to the community's format and come back, and those of others load."""

from __future__ import annotations

import gzip
import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from autoresearch.cli.every import app
from autoresearch.errors import Refusal
from autoresearch.replay import space, t4
from autoresearch.replay.space import Space
from autoresearch.replay.strategies import STRATEGIES

KNOBS = {"block": (64, 16, 32), "mode": ("plain", "wide"), "deep": (True, False)}


def made(**values: Any) -> Space:
    points = (1.5, "crash: ended with -11", None, "incorrect: off", "timeout", *(2.0,) * 7)
    facts = {"target": "toy", "op": "f", "shape": "f: n=64", "machine": "here-1c", "seconds": 2.5}
    more = {"caches": (32768, 1 << 20), "versions": {"numba": "1"}}
    return Space(**facts | more | values, knobs=KNOBS, points=points)


def result(kind: str = "correct", **values: Any) -> dict[str, Any]:
    """One result as Kernel Tuner writes it."""
    times = {"compilation": 600.0, "benchmark": 390.0, "framework": 10.0}
    plain = {
        "timestamp": "2023-12-21 10:44:42+00:00",
        "configuration": {"block_size_x": 16, "tile_size_y": 2},
        "times": times | {"runtimes": [12.0, 13.0]},
        "invalidity": kind,
        "correctness": 1,
        "measurements": [{"name": "time", "value": 12.25, "unit": "ms"}],
        "objectives": ["time"],
    }
    return plain | values


def foreign(path: Path, *results: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"schema_version": "1.0.0", "results": results}))
    return path


def at(x: int, y: int) -> dict[str, int]:
    return {"block_size_x": x, "tile_size_y": y}


@pytest.mark.parametrize("name", ["s.json", "s.json.gz"])
def test_a_space_comes_back_whole(tmp_path: Path, name: str) -> None:
    t4.write(tmp_path / name, made())
    assert t4.load(tmp_path / name) == made()


def test_a_file_of_ours_is_read_as_such(tmp_path: Path) -> None:
    space.write(tmp_path / "s.json.gz", made())
    assert t4.load(tmp_path / "s.json.gz") == made()


def test_what_is_written_keeps_to_the_schema(tmp_path: Path) -> None:
    t4.write(tmp_path / "s.json", made())
    body = json.loads((tmp_path / "s.json").read_text())
    kinds = [r["invalidity"] for r in body["results"]]
    assert kinds[:4] == ["correct", "runtime", "correctness", "timeout"]
    assert set(kinds) <= {"timeout", "compile", "runtime", "correctness", "constraints", "correct"}
    assert [r["correctness"] for r in body["results"]].count(0.0) == 1
    assert len(body["results"]) == 11 and body["schema_version"] == "1.0.0"
    for one in body["results"]:
        assert {"configuration", "times", "invalidity", "correctness"} <= set(one)
    assert body["results"][0]["times"]["runtimes"] == [1.5e-6]


def test_a_space_of_others_loads(tmp_path: Path) -> None:
    broken = [{"name": "time", "value": "CompilationFailedConfig", "unit": "ms"}]
    path = foreign(
        tmp_path / "convolution_A100.json",
        result(configuration=at(16, 2)),
        result("compile", configuration=at(32, 1), measurements=broken),
        result("constraints", configuration=at(32, 2)),
        result(configuration=at(64, 1), measurements=[]),
    )
    found = t4.load(path)
    assert found.knobs == {"block_size_x": (16, 32, 64), "tile_size_y": (2, 1)}
    assert found.points == (12.25e6, None, None, "compile", None, 12.5e6)
    assert (found.target, found.machine) == ("convolution_A100", "elsewhere")
    assert found.seconds == pytest.approx(1.025)
    assert found.settings[0] == at(16, 2) and found.ns == (12.25e6, math.inf, 12.5e6)


@pytest.mark.parametrize("unit", t4.NS)
def test_units_of_the_objective_are_read(tmp_path: Path, unit: str) -> None:
    measured = [
        {"name": "GFLOP/s", "value": 9, "unit": ""},
        {"name": "t", "value": 3, "unit": unit},
    ]
    for objectives in (["t"], ["GFLOP/s", "t"]):
        path = foreign(tmp_path / "x.json", result(measurements=measured, objectives=objectives))
        assert t4.load(path).points == (3 * t4.NS[unit],)


def test_values_that_look_alike_are_apart_and_lists_are_words(tmp_path: Path) -> None:
    values = (1, True, 1.0, "1", [1, 2])
    path = foreign(tmp_path / "x.json", *(result(configuration={"k": v}) for v in values))
    assert [repr(v) for v in t4.load(path).knobs["k"]] == ["1", "True", "1.0", "'1'", "'[1, 2]'"]
    assert len(t4.load(path).settings) == 5


@pytest.mark.parametrize(
    "results",
    [
        [],
        [{}],
        [result("compile")],
        [result(measurements=[], times={"runtimes": []})],
        [result(configuration=[1])],
        ["x"],
    ],
)
def test_results_that_tell_no_time_are_refused(tmp_path: Path, results: Any) -> None:
    with pytest.raises(Refusal):
        t4.load(foreign(tmp_path / "x.json", *results))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", gzip.compress(b"3", mtime=0), b"\x1f\x8bxx"])
def test_damage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(content)
    with pytest.raises(Refusal, match="holds no knob space"):
        t4.load(path)


def test_a_file_that_is_not_there_is_refused_as_that(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"gone is not a file\. Name a file"):
        t4.load(tmp_path / "gone")


def test_a_grid_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(t4, "MOST", 3)
    path = foreign(tmp_path / "x.json", *(result(configuration=at(n, n)) for n in (1, 2)))
    with pytest.raises(Refusal, match="4 points"):
        t4.load(path)


def test_the_verb_replays_a_space_of_others(tmp_path: Path) -> None:
    results = [
        result(configuration=at(x, y), measurements=[{"name": "time", "value": x + y}])
        for x, y in product(range(1, 9), range(1, 6))
    ]
    path = foreign(tmp_path / "x.json", *results)
    asked = ["replay", "--space", str(path), "--seeds", "1", "--json"]
    told = json.loads(CliRunner().invoke(app, asked).stdout)
    assert told["space"].startswith("x") and len(told["replay"]) == len(STRATEGIES)
