"""The reference of pq-l2 against numpy, and its inputs against their declaration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack import roomy

from autoresearch.oracle import check, topk
from targets.pq_l2 import inputs, kernels, peers, reference
from targets.pq_l2.run_experiment import TARGET

SMALL = [w for w in inputs.BATTERY if w.spec["n"] <= 2051 and w.spec["m"] < 96]


def _rng(seed=0):
    return np.random.default_rng(seed)


def _numpy(codebook, codes, q):
    """Table and distances in double precision, from the definition."""
    gap = q.reshape(len(codebook), 1, -1).astype(np.float64) - codebook
    table = (gap**2).sum(-1)
    return table, table[np.arange(len(codebook)), codes].sum(-1)


def _run(module, op, static, q, k=10):
    codebook, codes = static["codebook"], static["codes"]
    state = module.prepare(codebook, codes)
    if op == "search":
        out = {"ids": np.full(k, 99, np.int64), "dists": np.full(k, np.nan, np.float32)}
        module.search(state, module.scratch(state), q, out["ids"], out["dists"])
    else:
        table, dists = np.full(codebook.shape[:2], np.nan), np.full(len(codes), np.nan)
        out = {"table": roomy(table.astype(np.float32)), "out": roomy(dists.astype(np.float32))}
        module.distance_table(state, q, out["table"])
        module.compute_distances(state, out["table"], out["out"])
    return out


@settings(max_examples=40)
@given(
    st.integers(1, 20), st.integers(1, 9), st.integers(1, 256), st.integers(0, 300), st.integers(0)
)
def test_the_reference_is_the_definition(m, ds, k, n, seed):
    spec = {"m": m, "ds": ds, "k": k, "n": n, "dist": "normal"}
    static = inputs.static(_rng(seed), spec)
    q = inputs.each(_rng(seed), spec, static)["q"]
    table, dists = _numpy(**static, q=q)
    got = _run(reference, "distances", static, q)
    assert np.allclose(got["table"], table, rtol=1e-5)
    assert np.allclose(got["out"], dists, rtol=1e-5)
    found = _run(reference, "search", static, q)
    best = np.sort(np.append(dists, np.full(10, np.inf)))[:10]
    assert np.allclose(found["dists"], best, rtol=1e-5)
    truth = inputs.truth(inputs.Workload("search", spec), static)({"q": q})
    assert topk(best, found["ids"], found["dists"], n, truth["at"]) is None


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.label)
def test_the_oracle_accepts_the_kernel_and_refuses_lost_precision(workload):
    static = inputs.static(_rng(), workload.spec)
    each = inputs.each(_rng(1), workload.spec, static)
    op, truth = TARGET.ops[workload.op], inputs.truth(workload, static)(each)
    expected = _run(reference, workload.op, static, each["q"])
    got = _run(kernels, workload.op, static, each["q"])
    assert check(op, expected, got, truth) is None
    if (
        workload.op == "distances"
        and workload.spec["n"] > 300
        and workload.spec["dist"] == "normal"
    ):
        half = {name: a.astype(np.float16).astype(np.float32) for name, a in got.items()}
        assert check(op, expected, half, truth) is not None


@pytest.mark.parametrize("spec", [w.spec for w in SMALL], ids=str)
def test_inputs_are_reproducible_and_as_declared(spec):
    static = inputs.static(_rng(), spec)
    again = inputs.static(_rng(), spec)
    assert all(np.array_equal(static[name], again[name]) for name in TARGET.static)
    codebook, codes = static["codebook"], static["codes"]
    assert codebook.shape == (spec["m"], spec["k"], spec["ds"]) and codebook.dtype == np.float32
    assert codes.shape == (spec["n"], spec["m"]) and codes.dtype == np.uint8
    assert not codes.size or codes.max() < spec["k"]
    q = inputs.each(_rng(5), spec, static)["q"]
    assert q.shape == (spec["m"] * spec["ds"],) and q.dtype == np.float32
    assert np.array_equal(q, inputs.each(_rng(5), spec, static)["q"])


def test_workloads_cover_shapes_distributions_and_ops():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12
    assert {w.op for w in inputs.WORKLOADS} == set(TARGET.ops)
    assert {(s["m"] * s["ds"], s["m"], s["k"]) for s in specs} == {
        (128, 16, 256),
        (256, 16, 256),
        (768, 96, 256),
    }
    assert len({s["dist"] for s in specs}) >= 3
    assert max(s["n"] for s in specs) == 1_000_000
    assert set(inputs.JITTER) < set(specs[0])


def test_work_counts_what_is_read_and_written():
    done = {w.op: inputs.work(w) for w in inputs.WORKLOADS if w.spec["m"] == 96}
    assert done["search"].bytes == 20_000 * 96 + 4 * 96 * 256 * 8 + 4 * 768 + 120
    assert done["distances"].fmas == 96 * 256 * 8


IMPORTS = {"faiss-cpu": "faiss", "numpy": "numpy"}


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: f"{p.library} {p.what}")
def test_peers_agree_with_the_reference(peer):
    pytest.importorskip(IMPORTS[peer.library])
    op, raced = TARGET.ops[peer.op], 0
    for workload in (w for w in inputs.BATTERY if w.op == peer.op):
        static = inputs.static(_rng(), workload.spec)
        truth = inputs.truth(workload, static)
        try:
            call = peer.make(workload, static)
        except NotImplementedError:
            assert workload.spec["k"] != 256
            continue
        for seed in (1, 2):
            each = inputs.each(_rng(seed), workload.spec, static)
            got = peer.answer(call(peer.given(workload, static, each)), each)
            expected = _run(reference, peer.op, static, each["q"])
            assert check(op, expected, got, truth(each)) is None, workload.label
        raced += 1
    assert raced >= 10
