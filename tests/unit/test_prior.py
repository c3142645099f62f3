"""Advice from the past: right where there is something to know, silent where there is not."""

from __future__ import annotations

import hashlib
import itertools
import math
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch import catalog
from autoresearch.ledger import Point, chain, corpus, records
from autoresearch.model import Op, Result, Target, Trial
from autoresearch.prior import (
    Past,
    Shape,
    Wanted,
    distance,
    past,
    suggest,
    warm_start,
    warm_start_combined,
)
from autoresearch.prior.ranking import LEAST, learn, rank

HERE, ELSEWHERE = "zen3-2c-aaaaaa", "zen4-8c-bbbbbb"
LABEL = "search: m=16,n=20000,dist=sparse"
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def point(kernel: str = "k1", **values: Any) -> Point:
    features = {"m": "16", "n": "20000", "dist": "sparse"}
    knobs = {"block": [64, 32]}
    plain = Point("t1", "pq-l2", "search", HERE, kernel, 1000.0, features, knobs, 40.0)
    return replace(plain, **values)


def written(path: Path, bodies: Iterable[dict[str, Any]]) -> Path:
    prev = ""
    with path.open("wb") as file:
        for n, body in enumerate(bodies):
            line = chain.seal(body, n, prev)
            prev = line[-67:-3].decode()
            file.write(line)
    return path


def known(path: Path, *points: Point) -> tuple[Past, ...]:
    bodies = [corpus.to_json(p) for p in points]
    return past.corpus(written(path / "corpus.jsonl", bodies), ("pq-l2", "pq-dot")).rows


# Shapes


@given(st.text(max_size=40))
def test_any_label_is_a_shape_and_is_no_way_from_itself(label: str) -> None:
    shape = Shape.read(label)
    assert distance(shape, shape) == 0.0


def test_distance_counts_doublings() -> None:
    a = Shape.read(LABEL)
    assert distance(a, Shape.read("search: m=32,n=20000,dist=sparse")) == 1.0
    assert distance(a, Shape.read("search: dist=sparse,n=20000,m=64")) == 2.0
    assert distance(a, Shape.read("search: m=16,n=20000,dist=zero")) == 0.5
    assert distance(Shape.read("f: n=0"), Shape.read("f: n=1")) == 1.0
    for other in ("distances: m=16,n=20000,dist=sparse", "search: m=16", "search: m=x,n=1,dist=a"):
        assert distance(a, Shape.read(other)) == math.inf


# Rows of the corpus


def test_a_point_of_the_corpus_comes_back(tmp_path: Path) -> None:
    (row,) = known(tmp_path, point())
    assert (row.target, row.machine, row.kernel) == ("pq-l2", HERE, "k1")
    assert row.knobs == {"block": 64} and row.pct == 40.0 and row.ns == 1000.0
    assert row.shapes == (Shape.read(LABEL),)


def test_lines_of_other_hands_are_read_or_dropped_and_counted(tmp_path: Path) -> None:
    good = corpus.to_json(point())
    path = written(
        tmp_path / "c",
        [
            good,
            dict(reversed(good.items())) | {"kernel": "k2"},  # other order
            good | {"knobs": {"mode": "a}b"}, "kernel": "k3"},
            good | {"v": 2},  # foreign schema
            {"v": 1, "hello": "there"},
            good | {"ns": "fast"},
            good | {"ns": -1.0, "pct_of_roofline": 99.0},
            good | {"knobs": {"block": None}},
            good | {"target": "ivf"},  # another family: passed over, not dropped
        ],
    )
    with path.open("ab") as file:
        file.write(b'\x00\xff\n{"v":1}\n' + written(tmp_path / "d", [good]).read_bytes()[:90])
    with (tmp_path / "d").open("rb") as file:
        forged = file.read().replace(b"1000.0", b"0001.5")
    with path.open("ab") as file:
        file.write(b"\n" + forged)
    found = past.corpus(path, ("pq-l2",))
    assert {row.kernel for row in found.rows} == {"k1", "k2", "k3"}
    assert found.dropped == 5 + 3 + 1


