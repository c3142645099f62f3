"""Strategies replayed on spaces whose answers are known."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from autoresearch.errors import Refusal
from autoresearch.replay import space
from autoresearch.replay.space import Space

KNOBS = {"block": (64, 16, 32, 128, 256), "part": (1, 2, 4, 8), "mode": ("plain", "wide")}


def made(points: Any = None, **values: Any) -> Space:
    size = len(list(itertools.product(*KNOBS.values())))
    points = tuple(1000.0 + n for n in range(size)) if points is None else points
    facts = {"target": "toy", "op": "f", "shape": "f: n=64", "machine": "here-1c"}
    return Space(**facts | values, knobs=KNOBS, points=points, caches=(32768, 1 << 20))


# Files


def test_a_space_comes_back_and_its_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    given = made((1.5, "crash: index out of range", None, *(2.0,) * 37), versions={"numba": "1"})
    for name in "ab":
        space.write(tmp_path / name / "s.json.gz", given)
    assert space.read(tmp_path / "a" / "s.json.gz") == given
    one, other = ((tmp_path / name / "s.json.gz").read_bytes() for name in "ab")
    assert one == other


def test_what_is_no_setting_is_left_out_and_failures_are_infinite() -> None:
    given = made((1.5, "crash", None, *(2.0,) * 37))
    assert len(given.settings) == len(given.ns) == 39
    assert given.settings[0] == {"block": 64, "part": 1, "mode": "plain"}
    assert given.settings[2] == {"block": 64, "part": 2, "mode": "wide"}
    assert given.ns[:3] == (1.5, float("inf"), 2.0) and given.best == 1.5


@pytest.mark.parametrize(
    "points", [(1.0,), (-1.0,) * 40, (float("nan"),) * 40, ("crash",) * 40, (None,) * 40]
)
def test_a_space_with_holes_is_refused(points: Any) -> None:
    with pytest.raises(Refusal):
        made(points)


@pytest.mark.parametrize("content", [b"", b"{}", gzip.compress(b"[]"), gzip.compress(b'{"v": 1}')])
def test_a_file_that_holds_no_space_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.json.gz"
    path.write_bytes(content)
    with pytest.raises(Refusal, match="no knob space"):
        space.read(path)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.json.gz"
    space.write(path, made())
    body = json.loads(gzip.decompress(path.read_bytes())) | {"schema": 99}
    path.write_bytes(gzip.compress(json.dumps(body).encode()))
    with pytest.raises(Refusal, match="another schema"):
        space.read(path)
