"""posting-intersect: its reference against sets, its inputs as declared, its peers in agreement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.oracle import check
from targets.posting_intersect import inputs, kernels, peers, reference
from targets.posting_intersect.run_experiment import TARGET

EVERY = (*inputs.BATTERY, *inputs.WORKLOADS)
NAMES = {"two": "ab", "three": "abc"}


def _rng(seed=0):
    return np.random.default_rng(seed)


def _run(module, op, each, room=None):
    """The outputs as the harness holds them: poisoned, with room for the shortest list."""
    out = np.full(inputs.capacity({}, each)["out"] if room is None else room, 0xDEADBEEF, np.uint32)
    entry = module.intersect if op == "two" else module.intersect3
    n = entry(*[each[name] for name in NAMES[op]], out)
    return {"out": out, "n": np.array(n)}


_lists = st.one_of(
    st.lists(st.integers(0, 40), unique=True, max_size=30),
    st.lists(st.integers((1 << 32) - 30, (1 << 32) - 1), unique=True, max_size=20),
    st.lists(st.integers(0, (1 << 32) - 1), unique=True, max_size=9),
)


@settings(max_examples=60)
@given(_lists, _lists, _lists, st.sampled_from(("two", "three")))
def test_the_reference_is_the_intersection_of_sets(a, b, c, op):
    lists = dict(zip(NAMES[op], (a, b, c), strict=False))
    each = {name: np.array(sorted(ids), np.uint32) for name, ids in lists.items()}
    got = _run(reference, op, each)
    met = sorted(set.intersection(*map(set, lists.values())))
    assert got["n"] == len(met) and got["out"][: len(met)].tolist() == met


@pytest.mark.parametrize("workload", EVERY, ids=lambda w: w.label)
def test_inputs_are_reproducible_and_as_declared(workload):
    each, again = (inputs.each(_rng(3), workload.spec, {}) for _ in range(2))
    assert set(each) == set(TARGET.ops[workload.op].each) == set(NAMES[workload.op])
    for name, ids in each.items():
        assert ids.dtype == np.uint32 and np.array_equal(ids, again[name])
        assert (np.diff(ids.astype(np.int64)) > 0).all()
    if workload.spec["dist"] == "largest":
        assert max(int(ids[-1]) for ids in each.values()) == (1 << 32) - 1
    want, got = (_run(m, workload.op, each) for m in (reference, kernels))
    assert check(TARGET.ops[workload.op], want, got, {}) is None


def test_the_battery_has_every_edge():
    drawn = [(w, inputs.each(_rng(4), w.spec, {})) for w in inputs.BATTERY if w.op == "two"]
    counts = [_run(reference, "two", each)["n"] for _, each in drawn]
    lists = [(len(e["a"]), len(e["b"]), n) for (_, e), n in zip(drawn, counts, strict=True)]
    assert any(a == b == 0 for a, b, _ in lists) and any(not a < b for a, b, _ in lists)
    assert any(a == b == n > 100 for a, b, n in lists), "identical"
    assert any(n == 0 and a > 100 for a, b, n in lists), "disjoint"
    assert any(a == 1 and b > 1 for a, b, _ in lists), "one element"
    assert {w.spec["dist"] for w, _ in drawn} == set(inputs.GAPS)
    assert all(inputs.work(w).bytes > 0 for w, _ in drawn)


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
    each = inputs.each(_rng(5), spec, {})
    longest, shortest = each[NAMES[workload.op][-1]], each["a"]
    assert longest.size == pytest.approx(spec["n"], rel=0.02)
    assert shortest.size == pytest.approx(spec["n"] / spec["ratio"], rel=0.1)
    if spec["dist"] == "uniform":
        assert longest.size / float(longest[-1]) == pytest.approx(spec["density"], rel=0.05)
    found = int(_run(reference, workload.op, each)["n"])
    assert 0 < inputs.work(workload).bytes <= 1.3 * 4 * found * (spec["lists"] + 1)


def test_integers_of_a_user_become_lists(monkeypatch):
    """What `draw` hands out for a file is in any order, with repeats."""
    drawn = lambda rng, n, below, dist: rng.integers(0, below, n).astype(np.uint32)  # noqa: E731
    monkeypatch.setattr(inputs.draw, "integers", drawn)
    for workload in inputs.data(20_000, 0):
        each = inputs.each(_rng(6), workload.spec, {})
        assert all((np.diff(ids.astype(np.int64)) > 0).all() for ids in each.values())
        assert each["a"].size == pytest.approx(20_000 / workload.spec["ratio"], rel=0.2)
        assert _run(reference, workload.op, each)["n"] > 0


def _broken(right, each):
    """Answers that are each wrong in one way."""
    n, ids = int(right["n"]), right["out"]
    short, stale, twice = right["n"] - 1, ids.copy(), ids.copy()
    stale[: n // 2] = each["a"][: n // 2]
    twice[1] = twice[0]
    return {
        "a dropped tail": {"out": ids, "n": short},
        "off by one": {"out": np.roll(ids, 1), "n": right["n"]},
        "stale": {"out": stale, "n": right["n"]},
        "a tie that counts twice": {"out": twice, "n": right["n"]},
        "one too many": {"out": ids, "n": right["n"] + 1},
    }


@pytest.mark.parametrize("op", NAMES)
def test_the_oracle_refuses_what_is_wrong(op):
    spec = {"lists": len(NAMES[op]), "n": 400, "ratio": 2, "density": 0.1, "overlap": 0.5}
    each = inputs.each(_rng(7), {**spec, "dist": "uniform"}, {})
    right = _run(reference, op, each)
    assert check(TARGET.ops[op], right, right, {}) is None
    for kind, got in _broken(right, each).items():
        told = check(TARGET.ops[op], right, got, {})
        assert told and told.startswith(("out", "n")), kind


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: f"{p.library}-{p.what}-{p.op}")
def test_peers_agree(peer):
    pytest.importorskip(peer.library)
    for workload in (w for w in EVERY if w.op == peer.op):
        each = inputs.each(_rng(8), workload.spec, {})
        right = _run(reference, workload.op, each)
        raw = peer.make(workload, {})(peer.given(workload, {}, each))
        assert check(TARGET.ops[peer.op], right, peer.answer(raw, each), {}) is None, workload.label
