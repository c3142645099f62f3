"""The tables of what the prior is worth: what is left out stays out, and a leak ends the run."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoresearch.prior import Past, Shape
from autoresearch.replay import space as file
from autoresearch.replay import strategies
from autoresearch.replay.space import Space

ROOT = Path(__file__).resolve().parents[2]
KNOBS = {"block": (64, 16, 32, 128, 256), "part": (1, 2, 4, 8)}


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "scripts" / "prior_tables.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "tables", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(strategies, "learn", strategies.learn)  # the script puts its audit there
    return module


def made(target: str, n: int, machine: str) -> Space:
    points = tuple(
        1000 * (1 + 0.3 * abs(np.log2(b / n)) + 0.2 * abs(np.log2(p / 4)))
        for b, p in itertools.product(*KNOBS.values())
    )
    return Space(target, "f", f"f: n={n}", machine, KNOBS, points, seconds=2.0)


SPACES = [
    made(target, n, machine)
    for target, machine, n in itertools.product(("one", "two"), ("here", "there"), (64, 128))
]


def row(space: Space, group: str = "g") -> Past:
    shapes = (Shape.read(space.shape),)
    return Past(space.target, space.machine, "", space.settings[3], "keep", group, 1.0, shapes)


@pytest.mark.parametrize(("left_out", "others"), [("shape", 6), ("target", 4), ("machine", 4)])
def test_the_past_is_without_the_whole_group(tables: Any, left_out: str, others: int) -> None:
    mine = tables.key(SPACES[0])
    assert sum(not tables.held(left_out, mine, tables.key(s)) for s in SPACES) == others


@pytest.mark.parametrize("left_out", ["shape", "target", "machine"])
def test_a_planted_row_of_the_group_is_a_leak(tables: Any, left_out: str) -> None:
    audit = tables.Audit(left_out, tables.key(SPACES[0]))
    candidates = list(SPACES[0].settings)
    for other in SPACES:
        if tables.held(left_out, audit.mine, tables.key(other)):
            with pytest.raises(tables.Leak, match="is left out, but told"):
                audit(candidates, [row(SPACES[-1]), row(other)])
        else:
            audit(candidates, [row(other)])
    assert audit.calls == sum(not tables.held(left_out, audit.mine, tables.key(s)) for s in SPACES)


def test_an_outcome_told_before_it_was_tried_is_a_leak(tables: Any) -> None:
    audit, told = tables.Audit("shape", tables.key(SPACES[0])), row(SPACES[0], strategies.HERE)
    watched = audit(list(SPACES[0].settings), [])
    place = watched.learnt.place(told.knobs)
    left = [n for n in range(len(SPACES[0].settings)) if n != place]
    assert watched.ranking([told], left).order
    with pytest.raises(tables.Leak, match="before it is tried"):
        watched.ranking([told], [*left, place])


def test_the_tables_say_all_and_land_in_the_page(
    tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, one in enumerate(SPACES):
        file.write(tmp_path / "spaces" / f"{i}.json.gz", one)
    page = tmp_path / "docs" / "prior.md"
    page.parent.mkdir()
    page.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    asked = ["x", "--spaces", str(tmp_path / "spaces"), "--seeds", "1", "--target", "one"]
    monkeypatch.setattr(sys, "argv", [*asked, "--write", "--left-out", "shape"])
    assert tables.main() == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "### Without the shape" in text and "none was of the shape left out" in text
    assert all(f"| {name} |" in text for name in strategies.STRATEGIES)
    assert text.split(tables.BEGIN)[1].split(tables.END)[0].strip() in capsys.readouterr().out


def test_without_spaces_there_are_no_tables(
    tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "--spaces", str(tmp_path)])
    assert tables.main() == 1


def test_spaces_are_as_alike_as_their_orders(tables: Any) -> None:
    first, second = (
        replace(s, points=tuple(p + i for i, p in enumerate(s.points))) for s in SPACES[:2]
    )
    backwards = replace(first, points=tuple(9000.0 - p for p in first.points))
    assert tables.alike([first, first]) == pytest.approx(1.0)
    assert tables.alike([first, backwards]) == pytest.approx(-1.0)
    assert np.isnan(tables.alike([first, made("one", 64, "there")]))
    assert -1 < tables.alike([first, second]) < 1


def test_random_search_needs_as_many_as_itself(tables: Any) -> None:
    table = tables.replayed("target", [SPACES[0], replace(SPACES[1])], 200, 20)
    assert tables.factor(table, "random").value == pytest.approx(1.0, abs=0.15)


def test_who_measured_all_of_it_before_needs_one_evaluation_unless_it_was_noise(
    tables: Any,
) -> None:
    assert tables.before(SPACES[0]) == 1.0
    assert tables.before(replace(SPACES[0], noise=5.0)) > 2.0
