"""The reference of fts-bm25 against the formula, and its inputs against their declaration."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.oracle import check
from targets.fts_bm25 import inputs, kernels, peers, reference
from targets.fts_bm25.run_experiment import TARGET

OP = TARGET.ops["search"]
SMALL = [w for w in inputs.BATTERY if w.spec["docs"] < 2000 and w.spec["length"] < 100]
ONE = inputs._workload(1025, 60, 3000, "natural")


def _rng(seed=0):
    return np.random.default_rng(seed)


def _drawn(workload, seed=0):
    static = inputs.static(_rng(seed), workload.spec)
    return static, inputs.each(_rng(seed + 1), workload.spec, static)


def _run(module, static, each):
    state = module.prepare(*(static[name] for name in TARGET.static))
    out = {"ids": np.full(10, 99, np.int64), "scores": np.full(10, np.nan, np.float32)}
    module.search(state, module.scratch(state), each["terms"], out["ids"], out["scores"])
    return out


def _texts(static):
    words, starts = peers.bags(static)
    return [words[a:b].tolist() for a, b in pairwise(starts)]


def _by_hand(texts, query):
    """The ten best scores from the documents' words, from the definition."""
    mean = max(sum(map(len, texts)) / max(len(texts), 1), 1)
    bags = [Counter(text) for text in texts]
    scores = np.zeros(len(texts))
    for t in query:
        df = sum(t in bag for bag in bags)
        idf = np.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
        for i, bag in enumerate(bags):
            length = 1.2 * (1 - 0.75 + 0.75 * len(texts[i]) / mean)
            scores[i] += 2.2 * idf * bag[t] / (bag[t] + length)
    scores[scores == 0] = -np.inf
    return -np.sort(-np.append(scores, np.full(10, -np.inf)))[:10]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 60),
    st.integers(1, 30),
    st.integers(1, 80),
    st.sampled_from(sorted(inputs.BURSTS)),
    st.sampled_from(("any", *inputs.KINDS)),
    st.integers(0, 1 << 32),
)
def test_the_reference_is_the_definition(docs, length, vocab, words, dist, seed):
    workload = inputs._workload(docs, length, vocab, dist, 5, words)
    static, each = _drawn(workload, seed)
    got = _run(reference, static, each)
    best = _by_hand(_texts(static), each["terms"].tolist())
    assert np.allclose(got["scores"], best, rtol=1e-5)
    truth = inputs.truth(workload, static)(each)
    assert check(OP, {"ids": got["ids"], "scores": best}, got, truth) is None


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.label)
def test_inputs_are_reproducible_and_as_declared(workload):
    (static, each), (again, other) = _drawn(workload), _drawn(workload)
    assert all(np.array_equal(static[name], again[name]) for name in TARGET.static)
    assert np.array_equal(each["terms"], other["terms"]) and each["terms"].dtype == np.uint32
    dtypes = {"u32": "uint32", "u16": "uint16", "i64": "int64", "u8": "uint8", "f32": "float32"}
    for name, text in TARGET.static.items():
        assert static[name].dtype == dtypes[text.split("[")[0]]
    offsets, docs, spec = static["offsets"], static["docs"], workload.spec
    assert offsets.shape == (spec["vocab"] + 1,) and offsets[0] == 0 and offsets[-1] == docs.size
    assert static["norms"].shape == (spec["docs"],) and (static["weights"] > 0).all()
    lengths = [len(text) for text in _texts(static)]
    assert lengths == inputs.LENGTHS[static["norms"]].tolist()
    rises = np.diff(docs.astype(np.int64)) > 0
    assert rises[np.setdiff1d(np.arange(rises.size), offsets - 1)].all()
    terms = each["terms"]
    assert np.unique(terms).size == terms.size <= spec["terms"]
    assert not terms.size or terms.max() < spec["vocab"]


def test_lengths_are_those_of_the_byte():
    table = inputs.LENGTHS
    assert table[:42].tolist() == [*range(41), 42] and (np.diff(table) > 0).all()
    assert table[[56, 64, 100, 255]].tolist() == [88, 152, 3096, 2013265944]


def test_workloads_cover_shapes_and_kinds():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12
    assert {s["docs"] for s in specs} == {20_000, 100_000, 300_000}
    assert {s["dist"] for s in specs} == set(inputs.KINDS)
    assert all(set(inputs.JITTER) < set(s) for s in specs)
    assert inputs.work(inputs.WORKLOADS[0]).units == 1


def test_kinds_ask_for_their_words():
    mean = {}
    for kind in inputs.KINDS:
        workload = inputs._workload(3000, 40, 3000, kind)
        static = inputs.static(_rng(), workload.spec)
        df = np.diff(static["offsets"])
        asked = [inputs.each(_rng(i), workload.spec, static)["terms"] for i in range(30)]
        assert all(2 <= len(terms) <= 5 for terms in asked)
        mean[kind] = df[np.concatenate(asked)].mean()
    assert mean["rare"] < mean["natural"] < mean["mixed"] < mean["heavy"]


def _broken(out):
    """Answers that are each wrong in one way; the reference's are right."""
    dropped = {"ids": np.roll(out["ids"], -1), "scores": np.roll(out["scores"], -1)}
    dropped["ids"][-1], dropped["scores"][-1] = -1, -np.inf
    twice = {name: a.copy() for name, a in out.items()}
    twice["ids"][1], twice["scores"][1] = out["ids"][0], out["scores"][0]
    rounded = out["scores"].astype(np.float16).astype(np.float32)
    return {
        "the best is dropped": dropped,
        "one twice": twice,
        "off by one": {**out, "ids": out["ids"] + 1},
        "the wrong way round": {name: a[::-1].copy() for name, a in out.items()},
        "half precision": {**out, "scores": rounded},
        "stale": {**out, "scores": np.full(10, np.nan, np.float32)},
    }


KINDS_OF_WRONG = _broken({"ids": np.arange(10), "scores": np.ones(10, np.float32)})


@pytest.mark.parametrize("kind", KINDS_OF_WRONG)
def test_the_oracle_refuses(kind):
    static, each = _drawn(ONE)
    right, truth = _run(reference, static, each), inputs.truth(ONE, static)(each)
    assert (right["ids"] >= 0).all()
    assert check(OP, right, _run(kernels, static, each), truth) is None
    assert check(OP, right, _broken(right)[kind], truth) is not None


def test_the_oracle_refuses_a_document_without_a_term():
    workload = inputs._workload(2, 6, 9, "any", 3)
    static, each = _drawn(workload)
    right, truth = _run(reference, static, each), inputs.truth(workload, static)(each)
    assert right["ids"][-1] == -1
    wrong = {name: a.copy() for name, a in right.items()}
    wrong["ids"][-1] = 0
    assert check(OP, right, wrong, truth) is not None


PEERS = [w for w in SMALL if w.spec["docs"] in (1, 9, 257, 513, 1025)]


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: p.library)
def test_peers_agree(peer):
    pytest.importorskip(peer.library)
    agreed = 0
    for workload in PEERS:
        static, each = _drawn(workload)
        try:
            raw = peer.make(workload, static)(peer.given(workload, static, each))
        except NotImplementedError:
            continue
        right, truth = _run(reference, static, each), inputs.truth(workload, static)(each)
        assert check(OP, right, peer.answer(raw, each), truth) is None
        agreed += 1
    assert agreed >= 8
