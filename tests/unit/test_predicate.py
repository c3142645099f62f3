"""predicate: its reference against numpy, its inputs as declared, its peers in agreement."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack import roomy, roomy_all

from autoresearch.oracle import check
from targets.predicate import inputs, kernels, peers, reference
from targets.predicate.run_experiment import TARGET

EVERY = (*inputs.BATTERY, *inputs.WORKLOADS)
SEEN = tuple(w for w in EVERY if w.spec["n"] < 1 << 20)


def _rng(seed=0):
    return np.random.default_rng(seed)


def _drawn(workload, seed=0):
    static = inputs.static(_rng(seed), workload.spec)
    return static, inputs.each(_rng(seed + 1), workload.spec, static)


def _run(module, op, static, each):
    """The outputs as the harness holds them, poisoned before."""
    static, each = roomy_all(static), roomy_all(each)
    n = static["a"].size
    bits, valid = (roomy(np.full(-(-n // 8), 0xAA, np.uint8)) for _ in range(2))
    rows = roomy(np.full(n, 0xDEADBEEF, np.uint32))
    a, b, x, y = static["a"], static["b"], each["x"], each.get("y")
    if op == "select":
        return {"rows": rows, "n": np.array(module.filter_select(a, b, x, y, rows))}
    if op == "bitmap":
        module.filter_bitmap(a, b, x, y, bits)
    elif op == "nullable":
        nulls = static["valid_a"], static["valid_b"]
        module.filter_nullable(a, nulls[0], b, nulls[1], x, y, bits, valid)
        return {"bits": bits, "valid": valid}
    else:
        module.filter_either(a, static[peers.CODED[op]], x, each["listed"], bits)
    return {"bits": bits}


def _flags(bits, n):
    return np.unpackbits(bits, bitorder="little")[:n].astype(bool)


def _passed(op, static, each):
    """Which rows pass, and which results are known, from whole arrays; None stands for NULL."""
    n = static["a"].size
    first = static["a"] > each["x"]
    if op.startswith("either"):
        return first | np.isin(static[peers.CODED[op]], each["listed"]), np.ones(n, bool)
    second = static["b"] < each["y"]
    if op != "nullable":
        return first & second, np.ones(n, bool)
    known = [_flags(static[f"valid_{name}"], n) for name in "ab"]
    tests = [
        [bool(t) if k else None for t, k in zip(*pair, strict=True)]
        for pair in ((first, known[0]), (second, known[1]))
    ]
    both = [
        False if False in pair else None if None in pair else True
        for pair in zip(*tests, strict=True)
    ]
    return np.array([b is True for b in both], bool), np.array([b is not None for b in both], bool)


def _expected(op, static, each):
    passed, known = _passed(op, static, each)
    if op == "select":
        rows = np.flatnonzero(passed).astype(np.uint32)
        return {"rows": rows, "n": np.array(rows.size)}
    bits, valid = (np.packbits(flags, bitorder="little") for flags in (passed, known))
    return {"bits": bits, "valid": valid} if op == "nullable" else {"bits": bits}


_i32 = st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(-3, 3)
_f64 = st.floats() | st.sampled_from((0.0, -0.0, 1.0))


_table = st.lists(st.tuples(_i32, _f64, st.booleans(), st.booleans()), max_size=20)
_listed = st.lists(st.integers(0, 9), min_size=8, max_size=8)


@settings(max_examples=60)
@given(_table, _i32, _f64, _listed, st.sampled_from(inputs.OPS))
def test_the_reference_is_the_definition(table, x, y, listed, op):
    a, b, p, q = (list(column) for column in zip(*table, strict=True)) if table else ([],) * 4
    codes = np.arange(len(a)) % 12
    static = {
        "a": np.array(a, np.int32),
        "b": np.array(b, np.float64),
        "codes": codes.astype(np.uint32),
        "tags": codes.astype(np.uint8),
        "valid_a": np.packbits(np.array(p, bool), bitorder="little"),
        "valid_b": np.packbits(np.array(q, bool), bitorder="little"),
    }
    each = {"x": np.int32(x), "y": np.float64(y), "listed": np.array(listed, np.uint32)}
    if op == "either_u8":
        each["listed"] = each["listed"].astype(np.uint8)
    got = _run(reference, op, static, each)
    assert check(TARGET.ops[op], _expected(op, static, each), got, {}) is None


@pytest.mark.parametrize("workload", SEEN, ids=lambda w: w.label)
def test_inputs_are_as_declared_and_answered_right(workload):
    (static, each), (again, more) = _drawn(workload), _drawn(workload)
    op, n = TARGET.ops[workload.op], workload.spec["n"]
    assert set(static) == set(TARGET.static) and set(each) == set(op.each)
    assert all(
        np.array_equal(v, again[k], equal_nan=v.dtype.kind == "f") for k, v in static.items()
    )
    assert all(np.array_equal(v, more[k]) for k, v in each.items())
    declared = {"a": "i4", "b": "f8", "codes": "u4", "tags": "u1", "valid_a": "u1", "valid_b": "u1"}
    assert {name: a.dtype for name, a in static.items()} == declared
    assert each["x"].dtype == np.int32 and static["a"].size == n
    want = _expected(workload.op, static, each)
    for module in (reference, kernels):
        assert check(op, want, _run(module, workload.op, static, each), {}) is None


@pytest.mark.parametrize("workload", inputs.WORKLOADS, ids=lambda w: w.label)
def test_the_share_that_passes_is_the_one_asked_for(workload):
    static = inputs.static(_rng(), workload.spec | {"nulls": 0})
    found = []
    for seed in range(12):
        each = inputs.each(_rng(seed), workload.spec, static)
        passed, _ = _passed("bitmap" if "y" in each else workload.op, static, each)
        found.append(passed.mean())
    share = workload.spec["share"]
    assert np.mean(found) == pytest.approx(share, rel=0.4 if share < 0.01 else 0.1)


def test_the_battery_has_every_edge_and_workloads_cover_ops_and_shapes():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12
    assert {w.op for w in inputs.WORKLOADS} == {w.op for w in inputs.BATTERY} == set(TARGET.ops)
    assert {s["n"] for s in specs} == {1 << 16, 1 << 20}
    assert {s["share"] for s in specs} == {0.001, 0.1, 0.5, 0.99}
    assert {s["dist"] for s in specs} == {"uniform", "clustered", "sorted"}
    assert all(set(inputs.JITTER) < set(s) for s in specs)
    battery = [w.spec for w in inputs.BATTERY]
    assert {0, 1, 9, 63, 64} <= {s["n"] for s in battery}
    assert {0, 0.5, 1} <= {s["nulls"] for s in battery} and {0, 1} <= {s["share"] for s in battery}
    odd = inputs._doubles(_rng(), 300, "odd")
    assert np.isnan(odd).any() and np.isinf(odd).any() and np.signbit(odd[odd == 0]).any()
    assert np.isnan(inputs._doubles(_rng(), 9999, "uniform")).any()


def test_a_kernel_is_not_charged_for_what_it_may_skip():
    by_share = {
        w.spec["share"]: inputs.work(w).bytes / w.spec["n"]
        for w in inputs.BATTERY
        if w.op == "bitmap" and w.spec["n"] > 1000
    }
    assert by_share[0] == 4 + 1 / 8 and by_share[1] == 12 + 1 / 8
    assert all(inputs.work(w).bytes > 0 for w in EVERY)


def test_integers_of_a_user_become_columns(monkeypatch):
    drawn = lambda rng, n, below, dist: rng.integers(0, below, n).astype(np.uint32)  # noqa: E731
    monkeypatch.setattr(inputs.draw, "integers", drawn)
    for workload in inputs.data(5000, 0):
        static, each = _drawn(workload)
        passed, _ = _passed(workload.op, static, each)
        assert passed.size == 5000 and passed.mean() == pytest.approx(0.1, rel=0.3)


def _broken(right):
    """Outputs that are each wrong in one way."""
    for name, whole in right.items():
        if name == "n":
            yield "one too many", right | {"n": whole + 1}
            continue
        last = int(right["n"]) - 1 if name == "rows" else len(whole) - 1
        for kind, at in (("stale", slice(last // 2, last)), ("a dropped tail", slice(last, None))):
            wrong = whole.copy()
            wrong[at] = 0xAA
            yield kind, right | {name: wrong}
        yield "off by one", right | {name: np.roll(whole, 1)}
        if name != "rows":
            yield "a bit past the end", right | {name: whole | np.uint8(128) * (whole == whole[-1])}


@pytest.mark.parametrize("op", inputs.OPS)
def test_the_oracle_refuses_what_is_wrong(op):
    spec = {"op": op, "n": 1003, "share": 0.5, "dist": "uniform", "nulls": 0.2}
    static = inputs.static(_rng(), spec)
    each = inputs.each(_rng(1), spec, static)
    right = _run(reference, op, static, each)
    assert check(TARGET.ops[op], right, right, {}) is None
    broken = list(_broken(right))
    assert len(broken) >= 4
    for kind, got in broken:
        told = check(TARGET.ops[op], right, got, {})
        assert told and told.startswith(tuple(right)), kind


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: f"{p.library}-{p.op}")
def test_peers_agree(peer):
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    pytest.importorskip(peer.library)
    for workload in (w for w in SEEN if w.op == peer.op):
        static, each = _drawn(workload, 5)
        raw = peer.make(workload, static)(each)
        want = _expected(workload.op, static, each)
        told = check(TARGET.ops[peer.op], want, peer.answer(raw, each), {})
        assert told is None, workload.label