def test_not_a_number_is_no_measurement(tmp_path: Path) -> None:
    body = corpus.to_json(point(ns=1.5, pct_of_roofline=2.5))
    head = chain.seal(body, 0, "").rpartition(b',"hash"')[0].replace(b"1.5", b"NaN")
    line = head + b',"hash":"' + hashlib.sha256(head).hexdigest().encode() + b'"}\n'
    assert chain.unseal(line) is not None
    (tmp_path / "c").write_bytes(line)
    assert past.corpus(tmp_path / "c", ("pq-l2",)) == past.Found((), 1)


def test_of_many_points_the_best_stay_and_all_shapes_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "SHAPES", 4)
    bodies = [
        corpus.to_json(point(f"k{n}", pct_of_roofline=float(n), features={"n": str(n % 50)}))
        for n in range(2000)
    ]
    rows = past.corpus(written(tmp_path / "c", bodies), ("pq-l2",)).rows
    assert len(rows) == 5 * past.EACH
    assert [r.kernel for r in rows if r.pct == 1999.0] == ["k1999"]


@pytest.mark.parametrize("made", ["absent", "empty", "folder"])
def test_no_file_is_no_past(tmp_path: Path, made: str) -> None:
    path = tmp_path / "c"
    if made == "empty":
        path.touch()
    if made == "folder":
        path.mkdir()
    for read in (past.corpus, past.trials):
        assert read(path, ("pq-l2",)).rows == ()


@settings(max_examples=30)
@given(st.lists(st.dictionaries(st.sampled_from([*corpus.to_json(point()), "v"]), anything)))
def test_no_line_is_an_error(tmp_path_factory: pytest.TempPathFactory, lines: list[Any]) -> None:
    path = tmp_path_factory.mktemp("c") / "c"
    bodies = [corpus.to_json(point()) | records.plain(line) for line in lines]
    found = past.corpus(written(path, bodies), ("pq-l2",))
    assert found.told == ""
    for row in found.rows:
        warm_start(found.rows, row.shapes[0], HERE)
    rank([{"block": 32}, {"block": 64}], found.rows)


# Rows of the ledger


def trial(n: int, verdict: str = "revert", x: float | None = -0.1, **extra: Any) -> Trial:
    measured = {"measured": {"X": x, "ns": {LABEL: 1000.0}}, "phase": "screen"}
    told = ({} if x is None else measured) | {"knobs": {"block": 2**n}} | extra
    result = Result("pq-l2", verdict, machine=HERE)
    return Trial(f"t{n}", "trial", result, candidate=f"c{n}", incumbent="c0", extra=told)


def ledger(path: Path, *rows: Trial) -> Path:
    return written(path / "trials.jsonl", map(records.to_json, rows))


def test_losers_failures_and_incumbents_are_rows(tmp_path: Path) -> None:
    base = replace(trial(0, "baseline", None, ns={LABEL: 1.0}), kind="baseline")
    path = ledger(tmp_path, base, trial(1), trial(2, "crash", None), trial(3, "keep", 0.2))
    found = past.trials(path, ("pq-l2",))
    told = [(r.kernel, r.ratio and round(math.log(r.ratio), 6)) for r in found.rows]
    assert told == [("c3", 0.0), ("c3", 0.2), ("c2", None), ("c1", -0.1), ("c0", 0.0)]
    first, won, failed, lost, start = found.rows
    assert won.group == failed.group == lost.group == start.group != first.group
    assert found.dropped == 0


def test_undecided_unmeasured_and_blind_rows_teach_nothing(tmp_path: Path) -> None:
    rows = (
        trial(1, "refused", None),
        trial(2, "inconclusive", None),
        trial(3, knobs={}),
        trial(4, x=math.nan),
        replace(trial(5), kind="blind"),
        trial(6, measured="much"),
    )
    assert past.trials(ledger(tmp_path, *map(records.tidy, rows)), ("pq-l2",)).rows == ()


