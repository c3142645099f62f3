"""The reference of rabitq against numpy, and its inputs against their declaration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack import roomy

from autoresearch.oracle import check, found
from targets.rabitq import inputs, kernels, peers, reference
from targets.rabitq.run_experiment import TARGET

SMALL = [w for w in inputs.BATTERY if w.spec["d"] <= 320]
SCAN = inputs._workload("scan", 1025, 128, 1, "normal")
SEARCH = inputs._workload("search", 1025, 128, 2, "normal")
TWINS = ("zero", "mostly_zero")  # many equal vectors: which of them are found is open


def _rng(seed=0):
    return np.random.default_rng(seed)


def _drawn(workload, seed=0):
    static = inputs.static(_rng(seed), workload.spec)
    return static, inputs.each(_rng(seed + 1), workload.spec, static)


def _run(module, workload, static, each):
    state = module.prepare(static["codes"], static["vectors"])
    if workload.op == "scan":
        out = {"products": roomy(np.full(len(static["codes"]), 7, np.uint32))}
        module.scan(state, each["planes"], out["products"])
        return out
    shape = (len(each["q"]), 10)
    out = {"ids": np.full(shape, 99, np.int64), "dists": np.full(shape, np.nan, np.float32)}
    module.search(state, module.scratch(state), each["q"], out["ids"], out["dists"])
    return out


def _bits(words):
    return np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").astype(np.int64)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 90), st.integers(1, 5), st.integers(0, 1 << 32))
def test_scan_is_the_definition(n, w, seed):
    codes, planes = (_rng(seed).integers(0, 1 << 64, (m, w), np.uint64) for m in (n, 4))
    static = {"codes": codes, "vectors": np.zeros((0, 64 * w), np.float32)}
    got = _run(reference, SCAN, static, {"planes": planes})["products"]
    levels = (1 << np.arange(4)) @ _bits(planes)
    assert np.array_equal(got, _bits(codes) @ levels)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 200),
    st.integers(1, 130),
    st.integers(1, 3),
    st.sampled_from(inputs.SPREAD),
    st.integers(0, 1 << 32),
)
def test_search_among_few_vectors_is_exact(n, d, nq, dist, seed):
    """With no more vectors than are reranked, the estimates do not matter."""
    workload = inputs._workload("search", n, d, nq, dist)
    static, each = _drawn(workload, seed)
    got, truth = _run(reference, workload, static, each), inputs.truth(workload, static)(each)
    gaps = each["q"][:, None].astype(np.float64) - static["vectors"]
    best = np.sort(np.pad((gaps**2).sum(-1), ((0, 0), (0, 10)), constant_values=np.inf), axis=1)
    slack = 1e-5 * (np.square(each["q"]).sum() + np.square(static["vectors"]).sum())
    assert np.allclose(got["dists"], best[:, :10], rtol=1e-5, atol=slack)
    assert check(TARGET.ops["search"], got, got, truth) is None
    assert np.array_equal(got["ids"] >= 0, truth["ids"] >= 0)


def _estimates(q, static):
    """The estimate of |q - o|^2 from the paper's formula, with the codes as vectors of +-1."""
    low, step = q.min(), (q.max() - q.min()) / 15
    rounded = low + step * np.floor((q - low) / step + 0.5)
    signs, o = 2 * _bits(static["codes"]) - 1, static["vectors"].astype(np.float64)
    root = np.sqrt(q.size)
    unit = o / np.linalg.norm(o, axis=1, keepdims=True)
    aligned = (signs / root * unit).sum(1)
    cosine = signs @ rounded / root / aligned
    return (o * o).sum(1) + q @ q - 2 * np.linalg.norm(o, axis=1) * cosine


