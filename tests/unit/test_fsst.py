"""FSST there and back: the encoder's codes decode to the original text, and to nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack import roomy

from autoresearch.oracle import check
from targets.fsst import inputs, kernels, peers, reference
from targets.fsst.run_experiment import TARGET

OP = TARGET.ops["decode"]
SPEC = {"dist": "urls", "n": 3000, "table": "same"}
POISON = 170


def _rng(seed=0):
    return np.random.default_rng(seed)


def _run(module, static, codes, n):
    out = roomy(np.full(n, POISON, np.uint8))
    count = module.decode(static["symbols"], static["lengths"], roomy(codes), out)
    return {"out": out, "n": count}


def _table(words):
    symbols, lengths = inputs._table(words)
    return {"symbols": symbols, "lengths": lengths}


def _by_hand(words, codes):
    text, rest = b"", iter(codes)
    for code in rest:
        text += bytes([next(rest)]) if code == 255 else words[code]
    return text


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_reference_and_numpy_are_the_definition(data):
    words = data.draw(st.lists(st.binary(min_size=1, max_size=8), max_size=255))
    token = st.binary(min_size=1, max_size=1).map(lambda byte: b"\xff" + byte)
    if words:
        token |= st.integers(0, len(words) - 1).map(lambda code: bytes([code]))
    codes = b"".join(data.draw(st.lists(token, max_size=60)))
    want, static = _by_hand(words, codes), _table(words)
    array = np.frombuffer(codes, np.uint8)
    got = _run(reference, static, array, len(want))
    assert got["n"] == len(want) and got["out"].tobytes() == want
    assert peers.text(static, {"codes": array}).tobytes() == want


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.text("abc/", max_size=40).map(str.encode)), st.data())
def test_what_was_encoded_comes_back(strings, data):
    """With a table trained on the text, on nothing, or on something else."""
    text = np.frombuffer(b"".join(strings), np.uint8)
    offsets = np.append(0, np.cumsum([len(s) for s in strings], dtype=np.int64))
    other = data.draw(st.binary(max_size=60))
    foreign = np.frombuffer(other, np.uint8)
    ends = np.array([0, len(other)])
    for words in ([], inputs._trained(offsets, text), inputs._trained(ends, foreign)):
        static = _table(words)
        codes, at = inputs._encoded(*static.values(), text, offsets)
        got = _run(reference, static, codes, text.size)
        assert got["n"] == text.size and np.array_equal(got["out"], text)
        for i, string in enumerate(strings):  # each is encoded on its own
            assert _by_hand(words, codes[at[i] : at[i + 1]].tobytes()) == string


@pytest.mark.parametrize("dist", ["urls", "logs", "english"])
def test_the_encoder_compresses_what_it_is_made_for(dist):
    static = inputs.static(_rng(), SPEC | {"dist": dist})
    assert static["text"].size > 2.4 * static["codes"].size
    assert np.count_nonzero(static["lengths"]) == 255


@pytest.mark.parametrize("workload", inputs.BATTERY, ids=lambda w: w.label)
def test_an_operation_is_text_of_the_pool_and_reproducible(workload):
    spec = workload.spec
    static, again = (inputs.static(_rng(), spec) for _ in range(2))
    assert all(np.array_equal(static[name], again[name]) for name in TARGET.static)
    assert static["symbols"].dtype == np.uint64 and static["lengths"].dtype == np.uint8
    assert static["symbols"].shape == static["lengths"].shape == (256,)
    assert static["lengths"][255] == static["symbols"][255] == 0
    each = inputs.each(_rng(7), spec, static)
    assert each["codes"].dtype == np.uint8 and each["codes"].ndim == 1
    assert np.array_equal(each["codes"], inputs.each(_rng(7), spec, static)["codes"])
    got = _run(kernels, static, each["codes"], spec["n"])
    assert got["n"] == spec["n"] == inputs.capacity(spec, each)["out"]
    assert np.array_equal(got["out"], _drawn(_rng(7), spec["n"], static))


def _drawn(rng, n, static):
    """The original text: the strings that `each` picks, one after the other."""
    sizes = np.diff(static["offsets"])
    picks = rng.integers(0, sizes.size, int(n / max(float(sizes.mean()), 0.5) * 1.2) + 40)
    text, at = static["text"].tobytes(), static["offsets"].tolist()
    return np.frombuffer(b"".join(text[at[i] : at[i + 1]] for i in picks)[:n], np.uint8)


def test_operations_differ():
    static = inputs.static(_rng(), SPEC)
    a, b = (inputs.each(_rng(seed), SPEC, static)["codes"] for seed in (1, 2))
    assert not np.array_equal(a, b)


def test_tables_come_from_where_the_spec_says():
    same, other, shuffled, none = (
        inputs.static(_rng(), SPEC | {"table": table})["lengths"]
        for table in ("same", "english", "shuffled", "none")
    )
    assert not none.any() and not np.array_equal(same, other)
    assert not np.array_equal(same, shuffled)
    assert np.array_equal(np.sort(same), np.sort(shuffled))
    assert np.all(np.diff((same[:255].astype(int) - 2) % 8) >= 0)


def test_workloads_cover_shapes_and_kinds():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12
    assert {s["n"] for s in specs} == {1 << 14, 1 << 16, 1 << 20}
    assert {s["dist"] for s in specs} >= {"urls", "logs", "english"}
    assert all(set(inputs.JITTER) < set(s) for s in specs)
    assert 2 <= len(inputs.data(1000, 0)) <= 4


def test_work_counts_every_byte_written_and_the_fewest_codes():
    done = inputs.work(inputs.WORKLOADS[0])
    assert done.units == 1 << 16 and done.bytes == (1 << 16) + (1 << 13)


@pytest.mark.parametrize("kind", ["a dropped tail", "a lost escape", "stale", "too short"])
def test_the_oracle_refuses(kind):
    static = inputs.static(_rng(), SPEC | {"dist": "mixed", "table": "english"})
    codes = inputs.each(_rng(), SPEC, static)["codes"]
    right = _run(reference, static, codes, 3000)
    wrong = {"out": right["out"].copy(), "n": right["n"]}
    if kind == "a dropped tail":
        wrong["out"][-1] = POISON
    elif kind == "a lost escape":
        wrong["out"][0] ^= 1
    elif kind == "stale":
        wrong["out"][1500:] = POISON
    else:
        wrong["n"] -= 1
    assert check(OP, right, {"out": right["out"].copy(), "n": right["n"]}, {}) is None
    assert check(OP, right, wrong, {}) is not None


def test_what_lies_behind_the_text_does_not_count():
    got = {"out": np.array([1, 2, 9], np.uint8), "n": 2}
    assert check(OP, {"out": np.array([1, 2, 7], np.uint8), "n": 2}, got, {}) is None


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: p.library)
def test_peers_agree(peer):
    pytest.importorskip({"vortex-data": "vortex"}.get(peer.library, peer.library))
    agreed = 0
    for workload in (*inputs.BATTERY[-14::2], *inputs.WORKLOADS):
        if workload.spec["n"] > 1 << 16:
            continue
        static = inputs.static(_rng(), workload.spec)
        each = inputs.each(_rng(2), workload.spec, static)
        try:
            call = peer.make(workload, static)
            raw = call(peer.given(workload, static, each))
        except NotImplementedError:
            continue
        right = _run(reference, static, each["codes"], workload.spec["n"])
        assert check(OP, right, peer.answer(raw, each), {}) is None, workload.label
        agreed += 1
    assert agreed >= 4
