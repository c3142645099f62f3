"""What knowing more of a space would gain: each step of knowledge is worth something."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoresearch.replay import space as file
from autoresearch.replay.space import Space

ROOT = Path(__file__).resolve().parents[2]
KNOBS = {"block": (64, 16, 32, 128, 256), "part": (1, 2, 4, 8), "how": ("a", "b", "c")}


@pytest.fixture
def ceiling(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("ceiling", ROOT / "scripts" / "prior_ceiling.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "ceiling", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def additive() -> Space:
    effects = np.random.default_rng(1).normal(size=(3, 5)) * 0.3
    places = itertools.product(*(range(len(values)) for values in KNOBS.values()))
    points = tuple(float(1000 * np.exp(effects[(0, 1, 2), at].sum())) for at in places)
    return Space("toy", "f", "f: n=1", "m", KNOBS, points, seconds=2.0)


def test_who_knows_the_effects_of_an_additive_space_begins_with_its_best(
    ceiling: Any, additive: Space
) -> None:
    found = next(ceiling.search(ceiling.known(additive, [(0,), (1,), (2,)]), None))
    assert additive.ns[found] == additive.best


def test_a_search_names_every_setting_once_whatever_it_is_told(
    ceiling: Any, additive: Space
) -> None:
    search = ceiling.search(ceiling.known(additive, ()), 0)
    told = [next(search)]
    while len(told) < len(additive.ns):
        told.append(search.send(additive.ns[told[-1]]))
    with pytest.raises(StopIteration):
        search.send(additive.ns[told[-1]])
    assert told[0] == 0 and sorted(told) == list(range(len(additive.ns)))


def test_times_are_told_with_noise_and_places_as_they_are(ceiling: Any) -> None:
    heard: list[float] = []

    def asked() -> Any:
        for place in (3, 1):
            heard.append((yield place))

    search = ceiling.blurred(asked(), 0.1, np.random.default_rng(0))
    assert next(search) == 3 and search.send(100.0) == 1
    with pytest.raises(StopIteration):
        search.send(100.0)
    assert len(heard) == 2 and all(50 < t < 200 and t != 100.0 for t in heard)


def test_the_table_has_a_row_for_each_step(
    ceiling: Any, additive: Space, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    file.write(tmp_path / "toy.json.gz", additive)
    monkeypatch.setattr(sys, "argv", ["ceiling", "--spaces", str(tmp_path), "--seeds", "2"])
    assert ceiling.main() == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 2 + len(ceiling.rows(0))
    nothing, *_, pairs = (float(row.split("|")[2]) for row in table[2:])
    assert pairs == 1.0 <= nothing
