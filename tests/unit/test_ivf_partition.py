"""The reference of ivf-partition against numpy, its inputs against their declaration, and peers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.oracle import check
from targets.ivf_partition import inputs, peers, reference
from targets.ivf_partition.run_experiment import TARGET

OP = TARGET.ops["select"]


def _rng(seed=0):
    return np.random.default_rng(seed)


def _drawn(workload, seed=0):
    static = inputs.static(_rng(seed), workload.spec)
    return static, inputs.each(_rng(seed + 1), workload.spec, static)


def _run(centroids, each):
    state = reference.prepare(centroids)
    shape = (len(each["q"]), each["nprobe"])
    out = {"ids": np.full(shape, 99), "dists": np.full(shape, np.nan, np.float32)}
    given = (each["q"], each["nprobe"], out["ids"], out["dists"])
    reference.select(state, reference.scratch(state), *given)
    return out


@settings(max_examples=60)
@given(
    st.integers(0, 20), st.integers(0, 200), st.integers(1, 60), st.integers(1, 40), st.integers(0)
)
def test_the_reference_is_the_definition(nq, nlist, d, nprobe, seed):
    workload = inputs._select(nq, nlist, d, nprobe, "normal")
    static, each = _drawn(workload, seed)
    got = _run(static["centroids"], each)
    gap = each["q"][:, None].astype(np.float64) - static["centroids"]
    far = np.pad((gap**2).sum(-1), ((0, 0), (0, nprobe)), constant_values=np.inf)
    best = np.sort(far, axis=1)[:, :nprobe]
    assert np.allclose(got["dists"], best, rtol=1e-5)
    assert np.array_equal(got["ids"] < 0, np.isinf(best))
    assert (
        check(OP, {"ids": got["ids"], "dists": best}, got, inputs.truth(workload, static)(each))
        is None
    )


@pytest.mark.parametrize("workload", inputs.BATTERY, ids=lambda w: w.label)
def test_the_oracle_accepts_the_reference_and_the_inputs_are_as_declared(workload):
    static, each = _drawn(workload)
    again = _drawn(workload)
    assert np.array_equal(static["centroids"], again[0]["centroids"])
    assert np.array_equal(each["q"], again[1]["q"])
    spec = workload.spec
    assert static["centroids"].shape == (spec["nlist"], spec["d"])
    assert each["q"].shape == (spec["nq"], spec["d"])
    assert static["centroids"].dtype == each["q"].dtype == np.float32
    expected = _run(static["centroids"], each)
    assert check(OP, expected, expected, inputs.truth(workload, static)(each)) is None


def _dropped_tail(out, centroids, each):
    return _run(centroids[: len(centroids) // 2].copy(), each)


def _off_by_one(out, centroids, each):
    return out | {"ids": (out["ids"] + 1) % len(centroids)}


def _stale(out, centroids, each):
    ids, dists = out["ids"].copy(), out["dists"].copy()
    ids[-1], dists[-1] = ids[0], dists[0]
    return {"ids": ids, "dists": dists}


def _twice(out, centroids, each):
    ids, dists = out["ids"].copy(), out["dists"].copy()
    ids[:, 1], dists[:, 1] = ids[:, 0], dists[:, 0]
    return {"ids": ids, "dists": dists}


def _backwards(out, centroids, each):
    return {name: array[:, ::-1] for name, array in out.items()}


def _rounded(out, centroids, each):
    return out | {"dists": out["dists"].astype(np.float16).astype(np.float32)}


def _without_the_query(out, centroids, each):
    """The ranking score in place of the distance."""
    return out | {"dists": out["dists"] - (each["q"] ** 2).sum(-1, keepdims=True)}


WRONG = (_dropped_tail, _off_by_one, _stale, _twice, _backwards, _rounded, _without_the_query)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_refused(wrong):
    workload = inputs._select(13, 200, 33, 10, "normal")
    static, each = _drawn(workload)
    expected = _run(static["centroids"], each)
    got = wrong(expected, static["centroids"], each)
    assert check(OP, expected, got, inputs.truth(workload, static)(each)) is not None


def test_near_ties_may_come_in_any_order():
    workload = inputs._select(2, 50, 17, 8, "zero")
    static, each = _drawn(workload)
    expected = _run(static["centroids"], each)
    other = {"ids": expected["ids"] + 30, "dists": expected["dists"]}
    assert check(OP, expected, other, inputs.truth(workload, static)(each)) is None


def test_workloads_cover_shapes_and_distributions():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12 and set(inputs.JITTER) < set(specs[0])
    assert {(s["nlist"], s["d"]) for s in specs} == {
        (n, d) for n in (1024, 4096) for d in (128, 768)
    }
    assert {1, 64} < {s["nq"] for s in specs} and len({s["dist"] for s in specs}) >= 3
    assert all(set(w.spec) == set(specs[0]) for w in inputs.data(9000, 300))


def test_work_is_every_centroid_once_and_every_distance():
    done = inputs.work(inputs._select(6, 100, 16, 5, "normal"))
    assert done.fmas == 6 * 100 * 16 and done.units == 600
    assert done.bytes == 4 * 1600 + 6 * (64 + 60)


@pytest.mark.parametrize("workload", inputs.BATTERY, ids=lambda w: w.label)
@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: p.what)
def test_peers_agree(peer, workload):
    if peer.library == "faiss-cpu":
        pytest.importorskip("faiss")
    static, each = _drawn(workload)
    try:
        call = peer.make(workload, static)
    except NotImplementedError:
        return
    got = peer.answer(call(each), each)
    expected = _run(static["centroids"], each)
    assert check(OP, expected, got, inputs.truth(workload, static)(each)) is None