def test_a_rows_shapes_do_not_tell_how_far_it_came(tmp_path: Path) -> None:
    """Hidden shapes are seen by what passed the screen: a prior that saw them would see winners."""
    hidden = {"X": -0.01, "ns": {"search: m=8,n=12345,dist=normal": 9.0}}
    path = ledger(
        tmp_path, trial(1), trial(2, measured=hidden, phase="confirm"), trial(3, "crash", None)
    )
    rows = past.trials(path, ("pq-l2",)).rows
    assert [r.shapes for r in rows] == [(Shape.read(LABEL),)] * 3


def test_damaged_rows_are_counted(tmp_path: Path) -> None:
    path = ledger(tmp_path, trial(1), trial(2))
    path.write_bytes(path.read_bytes().replace(b"revert", b"keep", 1) + b'{"target":"pq-l2"')
    found = past.trials(path, ("pq-l2",))
    assert [r.trial for r in found.rows] == ["t2"] and found.dropped == 2


def test_a_family_shares_operations_whatever_the_oracle() -> None:
    op = Op(("search(q, ids)",), {"q": "f32[d]"}, {"ids": "i64[10]"}, "topk")
    l2 = Target("code", {"search": op}, prepare="prepare(codes)")
    dot = replace(l2, ops={"search": replace(op, oracle="topk_max")}, site="elsewhere")
    other = replace(l2, prepare="")
    targets = {"other": other, "pq-dot": dot, "pq-l2": l2}
    assert past.family("pq-l2", targets) == ("pq-l2", "pq-dot")
    assert past.family("other", targets) == ("other",)


def test_the_targets_of_product_quantisation_are_one_family() -> None:
    root = Path(__file__).resolve().parents[2]
    targets = {entry.name: entry.facts() for entry in catalog.discover(root)}
    assert {"pq-dot", "pq-cosine"} <= set(past.family("pq-l2", targets))
    assert past.family("bitpack", targets) == ("bitpack",)


# Warm starts


def test_the_same_shape_goes_before_nearer_in_speed(tmp_path: Path) -> None:
    near = {"m": "20", "n": "20000", "dist": "sparse"}
    rows = known(
        tmp_path,
        point("slow", pct_of_roofline=10.0),
        point("fast", pct_of_roofline=20.0),
        point("near", pct_of_roofline=90.0, features=near),
    )
    found = warm_start_combined(rows, Shape.read(LABEL), HERE)
    assert [p.kernel for p in found] == ["fast", "slow"]
    assert [p.kernel for p in warm_start(rows, Shape.read(LABEL), HERE)] == ["fast"], "same knobs"
    beside = Shape.read("search: m=21,n=20000,dist=sparse")
    assert [p.kernel for p in warm_start_combined(rows, beside, HERE)] == ["near"]


def test_beyond_the_radius_only_this_machine_counts(tmp_path: Path) -> None:
    rows = known(tmp_path, point("a", machine=ELSEWHERE, pct_of_roofline=90.0), point("b"))
    far = Shape.read("search: m=16,n=20,dist=sparse")
    assert [p.kernel for p in warm_start_combined(rows, far, HERE)] == ["b"]
    assert warm_start_combined(rows, far, "another") == ()
    near = warm_start_combined(rows[:1], Shape.read(LABEL), "another", k=1)
    assert len(near) == 1, "a new machine starts from what is known of the shape elsewhere"


