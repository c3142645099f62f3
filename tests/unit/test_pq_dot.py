"""The reference of pq-dot against numpy, its inputs against their declaration, and peers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.oracle import check, topk
from targets.pq_dot import inputs, peers, reference
from targets.pq_dot.run_experiment import TARGET

SMALL = [w for w in inputs.BATTERY if w.spec["n"] <= 2051 and w.spec["m"] < 96]


def _rng(seed=0):
    return np.random.default_rng(seed)


def _drawn(workload, seed=0):
    static = inputs.static(_rng(seed), workload.spec)
    return static, inputs.each(_rng(seed + 1), workload.spec, static)


def _numpy(codebook, codes, q):
    """Table and distances in double precision, from the definition."""
    table = (q.reshape(len(codebook), 1, -1).astype(np.float64) * codebook).sum(-1)
    return table, 1 - table[np.arange(len(codebook)), codes].sum(-1)


def _run(op, static, q, k=10):
    codebook, codes = static["codebook"], static["codes"]
    state = reference.prepare(codebook, codes)
    if op == "search":
        out = {"ids": np.full(k, 99, np.int64), "dists": np.full(k, np.nan, np.float32)}
        reference.search(state, reference.scratch(state), q, out["ids"], out["dists"])
        return out
    table, out = np.full(codebook.shape[:2], np.nan), np.full(len(codes), np.nan)
    out = {"table": table.astype(np.float32), "out": out.astype(np.float32)}
    reference.distance_table(state, q, out["table"])
    reference.compute_distances(state, out["table"], out["out"])
    return out


@settings(max_examples=40)
@given(
    st.integers(1, 20), st.integers(1, 9), st.integers(1, 256), st.integers(0, 300), st.integers(0)
)
def test_the_reference_is_the_definition(m, ds, k, n, seed):
    spec = {"m": m, "ds": ds, "k": k, "n": n, "dist": "normal"}
    static, each = _drawn(inputs.Workload("search", spec), seed)
    table, far = _numpy(**static, q=each["q"])
    got = _run("distances", static, each["q"])
    assert np.allclose(got["table"], table, rtol=1e-5, atol=1e-5)
    assert np.allclose(got["out"], far, rtol=1e-5, atol=1e-5)
    found = _run("search", static, each["q"])
    best = np.sort(np.append(far, np.full(10, np.inf)))[:10]
    truth = inputs.truth(inputs.Workload("search", spec), static)(each)
    assert topk(best, found["ids"], found["dists"], n, truth["at"]) is None


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.label)
def test_the_oracle_accepts_the_definition(workload):
    """Double precision, rounded: so the scale covers the rounding of the reference."""
    static, each = _drawn(workload)
    truth = inputs.truth(workload, static)(each)
    expected = _run(workload.op, static, each["q"])
    table, far = _numpy(**static, q=each["q"])
    order = np.argsort(far, kind="stable")[:10]
    pad = (0, 10 - len(order))
    got = {
        "table": table.astype(np.float32),
        "out": far.astype(np.float32),
        "ids": np.pad(order, pad, constant_values=-1),
        "dists": np.pad(far[order], pad, constant_values=np.inf).astype(np.float32),
    }
    assert check(TARGET.ops[workload.op], expected, got, truth) is None


@pytest.mark.parametrize("spec", [w.spec for w in SMALL if w.op == "search"], ids=str)
def test_inputs_are_reproducible_and_as_declared(spec):
    workload = inputs.Workload("search", spec)
    (static, each), again = _drawn(workload), _drawn(workload)
    assert all(np.array_equal(static[name], again[0][name]) for name in TARGET.static)
    assert np.array_equal(each["q"], again[1]["q"])
    codebook, codes = static["codebook"], static["codes"]
    assert codebook.shape == (spec["m"], spec["k"], spec["ds"]) and codebook.dtype == np.float32
    assert codes.shape == (spec["n"], spec["m"]) and codes.dtype == np.uint8
    assert not codes.size or codes.max() < spec["k"]
    assert each["q"].shape == (spec["m"] * spec["ds"],) and each["q"].dtype == np.float32


def _dropped_slice(op, static, each):
    q = each["q"].copy()
    q[-static["codebook"].shape[2] :] = 0
    return _run(op, static, q)


def _off_by_one(op, static, each):
    return _run(op, {**static, "codes": np.roll(static["codes"], 1, axis=0)}, each["q"])


def _stale(op, static, each):
    return _run(op, static, each["q"][::-1].copy())


def _rounded(op, static, each):
    out = _run(op, static, each["q"])
    return {n: a if n == "ids" else a.astype(np.float16).astype(np.float32) for n, a in out.items()}


def _negated(op, static, each):
    """The largest distance first: the sign of the product forgotten."""
    return _run(op, static, -each["q"])


WRONG = (_dropped_slice, _off_by_one, _stale, _rounded, _negated)


@pytest.mark.parametrize("op", TARGET.ops)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_refused(wrong, op):
    spec = {"m": 16, "ds": 8, "k": 256, "n": 333, "dist": "normal"}
    workload = inputs.Workload(op, spec)
    static, each = _drawn(workload)
    expected, truth = _run(op, static, each["q"]), inputs.truth(workload, static)(each)
    assert check(TARGET.ops[op], expected, expected, truth) is None
    assert check(TARGET.ops[op], expected, wrong(op, static, each), truth) is not None


def test_the_scale_is_the_sum_of_the_terms():
    workload = inputs.Workload("distances", {"m": 3, "ds": 5, "k": 16, "n": 40, "dist": "normal"})
    static, each = _drawn(workload)
    scale = inputs.truth(workload, static)(each)["scale"]
    terms = np.abs(each["q"].reshape(3, 1, 5) * static["codebook"]).sum(-1)
    assert np.allclose(scale["table"], terms)
    assert np.allclose(scale["out"], 1 + terms[np.arange(3), static["codes"]].sum(-1))


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.label)
def test_peers_agree(workload):
    (peer,) = (p for p in peers.PEERS if p.op == workload.op)
    if peer.library == "faiss-cpu":
        pytest.importorskip("faiss")
    static, each = _drawn(workload)
    try:
        call = peer.make(workload, static)
    except NotImplementedError:
        return
    got = peer.answer(call(each), each)
    expected, truth = _run(peer.op, static, each["q"]), inputs.truth(workload, static)(each)
    assert check(TARGET.ops[peer.op], expected, got, truth) is None


def test_workloads_cover_shapes_distributions_and_ops():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12 and {w.op for w in inputs.WORKLOADS} == set(TARGET.ops)
    assert {(s["m"], s["ds"]) for s in specs} == {(16, 8), (16, 16), (96, 8)}
    assert len({s["dist"] for s in specs}) >= 3 and max(s["n"] for s in specs) == 1_000_000
    assert set(inputs.JITTER) < set(specs[0])
    for workload in inputs.data(9000, 300):
        assert set(workload.spec) == set(specs[0])
        assert workload.spec["m"] * workload.spec["ds"] == 300


def test_work_counts_what_is_read_and_written():
    done = {w.op: inputs.work(w) for w in inputs.WORKLOADS if w.spec["m"] == 96}
    assert done["search"].bytes == 20_000 * 96 + 4 * 96 * 256 * 8 + 4 * 768 + 120
    assert done["distances"].fmas == 96 * 256 * 8
