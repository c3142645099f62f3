"""Strategies replayed on spaces whose answers are known."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from autoresearch.cli.every import app
from autoresearch.errors import Refusal
from autoresearch.replay import run, scores, space, t4
from autoresearch.replay.space import Space
from autoresearch.replay.strategies import STRATEGIES

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


@pytest.mark.parametrize(
    "content", [b"", b"{}", gzip.compress(b"[]", mtime=0), gzip.compress(b'{"v": 1}', mtime=0)]
)
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


# Searches


def smooth(n: int = 64, **values: Any) -> Space:
    """One best setting, block=128, part=4, mode=wide, moving slowly with n."""
    points = tuple(
        1000 * (1 + 0.3 * abs(np.log2(b / (2 * n))) + 0.2 * abs(np.log2(p / 4)) + (m == "plain"))
        for b, p, m in itertools.product(*KNOBS.values())
    )
    return made(points, shape=f"f: n={n}", seconds=3.0, **values)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_tries_every_setting_once(name: str) -> None:
    space_ = smooth()
    search = STRATEGIES[name](run.problem(space_), np.random.default_rng(0))
    tried = [next(search), *(search.send(space_.ns[n]) for n in range(39))]
    assert sorted(tried) == list(range(40))
    assert next(search, None) is None


@pytest.mark.parametrize("name", ["seeds", "k-NN", "prior", "prior of a part"])
def test_the_default_goes_first_where_nothing_is_known(name: str) -> None:
    assert next(STRATEGIES[name](run.problem(smooth()), np.random.default_rng(0))) == 0


def test_seeds_change_one_knob_at_a_time() -> None:
    problem = run.problem(smooth())
    places = list(itertools.islice(STRATEGIES["seeds"](problem, np.random.default_rng(0)), 9))
    default = problem.settings[0].items()
    changed = [len(default - problem.settings[i].items()) for i in places]
    assert changed == [0, *[1] * 8] and len(set(places)) == 9


def test_a_search_that_fails_everywhere_but_once_ends_there() -> None:
    space_ = made((*("crash",) * 39, 7.0))
    for name, strategy in STRATEGIES.items():
        found = run.search(space_, strategy(run.problem(space_), np.random.default_rng(0)))
        assert found[-1] == 7.0, name
        assert set(found[:-1]) <= {math.inf}


def test_a_search_stops_at_the_optimum_or_at_its_budget() -> None:
    space_ = smooth()
    best = int(np.argmin(space_.ns))
    assert run.search(space_, (i for i in (0, best, 1))) == (space_.ns[0], space_.best)
    assert len(run.search(space_, (i for i in range(40)), 7)) == 7
    assert run.search(space_, (i for i in (0, 1))) == (space_.ns[0], min(space_.ns[:2]))


def test_within_5_percent_a_search_ends_when_all_is_scored() -> None:
    space_ = made((1.02, *(2.0,) * 38, 1.0))
    assert len(run.search(space_, (i for i in range(40)))) == max(10, scores.budget(space_)) < 40


def test_the_prior_learns_from_shapes_beside_and_beats_random() -> None:
    others = [smooth(n) for n in (16, 32, 128)]
    told = {t.score.strategy: t for t in run.compare(smooth(), others, seeds=3)}
    assert told["prior"].score.evaluations.value < told["random"].score.evaluations.value / 2
    assert told["prior"].score.performance.value > 0.5
    assert told["random"].faster > 1


def test_a_space_is_no_past_of_itself() -> None:
    with pytest.raises(Refusal, match="would tell the answer"):
        run.compare(smooth(), [smooth(32), smooth()], seeds=1)


def test_the_past_is_a_part_of_the_other_spaces() -> None:
    rows = run.rows([smooth(16), smooth(32)], np.random.default_rng(0), most=10)
    assert len(rows) == 20 and {row.group for row in rows} == {smooth(16).name, smooth(32).name}
    every = run.rows([smooth(16)], np.random.default_rng(0))
    assert [dict(row.knobs) for row in every] == list(smooth(16).settings)
    fails = run.rows([made(("crash", *(2.0,) * 39))], np.random.default_rng(0))
    assert [row.ratio for row in fails].count(None) == 1
    assert {row.ratio for row in fails} == {None, 1.0}


# Scores


def test_evaluations_are_counted_and_censored() -> None:
    assert scores.evaluations((3.0, 1.06, 1.05, 1.0), 1.0) == (3, True)
    assert scores.evaluations((3.0, 2.0), 1.0) == (3, False)


def test_the_lottery_is_that_of_all_orders() -> None:
    space_ = replace(smooth(), knobs={"a": (1, 2, 3, 4)}, points=(4.0, 1.0, "crash", 1.04))
    orders = itertools.permutations(space_.ns)
    firsts = [next(n for n, t in enumerate(order) if t <= 1.05) for order in orders]
    expected = [firsts.count(n) / len(firsts) for n in range(4)]
    assert scores.lottery(space_) == pytest.approx(expected)


def test_regret_is_that_of_the_best_so_far() -> None:
    assert scores.regret((3.0, 2.0, 1.0), 1.0, 1) == 3.0
    assert scores.regret((3.0, 2.0, 1.0), 1.0, 10) == 1.0
    assert scores.regret((math.inf,), 1.0, 1) == 100.0


def test_the_baseline_is_the_mean_of_all_orders() -> None:
    space_ = replace(smooth(), knobs={"a": (1, 2, 3, 4)}, points=(4.0, 1.0, "crash", 2.0))
    ns = [4.0, 1.0, 4.0, 2.0]
    orders = [np.minimum.accumulate(order) for order in itertools.permutations(ns)]
    assert scores.baseline(space_) == pytest.approx(np.mean(orders, axis=0))


def test_random_search_scores_nothing_and_the_optimum_at_once_scores_all() -> None:
    space_ = smooth()
    found = run.searches(space_, "random", (), 400)
    assert np.mean([scores.performance(t, space_) for t in found]) == pytest.approx(0, abs=0.05)
    assert scores.performance((space_.best,), space_) == 1.0
    assert scores.performance((max(space_.ns),) * 40, space_) < 0


def test_the_budget_is_where_random_search_is_nearly_there() -> None:
    space_ = smooth()
    most, curve = scores.budget(space_), scores.baseline(space_)
    goal = np.median(space_.ns) - 0.95 * (np.median(space_.ns) - space_.best)
    assert curve[most - 1] <= goal < curve[most - 2]


def test_the_bootstrap_covers_the_mean() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(100):
        drawn = scores.bootstrap([rng.normal(5, 1, 30)], lambda x: float(x.mean()), rng)
        inside += drawn.low <= 5 <= drawn.high
    assert 85 <= inside <= 100


def test_the_bootstrap_is_over_spaces_too() -> None:
    rng = np.random.default_rng(0)
    unlike = [np.full(20, 1.0), np.full(20, 9.0), np.full(20, 2.0)]
    found = scores.bootstrap(unlike, lambda x: float(x.mean()), rng)
    assert (found.low, found.high) == (1.0, 9.0)


# The verb


def test_the_verb_exports(tmp_path: Path) -> None:
    space.write(tmp_path / "s.json.gz", smooth())
    asked = ["replay", "--space", f"{tmp_path}/s.json.gz", "--export", f"{tmp_path}/s.json"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert t4.load(tmp_path / "s.json").ns == pytest.approx(smooth().ns)


def test_the_verb_prints_a_table_and_an_object(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{n}.json.gz") for n in (64, 32)]
    for path, n in zip(paths, (64, 32), strict=True):
        space.write(Path(path), smooth(n))
    asked = ["replay", "--space", paths[0], "--past", paths[1], "--seeds", "1"]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0 and all(name in shown.stdout for name in STRATEGIES)
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert [t["score"]["strategy"] for t in told["replay"]] == list(STRATEGIES)