@given(
    st.lists(
        st.builds(
            Past,
            target=st.sampled_from(["pq-l2", "pq-dot"]),
            machine=st.sampled_from([HERE, ELSEWHERE]),
            kernel=st.sampled_from(["a", "b", "c", ""]),
            knobs=st.dictionaries(st.sampled_from(["x", "y"]), st.integers() | st.floats()),
            shapes=st.sampled_from([(), (Shape.read(LABEL),), (Shape.read("f: n=0"),)]),
            ratio=st.none() | st.floats(),
            ns=st.none() | st.floats(),
            pct=st.none() | st.floats(),
        ),
        max_size=12,
    ),
    st.integers(-1, 5),
    st.floats(),
)
def test_warm_starts_are_distinct_and_best_first(rows: list[Past], k: int, radius: float) -> None:
    for start in (warm_start, warm_start_combined):
        found = start(rows, Shape.read(LABEL), HERE, k, radius)
        assert len(found) <= max(0, k)
        assert [p.pct for p in found] == sorted((p.pct for p in found), reverse=True)
    advice = suggest(rows, Wanted("pq-l2", HERE, "a", {LABEL: 1000.0}, 30.0))
    assert all(a.ratio > 1 and a.kernel not in ("a", "") and a.why for a in advice)


def test_a_suggestion_says_why_and_what_to_expect(tmp_path: Path) -> None:
    rows = known(tmp_path, point("old", ns=800.0), point("worse", ns=1100.0), point("mine"))
    (advice,) = suggest(rows, Wanted("pq-l2", HERE, "mine", {LABEL: 1000.0}, 40.0))
    assert advice.kernel == "old" and advice.ratio == pytest.approx(1.25)
    assert "1.25x" in advice.why and "trial t1" in advice.why and "0.0 doublings" in advice.why
    elsewhere = replace(rows[0], machine=ELSEWHERE, kernel="theirs", pct=60.0)
    (advice,) = suggest([elsewhere], Wanted("pq-l2", HERE, "mine", {LABEL: 1000.0}, 40.0))
    assert advice.ratio == pytest.approx(1.5), "there only the share of the roofline compares"
    assert suggest([], Wanted("pq-l2", HERE, "mine", {LABEL: 1000.0}, 40.0)) == ()
    far = replace(elsewhere, machine=HERE, shapes=(Shape.read("search: other=3"),))
    (advice,) = suggest([far], Wanted("pq-l2", HERE, "mine", {LABEL: 1000.0}, 40.0))
    assert advice.distance is None and "not comparable in shape" in advice.why


# The order of candidates

BLOCKS, PARTS, MODES = (16, 32, 64, 128, 256, 512, 1024), (1, 2, 4, 8, 16), ("plain", "wide")
SPACE = [
    dict(zip(("block", "part", "mode"), chosen, strict=True))
    for chosen in itertools.product(BLOCKS, PARTS, MODES)
]


def slowness(knobs: dict[str, Any]) -> float:
    """A smooth space with one best place in its middle."""
    away = 0.05 * (math.log2(knobs["block"]) - 7) ** 2 + 0.1 * (math.log2(knobs["part"]) - 2) ** 2
    return away + 0.2 * (knobs["mode"] == "wide")


def raced(rng: np.random.Generator, groups: int, rows: int, smooth: bool) -> list[Past]:
    found = []
    for group in range(groups):
        shapes = (Shape.read(f"search: m={2 ** (4 + group)},n=20000"),)
        for place in rng.permutation(len(SPACE))[:rows]:
            knobs = SPACE[place]
            log = slowness(knobs) + 0.02 * rng.normal() if smooth else 0.3 * rng.normal()
            ratio = None if rng.random() < 0.05 else math.exp(0.3 - log)
            plain = Past("pq-l2", HERE, "k", knobs, group=f"g{group}", shapes=shapes)
            found.append(replace(plain, ratio=ratio))
    return found


def asked(past_: list[Past], seed: int) -> tuple[str, int, str]:
    """The model, trials until a setting within 5 % of the best, and why."""
    rng = np.random.default_rng(1000 + seed)
    settings_ = [SPACE[i] for i in rng.permutation(len(SPACE))]
    ranking = rank(settings_, past_, (Shape.read("search: m=24,n=20000"),), HERE, "pq-l2")
    assert sorted(ranking.order) == list(range(len(SPACE)))
    good = [slowness(settings_[i]) < 0.05 for i in ranking.order]
    return ranking.model, good.index(True) + 1, ranking.why


