"""The reference of ivf-flat against numpy, its inputs against their declaration, and faiss."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.oracle import check, found
from targets.ivf_flat import inputs, peers, reference
from targets.ivf_flat.run_experiment import TARGET

CAPPED = [w for w in inputs.WORKLOADS if w.op == "search_capped"]


def _rng(seed=0):
    return np.random.default_rng(seed)


def _drawn(workload, seed=0):
    static = inputs.static(_rng(seed), workload.spec)
    return static, inputs.each(_rng(seed + 1), workload.spec, static)


def _run(op, static, each):
    state = reference.prepare(*(static[name] for name in TARGET.static))
    shape = (len(each["q"]), 20)
    out = {"ids": np.full(shape, 99), "dists": np.full(shape, np.nan, np.float32)}
    given = (state, reference.scratch(state), each["q"], each["probes"])
    if op == "search":
        reference.search(*given, out["ids"], out["dists"])
    else:
        reference.search_capped(*given, each["max_codes"], out["ids"], out["dists"])
    return out


def _numpy(static, each, limit):
    """The sorted distances of each query, and the ids that it may return, in double precision."""
    offsets, ranges = static["offsets"], []
    for probes in each["probes"]:
        lists = [np.arange(offsets[p], offsets[p + 1]) for p in probes]
        ranges.append(np.concatenate(lists)[:limit])
    vectors = static["vectors"].astype(np.float64)
    far = [np.sort(((vectors[r] - q) ** 2).sum(1)) for r, q in zip(ranges, each["q"], strict=True)]
    return far, [static["rows"][r] for r in ranges]


@settings(max_examples=40)
@given(st.integers(1, 20), st.integers(1, 40), st.integers(0, 400), st.integers(1, 30), st.data())
def test_the_reference_is_the_definition(nq, d, n, nlist, data):
    nprobe, cap = data.draw(st.integers(1, nlist)), data.draw(st.integers(0, n))
    spec = {"nq": nq, "n": n, "d": d, "nlist": nlist, "nprobe": nprobe}
    workload = inputs.Workload("search", spec | {"max_codes": cap, "dist": "normal"})
    static, each = _drawn(workload, data.draw(st.integers(0, 1 << 32)))
    for op, limit in (("search", None), ("search_capped", cap or None)):
        got = _run(op, static, each)
        for i, (far, ids) in enumerate(zip(*_numpy(static, each, limit), strict=True)):
            best = np.append(far, np.full(20, np.inf))[:20]
            assert np.allclose(got["dists"][i], best, rtol=1e-5)
            real = got["ids"][i][np.isfinite(best)]
            assert len(set(real)) == len(real) and set(real) <= set(ids)
            assert (got["ids"][i][np.isinf(best)] == -1).all()


@pytest.mark.parametrize("workload", inputs.BATTERY, ids=lambda w: w.label)
def test_the_oracle_accepts_the_reference_and_the_inputs_are_as_declared(workload):
    static, each = _drawn(workload)
    again = _drawn(workload)
    assert all(np.array_equal(static[name], again[0][name]) for name in TARGET.static)
    assert all(np.array_equal(each[name], again[1][name]) for name in each)
    spec = workload.spec
    assert static["vectors"].shape == (spec["n"], spec["d"])
    assert static["vectors"].dtype == static["centroids"].dtype == np.float32
    assert np.array_equal(np.sort(static["rows"]), np.arange(spec["n"]))
    assert static["offsets"][0] == 0 and static["offsets"][-1] == spec["n"]
    assert (np.diff(static["offsets"]) >= 0).all()
    assert each["probes"].shape == (spec["nq"], spec["nprobe"])
    assert all(len(set(row)) == len(row) for row in each["probes"].tolist())
    expected = _run(workload.op, static, each)
    got = _run(workload.op, static, each)
    assert (
        check(TARGET.ops[workload.op], expected, got, inputs.truth(workload, static)(each)) is None
    )


def _dropped_tail(out, static, each):
    return _run("search", static, each | {"probes": each["probes"][:, :-1].copy()})


def _inner_ids(out, static, each):
    return out | {"ids": np.where(out["ids"] < 0, -1, np.argsort(static["rows"])[out["ids"]])}


def _stale(out, static, each):
    ids, dists = out["ids"].copy(), out["dists"].copy()
    ids[-1], dists[-1] = ids[0], dists[0]
    return {"ids": ids, "dists": dists}


def _twice(out, static, each):
    ids, dists = out["ids"].copy(), out["dists"].copy()
    ids[:, 1], dists[:, 1] = ids[:, 0], dists[:, 0]
    return {"ids": ids, "dists": dists}


def _unprobed(out, static, each):
    """All vectors searched, whatever the probes say."""
    nlist = len(static["centroids"])
    everything = np.tile(np.arange(nlist), (len(each["q"]), 1))
    return _run("search", static, each | {"probes": everything})


def _rounded(out, static, each):
    return out | {"dists": out["dists"].astype(np.float16).astype(np.float32)}


WRONG = (_dropped_tail, _inner_ids, _stale, _twice, _unprobed, _rounded)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_refused(wrong):
    workload = inputs._spec("search", 13, 700, 33, 20, 6, 0, "normal")
    static, each = _drawn(workload)
    expected = _run("search", static, each)
    truth = inputs.truth(workload, static)(each)
    assert check(TARGET.ops["search"], expected, wrong(expected, static, each), truth) is not None


@pytest.mark.parametrize("wrong", [_inner_ids, _stale, _twice, _unprobed, _rounded])
def test_a_lossy_answer_must_be_possible(wrong):
    workload = inputs._spec("search_capped", 13, 700, 33, 20, 6, 100, "normal")
    static, each = _drawn(workload)
    expected = _run("search_capped", static, each)
    truth = inputs.truth(workload, static)(each)
    assert (
        check(TARGET.ops["search_capped"], expected, wrong(expected, static, each), truth)
        is not None
    )


@pytest.mark.parametrize("workload", CAPPED, ids=lambda w: w.label)
def test_the_limit_costs_recall_but_not_most_of_it(workload):
    static = inputs.static(_rng(), workload.spec)
    truth, total = inputs.truth(workload, static), np.zeros(2)
    for seed in range(max(2, 64 // workload.spec["nq"])):
        each = inputs.each(_rng(seed), workload.spec, static)
        ids = truth(each)["ids"]
        whole = _run("search", static, each)["ids"]
        assert found(ids, whole) == (ids.size, ids.size)
        total += found(ids, _run("search_capped", static, each)["ids"])
    assert 0.6 < total[0] / total[1] < 0.99


def test_workloads_cover_shapes_distributions_and_ops():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12 and {w.op for w in inputs.WORKLOADS} == set(TARGET.ops)
    assert {s["nq"] for s in specs} >= {1, 64, 2048} and {s["d"] for s in specs} == {128, 768}
    assert len({s["dist"] for s in specs}) >= 3
    assert set(inputs.JITTER) < set(specs[0])
    assert all(set(w.spec) == set(specs[0]) for w in inputs.data(9000, 300))


def test_work_charges_a_lossy_search_for_its_answers_only():
    exact = inputs.work(inputs._spec("search", 2, 1000, 16, 10, 5, 0, "normal"))
    assert exact.fmas == 2 * 500 * 16 and exact.units == 1000
    assert exact.bytes == 2 * (4 * 16 + 8 * 5 + 240) + 4 * 16 * 500
    lossy = inputs.work(inputs._spec("search_capped", 2, 1000, 16, 10, 5, 100, "normal"))
    assert lossy.fmas == 2 * 20 * 16 and lossy.units == 200


@pytest.mark.parametrize("workload", inputs.BATTERY, ids=lambda w: w.label)
@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: p.op)
def test_peers_agree(peer, workload):
    pytest.importorskip("faiss")
    if peer.op != workload.op:
        return
    static, each = _drawn(workload)
    got = peer.answer(peer.make(workload, static)(each), each)
    expected, truth = _run(peer.op, static, each), inputs.truth(workload, static)(each)
    assert check(TARGET.ops[peer.op], expected, got, truth) is None
    if peer.op == "search_capped" and workload.spec["dist"] != "zero":  # the same prefix is read
        assert np.array_equal(got["ids"] >= 0, expected["ids"] >= 0)
        assert np.allclose(got["dists"], expected["dists"], rtol=1e-4)
