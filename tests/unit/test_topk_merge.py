"""The reference of topk-merge against a plain sort, and its inputs against their declaration."""

import heapq
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack import roomy

from autoresearch.oracle import check
from targets.topk_merge import inputs, kernels, peers, reference
from targets.topk_merge.run_experiment import TARGET

NOTHING = 0xFFFFFFFFFFFFFFFF
TIES = inputs._topk(7, 30, 20, 2, "ties", 1)


def _rng(seed=0):
    return np.random.default_rng(seed)


def _drawn(workload, seed=0):
    static = inputs.static(_rng(seed), workload.spec)
    return static, inputs.each(_rng(seed + 1), workload.spec, static)


def _run(module, workload, static, each):
    scratch, runs = (
        module.scratch(static["limits"]),
        (each["offsets"], roomy(each["scores"]), roomy(each["ids"])),
    )
    full = workload.op == "full"
    shape = each["scores"].shape if full else (each["nq"], each["k"])
    best, ids = (roomy(np.full(shape, *x)) for x in ((np.nan, np.float32), (7, np.uint64)))
    if full:
        module.merge_all(scratch, *runs, best, ids)
        return {"merged": best, "merged_ids": ids}
    module.merge_topk(scratch, each["runs"], *runs, best, ids)
    return {"best": best, "best_ids": ids}


def _lists(each):
    """Every run as Python pairs."""
    pairs = list(zip(each["scores"].tolist(), each["ids"].tolist(), strict=True))
    bounds = each["offsets"].tolist()
    return [pairs[a:b] for a, b in pairwise(bounds)]


def _by_hand(each, k):
    """The k least pairs of each query, by heapq.merge."""
    runs, out = _lists(each), []
    for q in range(each["nq"]):
        merged = list(heapq.merge(*runs[q * each["runs"] : (q + 1) * each["runs"]]))[:k]
        out.append(merged + [(np.inf, NOTHING)] * (k - len(merged)))
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(("topk", "full")),
    st.integers(0, 40),
    st.integers(0, 12),
    st.integers(1, 60),
    st.integers(1, 3),
    st.sampled_from(inputs.SPREAD),
    st.integers(0, 1),
    st.integers(0, 1 << 32),
)
def test_the_reference_is_the_definition(op, runs, length, k, nq, dist, ragged, seed):
    full = op == "full"
    make = inputs._full(runs, length, dist, ragged)
    workload = make if full else inputs._topk(runs, length, k, nq, dist, ragged)
    static, each = _drawn(workload, seed)
    got = _run(reference, workload, static, each)
    want = _by_hand(each, each["scores"].size if full else k)
    scores, ids = (a.reshape(len(want), -1) for a in got.values())
    assert [list(zip(*row, strict=True)) for row in zip(scores, ids, strict=True)] == want


@pytest.mark.parametrize("workload", inputs.BATTERY, ids=lambda w: w.label)
def test_inputs_are_reproducible_and_as_declared(workload):
    (static, each), (_, again) = _drawn(workload), _drawn(workload)
    assert all(np.array_equal(each[name], again[name]) for name in each)
    scores, ids, spec = each["scores"], each["ids"], workload.spec
    assert (scores.dtype, ids.dtype) == (np.float32, np.uint64)
    assert each["offsets"].dtype == np.int64 and each["offsets"][-1] == scores.size == ids.size
    assert each["offsets"].size == spec["runs"] * spec["nq"] + 1
    assert static["limits"][0] == each["offsets"].size - 1 and static["limits"][1] >= scores.size
    assert np.isfinite(scores).all() and not np.signbit(scores[scores == 0]).any()
    assert all(run == sorted(run) and len(run) <= spec["length"] for run in _lists(each))
    assert set(inputs.capacity(spec, each).values()) == {scores.size}
    right = _run(reference, workload, static, each)
    assert check(TARGET.ops[workload.op], right, _run(kernels, workload, static, each), {}) is None


def test_ties_cross_runs_and_workloads_cover_shapes_and_ops():
    _, each = _drawn(TIES)
    assert np.unique(each["scores"]).size < each["scores"].size / 2
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12
    assert {w.op for w in inputs.WORKLOADS} == set(TARGET.ops)
    assert {s["nq"] for s in specs} == {1, 64} and {8, 1024} < {s["runs"] for s in specs}
    assert {20, 1000} < {s["k"] for s in specs} and len({s["dist"] for s in specs}) >= 3
    assert all(set(inputs.JITTER) <= set(s) for s in specs)


def test_work_counts_what_is_read_and_written():
    done = inputs.work(inputs._full(8, 100))
    assert done.bytes == 24 * 800 + 64 and done.units == 800
    assert inputs.work(inputs._topk(32, 20, 20, 64)).units == 64 * 20


def _broken(right):
    """Answers that are each wrong in one way; the reference's are right."""
    scores, ids = right.values()
    tail = [a.copy() for a in (scores, ids)]
    tail[0].flat[-1], tail[1].flat[-1] = np.inf, NOTHING
    off = [np.roll(a, 1, axis=-1) for a in (scores, ids)]
    tied = np.flatnonzero(np.diff(scores.ravel()) == 0)[:1]
    wrong = ids.copy()
    wrong.flat[tied], wrong.flat[tied + 1] = ids.flat[tied + 1], ids.flat[tied]
    stale = ids.copy()
    stale.flat[ids.size // 2] = 7
    kinds = {
        "a dropped tail": tail,
        "off by one": off,
        "the wrong tie": (scores, wrong),
        "stale": (scores, stale),
        "ids through floats": (scores, ids.astype(np.float32).astype(np.uint64)),
    }
    return {kind: dict(zip(right, arrays, strict=True)) for kind, arrays in kinds.items()}


KINDS = _broken({"best": np.zeros((2, 9), np.float32), "ids": np.zeros((2, 9), np.uint64)})


@pytest.mark.parametrize("op", TARGET.ops)
@pytest.mark.parametrize("kind", KINDS)
def test_the_oracle_refuses(op, kind):
    workload = TIES if op == "topk" else inputs._full(7, 30, "ties", 1)
    static, each = _drawn(workload)
    right = _run(reference, workload, static, each)
    assert check(TARGET.ops[op], right, _broken(right)[kind], {}) is not None


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: f"{p.library}-{p.op}")
def test_peers_agree(peer):
    pytest.importorskip(peers.MODULES[peer.library])
    agreed = 0
    for workload in (*inputs.BATTERY, *inputs.WORKLOADS[:8]):
        static, each = _drawn(workload, 1)
        try:
            if workload.op != peer.op:
                continue
            raw = peer.make(workload, static)(peer.given(workload, static, each))
        except NotImplementedError:
            continue
        right = _run(reference, workload, static, each)
        assert check(TARGET.ops[peer.op], right, peer.answer(raw, each), {}) is None
        agreed += 1
    assert agreed >= 12