@pytest.mark.parametrize(("groups", "rows", "seeds"), [(1, 30, 12), (3, 20, 8)])
def test_on_a_smooth_space_it_beats_random(groups: int, rows: int, seeds: int) -> None:
    found = [asked(raced(np.random.default_rng(s), groups, rows, True), s) for s in range(seeds)]
    good = sum(slowness(knobs) < 0.05 for knobs in SPACE)
    random = (len(SPACE) + 1) / (good + 1)  # the mean place of the first of `good` in any order
    assert np.median([place for _, place, _ in found]) < random / 2
    assert sum(m == "process" for m, _, _ in found) >= 0.8 * seeds
    assert all("rows from" in why for _, _, why in found)


def test_on_noise_it_is_no_worse_than_random() -> None:
    found = [
        asked(raced(np.random.default_rng(s), groups, 13, False), s)
        for groups in (1, 2)
        for s in range(20)
    ]
    good = sum(slowness(knobs) < 0.05 for knobs in SPACE)
    assert np.mean([place for _, place, _ in found]) < 1.5 * (len(SPACE) + 1) / (good + 1)


def test_nothing_known_is_the_default_and_one_knob_at_a_time() -> None:
    ranking = rank(SPACE, [], (), HERE, "pq-l2")
    assert ranking.model == "none" and "0 rows from here" in ranking.why
    changed = [sum(SPACE[i][name] != SPACE[0][name] for name in SPACE[0]) for i in ranking.order]
    assert changed == sorted(changed) and changed.count(1) == 6 + 4 + 1
    assert all(a < b for a, b in itertools.pairwise(ranking.order[1:12])), "as listed"


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_a_few_rows_from_here_are_enough_to_learn_from(rows: int) -> None:
    past_ = raced(np.random.default_rng(0), 1, rows, True)
    ranking = rank(SPACE, past_, past_[0].shapes, HERE, "pq-l2")
    assert ranking.model == "process" and f"{rows} rows from here" in ranking.why
    assert sorted(ranking.order) == list(range(len(SPACE)))


def test_a_few_rows_of_another_place_teach_nothing() -> None:
    past_ = raced(np.random.default_rng(0), 1, LEAST - 1, True)
    assert rank(SPACE, past_, (), HERE, "pq-l2") == rank(SPACE, [], (), HERE, "pq-l2")


def test_searched_from_nothing_a_smooth_space_takes_few_trials() -> None:
    shapes = (Shape.read("search: m=16,n=20000"),)
    learnt, own, left = learn(SPACE, [], shapes, HERE, "pq-l2"), list[Past](), list(range(70))
    while not own or slowness(dict(own[0].knobs)) >= 0.05:
        knobs = SPACE[left.pop(learnt.ranking(own, left).order[0])]
        ratio = math.exp(-slowness(knobs))
        own.insert(0, Past("pq-l2", HERE, "k", knobs, group="g", shapes=shapes, ratio=ratio))
    assert len(own) <= 15, "half of what any order takes, the default being the worst but one"


def test_nothing_to_compare_orders_nothing() -> None:
    failed = [replace(r, ratio=None) for r in raced(np.random.default_rng(0), 2, 10, True)]
    assert rank(SPACE, failed).model == "none", "where all failed, none is better"
    others = [replace(r, knobs={"tile": 3}) for r in failed]
    assert rank(SPACE, others).model == "none"
    assert rank([], failed).order == ()


def test_what_won_elsewhere_goes_early() -> None:
    rows = raced(np.random.default_rng(3), 1, 30, True)
    best = max(rows, key=lambda r: r.ratio or 0.0)
    ranking = rank(SPACE, rows, (Shape.read("search: m=32,n=20000"),), HERE, "pq-l2")
    assert ranking.model == "process"
    assert SPACE.index(dict(best.knobs)) in ranking.order[:7]


