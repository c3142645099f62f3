"""posting-intersect: its reference against sets, its inputs as declared, its peers in agreement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack import roomy

from autoresearch.oracle import check
from targets.posting_intersect import inputs, kernels, peers, reference
from targets.posting_intersect.run_experiment import TARGET

EVERY = (*inputs.BATTERY, *inputs.WORKLOADS)
NAMES = {"two": "ab", "three": "abc"}
OPS = tuple(TARGET.ops)


def _rng(seed=0):
    return np.random.default_rng(seed)


def _drawn(workload, seed):
    static = inputs.static(_rng(seed), workload.spec)
    return static, inputs.each(_rng(seed + 1), workload.spec, static)


def _run(module, op, each, static=None):
    """The outputs as the harness holds them, poisoned before."""
    if op == "held":
        out = roomy(np.full(static["ids"].size, 0xDEADBEEF, np.uint32))
        state = module.prepare(**static)
        n = module.intersect_held(state, each["i"], each["j"], out)
    else:
        out = roomy(np.full(min(map(len, each.values())), 0xDEADBEEF, np.uint32))
        entry = module.intersect if op == "two" else module.intersect3
        n = entry(*[roomy(each[name]) for name in NAMES[op]], out)
    return {"out": out, "n": np.array(n)}


def _named(workload, static, each):
    """The lists of one operation by name."""
    if workload.op != "held":
        return {name: each[name] for name in NAMES[workload.op]}
    held = peers._held(static)
    assert len(held) == workload.spec["lists"]
    return {"a": held[each["i"]], "b": held[each["j"]]}


_ids = st.one_of(
    st.lists(st.integers(0, 40), unique=True, max_size=30),
    st.lists(st.integers((1 << 32) - 30, (1 << 32) - 1), unique=True, max_size=20),
    st.lists(st.integers(0, (1 << 32) - 1), unique=True, max_size=9),
)


@settings(max_examples=60)
@given(_ids, _ids, _ids, st.sampled_from(("two", "three")))
def test_the_reference_is_the_intersection_of_sets(a, b, c, op):
    lists = dict(zip(NAMES[op], (a, b, c), strict=False))
    each = {name: np.array(sorted(ids), np.uint32) for name, ids in lists.items()}
    got = _run(reference, op, each)
    met = sorted(set.intersection(*map(set, lists.values())))
    assert got["n"] == len(met) and got["out"][: len(met)].tolist() == met


@pytest.mark.parametrize("workload", EVERY, ids=lambda w: w.label)
def test_inputs_are_reproducible_as_declared_and_answered_right(workload):
    (static, each), (again, more) = _drawn(workload, 3), _drawn(workload, 3)
    op, spec = TARGET.ops[workload.op], workload.spec
    assert set(static) == set(TARGET.static) and set(each) == set(op.each)
    assert all(np.array_equal(a, again[name]) for name, a in static.items())
    assert all(np.array_equal(a, more[name]) for name, a in each.items())
    assert static["ids"].dtype == np.uint32 and static["starts"].dtype == np.int64
    lists = _named(workload, static, each)
    for ids in lists.values():
        assert ids.dtype == np.uint32 and (np.diff(ids.astype(np.int64)) > 0).all()
    if spec["dist"] == "largest":
        every = [*lists.values(), static["ids"]]
        assert max(int(ids.max()) for ids in every if ids.size) == (1 << 32) - 1
    met = sorted(set.intersection(*(set(ids.tolist()) for ids in lists.values())))
    assert len(met) <= inputs.capacity(spec, each)["out"]
    want = {"out": np.array(met, np.uint32), "n": np.array(len(met))}
    for module in (reference, kernels):
        assert check(op, want, _run(module, workload.op, each, static), {}) is None


@pytest.mark.parametrize("op", OPS)
def test_the_battery_has_every_edge(op):
    lists = []
    for workload in (w for w in inputs.BATTERY if w.op == op):
        static, each = _drawn(workload, 4)
        found = int(_run(reference, op, each, static)["n"])
        lists.append([*map(len, _named(workload, static, each).values()), found])
    assert [0, 0] in [sizes[:2] for sizes in lists]
    assert any(sizes[0] > sizes[1] for sizes in lists), "the first is the longest"
    assert any(min(sizes) == max(sizes) > 100 for sizes in lists), "identical"
    assert any(sizes[-1] == 0 and sizes[0] > 100 for sizes in lists), "disjoint"
    assert any(sizes[0] == 1 < sizes[1] for sizes in lists), "one element"
    assert {w.spec["dist"] for w in inputs.BATTERY} == set(inputs.GAPS)
    assert all(inputs.work(w).bytes > 0 for w in inputs.BATTERY)


def test_workloads_cover_shapes_distributions_and_ops():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12
    assert {w.op for w in inputs.WORKLOADS} == {w.op for w in inputs.data(9, 0)} == set(TARGET.ops)
    assert {s["ratio"] for s in specs if s["lists"] == 2} == {1, 16, 256}
    assert {s["dist"] for s in specs} == {"uniform", "clustered", "runs"}
    assert min(s["density"] for s in specs) < 0.01 and max(s["density"] for s in specs) >= 0.25
    assert all(set(inputs.JITTER) < set(s) for s in specs)


@pytest.mark.parametrize("workload", inputs.WORKLOADS, ids=lambda w: w.label)
def test_shapes_are_those_of_the_spec_and_no_work_is_charged_in_vain(workload):
    spec = workload.spec
    static, each = _drawn(workload, 5)
    shortest, *_, longest = _named(workload, static, each).values()
    assert longest.size == pytest.approx(spec["n"], rel=0.1)
    assert shortest.size == pytest.approx(spec["n"] / spec["ratio"], rel=0.1)
    if spec["dist"] == "uniform":
        assert longest.size / float(longest[-1]) == pytest.approx(spec["density"], rel=0.1)
    found = int(_run(reference, workload.op, each, static)["n"])
    moved = 4 * found * (1 if workload.op == "held" else spec["lists"] + 1)
    assert 0 < inputs.work(workload).bytes <= 1.3 * moved


@pytest.mark.parametrize("workload", [w for w in inputs.WORKLOADS if w.op == "held"])
def test_two_lists_are_hardly_ever_met_twice(workload):
    """Else a state that remembers answers is fast: nine calls of a hundred operations share one."""
    small = inputs.Workload("held", {**workload.spec, "n": 300})
    static, _ = _drawn(small, 9)
    rng = _rng(10)
    pairs = [tuple(inputs.each(rng, small.spec, static).values()) for _ in range(900)]
    assert len(set(pairs)) > 0.85 * len(pairs)


def test_integers_of_a_user_become_lists(monkeypatch):
    """What `draw` hands out for a file is in any order, with repeats."""
    drawn = lambda rng, n, below, dist: rng.integers(0, below, n).astype(np.uint32)  # noqa: E731
    monkeypatch.setattr(inputs.draw, "integers", drawn)
    for workload in inputs.data(20_000, 0):
        static, each = _drawn(workload, 6)
        lists = _named(workload, static, each)
        assert all((np.diff(ids.astype(np.int64)) > 0).all() for ids in lists.values())
        assert lists["a"].size == pytest.approx(20_000 / workload.spec["ratio"], rel=0.2)
        assert _run(reference, workload.op, each, static)["n"] > 0


def _broken(right, first):
    """Answers that are each wrong in one way."""
    n, ids = int(right["n"]), right["out"]
    short, stale, twice = right["n"] - 1, ids.copy(), ids.copy()
    stale[: n // 2] = first[: n // 2]
    twice[1] = twice[0]
    return {
        "a dropped tail": {"out": ids, "n": short},
        "off by one": {"out": np.roll(ids, 1), "n": right["n"]},
        "stale": {"out": stale, "n": right["n"]},
        "a tie that counts twice": {"out": twice, "n": right["n"]},
        "one too many": {"out": ids, "n": right["n"] + 1},
    }


@pytest.mark.parametrize("op", OPS)
def test_the_oracle_refuses_what_is_wrong(op):
    lists = {"two": 2, "three": 3, "held": inputs.FEW}[op]
    spec = {"lists": lists, "n": 400, "ratio": 2, "density": 0.1, "overlap": 0.5}
    workload = inputs.Workload(op, {**spec, "dist": "uniform"})
    static, each = _drawn(workload, 7)
    right = _run(reference, op, each, static)
    assert check(TARGET.ops[op], right, right, {}) is None
    for kind, got in _broken(right, _named(workload, static, each)["a"]).items():
        told = check(TARGET.ops[op], right, got, {})
        assert told and told.startswith(("out", "n")), kind


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: f"{p.library}-{p.what}-{p.op}")
def test_peers_agree(peer):
    pytest.importorskip(peer.library)
    for workload in (w for w in EVERY if w.op == peer.op):
        static, each = _drawn(workload, 8)
        right = _run(reference, workload.op, each, static)
        raw = peer.make(workload, static)(peer.given(workload, static, each))
        told = check(TARGET.ops[peer.op], right, peer.answer(raw, each), {})
        assert told is None, workload.label