def test_search_reranks_the_best_estimates():
    static, each = _drawn(SEARCH)
    got = _run(reference, SEARCH, static, each)
    for row, q in enumerate(each["q"].astype(np.float64)):
        kept = np.argsort(_estimates(q, static))[: reference.KEPT]
        far = np.square(q - static["vectors"][kept]).sum(1)
        assert len(set(got["ids"][row]) & set(kept[np.argsort(far)[:10]])) >= 9


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.label)
def test_inputs_are_reproducible_and_as_declared(workload):
    (static, each), (again, other) = _drawn(workload), _drawn(workload)
    assert all(np.array_equal(static[name], again[name]) for name in static)
    assert all(np.array_equal(each[name], other[name]) for name in each)
    spec, codes, vectors = workload.spec, static["codes"], static["vectors"]
    w = -(-spec["d"] // 64)
    assert codes.dtype == each["planes"].dtype == np.uint64
    assert codes.shape == (spec["n"], w) and each["planes"].shape == (4, w)
    assert vectors.dtype == each["q"].dtype == np.float32
    assert vectors.shape == (spec["n"] * spec["vectors"], 64 * w)
    assert each["q"].shape == (spec["nq"], 64 * w)
    assert not spec["vectors"] or np.array_equal(_bits(codes), vectors >= 0)
    right, truth = _run(reference, workload, static, each), inputs.truth(workload, static)(each)
    got = _run(kernels, workload, static, each)
    assert check(TARGET.ops[workload.op], right, got, truth) is None
    if workload.op == "search" and spec["n"] > 9 and spec["dist"] not in TWINS:
        hits, real = found(truth["ids"], got["ids"])
        assert hits >= 0.8 * real > 0


def test_the_rotation_keeps_distances():
    static, _ = _drawn(inputs._workload("search", 9, 100, 1, "sparse"))
    rotation = static["rotation"]
    assert rotation.shape == (100, 128)
    assert np.allclose(rotation @ rotation.T, np.eye(100), atol=1e-5)


def test_more_codes_than_vectors_are_copies_with_flips():
    static, _ = _drawn(inputs._workload("scan", inputs.ENCODED + 500, 64, 1, "normal"))
    assert static["codes"].shape == (inputs.ENCODED + 500, 1)
    assert 0.4 < _bits(static["codes"]).mean() < 0.6


def test_zeros_give_the_largest_product():
    workload = inputs._workload("scan", 5, 576, 1, "zero")
    assert (_run(reference, workload, *_drawn(workload))["products"] == 15 * 576).all()


def test_workloads_cover_shapes_distributions_and_ops():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12 and max(s["n"] for s in specs) == 1_000_000
    assert {w.op for w in inputs.WORKLOADS} == {w.op for w in inputs.data(99, 3)}
    assert {w.op for w in inputs.WORKLOADS} == set(TARGET.ops)
    assert {s["d"] for s in specs} == {128, 256, 768} and len({s["dist"] for s in specs}) >= 3
    assert all(set(inputs.JITTER) < set(s) for s in specs)


def test_work_counts_what_is_read_and_written():
    done = inputs.work(inputs._workload("scan", 1000, 768, 1, "normal"))
    assert done.bytes == 1000 * 100 + 4 * 96 and done.fmas == 0
    assert inputs.work(SEARCH).fmas == 2 * 10 * 128


def _broken(op, right):
    """Answers that are each wrong in one way; the reference's are right."""
    if op == "scan":
        products = right["products"]
        tail, stale = products.copy(), products.copy()
        tail[-1], stale[512:] = 0, products[:513]
        kinds = {"a dropped tail": tail, "off by one": products + 1, "stale": stale}
        return {kind: {"products": wrong} for kind, wrong in kinds.items()}
    ids, dists = right["ids"], right["dists"]
    twice = ids.copy()
    twice[0, 1] = ids[0, 0]
    return {
        "a dropped tail": right | {"ids": np.where(np.arange(10) < 9, ids, -1)},
        "off by one": right | {"ids": ids + 1},
        "stale": right | {"dists": np.full_like(dists, np.nan)},
        "one twice": right | {"ids": twice},
        "estimates": right | {"dists": dists * np.float32(1.01)},
        "the wrong way round": {name: a[:, ::-1].copy() for name, a in right.items()},
    }


_NEAREST = {"ids": np.zeros((1, 10), int), "dists": np.zeros((1, 10), np.float32)}
KINDS = [("scan", k) for k in ("a dropped tail", "off by one", "stale")]
KINDS += [("search", kind) for kind in _broken("search", _NEAREST)]


@pytest.mark.parametrize(("op", "kind"), KINDS)
def test_the_oracle_refuses(op, kind):
    workload = SCAN if op == "scan" else SEARCH
    static, each = _drawn(workload)
    right, truth = _run(reference, workload, static, each), inputs.truth(workload, static)(each)
    assert check(TARGET.ops[op], right, right, truth) is None
    assert check(TARGET.ops[op], right, _broken(op, right)[kind], truth) is not None


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: f"{p.what}")
def test_peers_agree(peer):
    pytest.importorskip(peers.MODULES[peer.library])
    agreed, pooled = 0, np.zeros((2, 2))
    for workload in (*SMALL, inputs.WORKLOADS[4]):
        if workload.op != peer.op:
            continue
        static, each = _drawn(workload)
        try:
            raw = peer.make(workload, static)(peer.given(workload, static, each))
        except NotImplementedError:
            continue
        right, truth = _run(reference, workload, static, each), inputs.truth(workload, static)(each)
        got = peer.answer(raw, each)
        assert check(TARGET.ops[peer.op], right, got, truth) is None
        agreed += 1
        if peer.op == "search" and workload.spec["dist"] not in TWINS:
            pooled += [found(truth["ids"], answer["ids"]) for answer in (got, right)]
    assert agreed >= 5
    if peer.op == "search":
        recall, ours = pooled[:, 0] / pooled[:, 1]
        assert recall > 0.9 and abs(recall - ours) < 0.05