def test_a_relative_on_the_same_shapes_is_another_place() -> None:
    rows = raced(np.random.default_rng(3), 1, 30, True)
    for target, why in (
        ("pq-l2", "30 rows from here and 0 rows from 0 other places"),
        ("pq-dot", "0 rows from here and 30 rows from 1 other places"),
    ):
        ranking = rank(SPACE, rows, rows[0].shapes, HERE, target)
        assert ranking.model == "process" and why in ranking.why


def test_here_counts_more_than_elsewhere_once_it_was_tried() -> None:
    elsewhere = raced(np.random.default_rng(4), 3, 40, True)
    here = [
        replace(row, group="here", shapes=(Shape.read("search: m=999,n=20000"),))
        for row in raced(np.random.default_rng(5), 1, 40, True)
    ]
    backwards = [replace(r, ratio=1 / r.ratio if r.ratio else None) for r in here]
    best = min(backwards, key=lambda r: -(r.ratio or 0.0)).knobs
    first = SPACE[rank(SPACE, [*backwards, *elsewhere], here[0].shapes, HERE, "pq-l2").order[0]]
    assert abs(slowness(first) - slowness(dict(best))) < 0.3 < slowness(first)


def test_settings_beyond_those_that_are_ordered_come_last_as_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("autoresearch.prior.ranking.WIDE", 20)
    order = rank(SPACE, raced(np.random.default_rng(6), 2, 30, True), (), HERE, "pq-l2").order
    assert sorted(order[:20]) == list(range(20)) and order[20:] == tuple(range(20, len(SPACE)))


def test_asked_before_each_trial_it_says_what_it_says_when_asked_anew() -> None:
    past_ = raced(np.random.default_rng(7), 2, 30, True)
    here = replace(past_[0], group="here", shapes=(Shape.read("search: m=24,n=20000"),))
    learnt = learn(SPACE, past_, here.shapes, HERE, "pq-l2")
    own = [replace(here, knobs=SPACE[0], ratio=1.0)]  # a sweep begins with its incumbent's row
    for _ in range(12):
        left = [i for i, s in enumerate(SPACE) if all(s != row.knobs for row in own)]
        anew = rank([SPACE[i] for i in left], [*own, *past_], here.shapes, HERE, "pq-l2")
        assert learnt.ranking(own, left).order[:5] == anew.order[:5]
        knobs = SPACE[left[anew.order[0]]]
        own.insert(0, replace(here, knobs=knobs, ratio=math.exp(-slowness(knobs))))


def test_a_broken_model_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoresearch.prior.features.apart", lambda values: 1 / 0)
    ranking = rank(SPACE, raced(np.random.default_rng(0), 1, 10, True))
    assert ranking.order == tuple(range(len(SPACE))) and "ZeroDivisionError" in ranking.why


@settings(max_examples=30)
@given(
    st.lists(
        st.builds(
            Past,
            target=st.just("pq-l2"),
            machine=st.sampled_from([HERE, ELSEWHERE]),
            kernel=st.just("k"),
            knobs=st.fixed_dictionaries(
                {"a": st.integers() | st.floats() | st.booleans(), "b": st.text(max_size=2)}
            ),
            group=st.sampled_from(["x", "y"]),
            shapes=st.sampled_from([(), (Shape.read(LABEL), Shape.read("f: n=0"))]),
            ratio=st.none() | st.floats(),
        ),
        max_size=20,
    )
)
def test_any_rows_give_an_order(rows: list[Past]) -> None:
    candidates = [{"a": 0, "b": ""}, {"a": -3, "b": "x"}, {"a": True, "b": "y"}]
    ranking = rank(candidates, rows, (Shape.read(LABEL),), HERE, "pq-l2")
    assert sorted(ranking.order) == [0, 1, 2] and ranking.why


def test_status_pays_for_no_numpy() -> None:
    program = "import sys, autoresearch.prior; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
