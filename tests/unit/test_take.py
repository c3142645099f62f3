"""take: its reference against numpy and lists, its inputs as declared, its peers in agreement."""

import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack import roomy, roomy_all

from autoresearch import draw
from autoresearch.oracle import check
from targets.take import inputs, kernels, peers, reference
from targets.take.run_experiment import TARGET

EVERY = (*inputs.BATTERY, *inputs.WORKLOADS)
LARGE = 1 << 16  # entries: beyond, a source is drawn by the harness only
SEEN = tuple(w for w in EVERY if w.spec["source"] < LARGE)
OPS = tuple(TARGET.ops)


def _rng(seed=0):
    return np.random.default_rng(seed)


def _drawn(workload, seed=0):
    static = inputs.static(_rng(seed), workload.spec)
    return static, inputs.each(_rng(seed + 1), workload.spec, static)


def _poisoned(shape, dtype):
    return roomy(np.full(shape, 0xAA if dtype == np.uint8 else 7, dtype))


def _run(module, op, static, each):
    """The outputs as the harness holds them, poisoned before."""
    static, each = roomy_all(static), roomy_all(each)
    indices, n = each["indices"], len(each["indices"])
    if op == "utf8":
        out, ends = _poisoned(int(each["total"]), np.uint8), _poisoned(n + 1, np.int32)
        count = module.take_utf8(static["offsets"], static["text"], indices, ends, out)
        return {"out_offsets": ends, "out": out, "n": np.array(count)}
    source = static[peers.SOURCE[op]]
    out = _poisoned((n, *source.shape[1:]), source.dtype)
    if op == "nullable":
        valid = _poisoned(-(-n // 8), np.uint8)
        module.take_nullable(source, static["valid"], indices, out, valid)
        return {"out": out, "out_valid": valid}
    (module.take_rows if op == "rows" else module.take)(source, indices, out)
    return {"out": out}


def _texts(offsets, text):
    return [text[a:b].tobytes() for a, b in pairwise(offsets)]


def _expected(op, static, each):
    indices = each["indices"].astype(np.int64)
    if op == "utf8":
        texts = _texts(static["offsets"], static["text"])
        taken = [texts[i] for i in indices]
        ends = np.append(0, np.cumsum([len(t) for t in taken])).astype(np.int32)
        out = np.frombuffer(b"".join(taken), np.uint8)
        return {"out_offsets": ends, "out": out, "n": np.array(out.size)}
    out = static[peers.SOURCE[op]][indices]
    if op != "nullable":
        return {"out": out}
    known = np.unpackbits(static["valid"], bitorder="little")[indices].astype(bool)
    bits = np.packbits(known, bitorder="little")
    return {"out": np.where(known, out, 0), "out_valid": bits}


_row = st.tuples(
    st.integers(-(1 << 63), (1 << 63) - 1), st.floats(width=32), st.text(max_size=40), st.booleans()
)


@settings(max_examples=25)
@given(st.lists(_row, min_size=1, max_size=20), st.data())
def test_the_reference_is_the_definition(table, data):
    longs, reals, texts, known = zip(*table, strict=True)
    at = st.lists(st.integers(0, len(table) - 1), max_size=40)
    each = {"indices": np.array(data.draw(at), np.uint32)}
    encoded = [text.encode() for text in texts]
    static = {
        "words": (np.array(longs, np.int64) & 0xFFFFFFFF).astype(np.uint32),
        "longs": np.array(longs, np.int64),
        "valid": np.packbits(np.array(known), bitorder="little"),
        "rows": np.stack([np.array(reals, np.float32)] * 3, axis=1),
        "offsets": np.append(0, np.cumsum([len(t) for t in encoded])).astype(np.int32),
        "text": np.frombuffer(b"".join(encoded), np.uint8),
    }
    each["total"] = sum(len(encoded[i]) for i in each["indices"])
    for op in OPS:
        got = _run(reference, op, static, each)
        assert check(TARGET.ops[op], _expected(op, static, each), got, {}) is None
        if op == "utf8":
            taken = [t.decode() for t in _texts(got["out_offsets"], got["out"])]
            assert taken == [texts[i] for i in each["indices"]]


@pytest.mark.parametrize("workload", SEEN, ids=lambda w: w.label)
def test_inputs_are_as_declared_and_answered_right(workload):
    (static, each), (again, more) = _drawn(workload), _drawn(workload)
    op, spec = TARGET.ops[workload.op], workload.spec
    assert set(static) == set(TARGET.static) and set(each) == set(op.each)
    assert all(np.array_equal(value, again[name]) for name, value in static.items())
    assert all(np.array_equal(value, more[name]) for name, value in each.items())
    declared = {
        "words": "u4",
        "longs": "i8",
        "valid": "u1",
        "rows": "f4",
        "offsets": "i4",
        "text": "u1",
    }
    assert {name: array.dtype for name, array in static.items()} == declared
    indices = each["indices"]
    assert indices.dtype == np.uint32 and (indices < max(spec["source"], 1)).all()
    want = _expected(workload.op, static, each)
    for module in (reference, kernels):
        assert check(op, want, _run(module, workload.op, static, each), {}) is None
    room = inputs.capacity(spec, each)
    assert workload.op != "utf8" or room == {name: len(want[name]) for name in room}


def test_the_battery_has_every_edge_and_workloads_cover_ops_orders_and_sources():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12
    assert {w.op for w in inputs.WORKLOADS} == {w.op for w in inputs.BATTERY} == set(OPS)
    assert {s["dist"] for s in specs} == {"uniform", "sorted", "blocks"}
    assert {1 << 16, 1 << 24} <= {s["source"] for s in specs}
    assert all(set(inputs.JITTER) < set(s) for s in specs)
    battery = [w.spec for w in inputs.BATTERY]
    assert {s["dist"] for s in battery} >= set(inputs.DISTS)
    assert {0, 1} <= {s["source"] for s in battery} and {0, 1, 128} <= {s["width"] for s in battery}
    assert {s["text"] for s in battery} >= {"mixed", "empty", "english", "urls", "logs"}
    static = sum(_static_bytes(s) for s in specs)
    assert static < 300e6


def _static_bytes(spec):
    entry = {"words": 4, "rows": 512, "utf8": 64}.get(spec["op"], 8)
    return entry * spec["source"]


@pytest.mark.parametrize("spec", [w.spec for w in inputs.WORKLOADS if w.op == "utf8"], ids=str)
def test_a_large_source_holds_as_many_texts_and_work_is_not_charged_in_vain(spec):
    smaller = spec | {"source": min(spec["source"], 20_000)}
    static = inputs.static(_rng(), smaller)
    offsets, text = static["offsets"], static["text"]
    assert len(offsets) == smaller["source"] + 1 and offsets[-1] == text.size
    assert (np.diff(offsets) >= 0).all()
    assert text.size / smaller["source"] > inputs.LEAST[spec["text"]]
    drawn = draw.strings(_rng(), inputs.DRAWN, spec["text"])
    assert set(_texts(offsets, text)) <= set(_texts(*drawn))


@pytest.mark.parametrize("dist", ["uniform", "sorted", "blocks"])
def test_bytes_are_those_of_distinct_values(dist):
    workload = inputs.Workload("longs", inputs.WORKLOADS[3].spec | {"dist": dist})
    _, each = _drawn(workload)
    n, distinct = len(each["indices"]), len(np.unique(each["indices"]))
    assert inputs.work(workload).bytes <= 4 * n + 8 * n + 8 * distinct
    assert inputs.work(workload).bytes >= 0.9 * (4 * n + 8 * n + 8 * distinct)


def test_texts_of_a_user_become_a_source(monkeypatch):
    strings = draw.strings
    asked = []

    def drawn(rng, n, dist):
        asked.append((n, dist))
        return strings(rng, n, "english")

    monkeypatch.setattr(inputs.draw, "strings", drawn)
    for workload in inputs.data(3000, 0):
        static, each = _drawn(workload)
        got = _run(reference, "utf8", static, each)
        assert got["n"] == each["total"] and static["offsets"].size == 3001
    assert set(asked) == {(3000, "data")}


def _broken(right):
    """Outputs that are each wrong in one way."""
    for name, whole in right.items():
        if name == "n":
            yield "one too many", right | {"n": whole + 1}
            continue
        stale, tail = whole.copy(), whole.copy()
        stale[: len(whole) // 2] = whole[len(whole) - len(whole) // 2 :]
        tail[-1] = tail[-1] + 1
        yield "stale", right | {name: stale}
        yield "a dropped tail", right | {name: tail}
        yield "off by one", right | {name: np.roll(whole, 1, axis=0)}


@pytest.mark.parametrize("op", OPS)
def test_the_oracle_refuses_what_is_wrong(op):
    spec = {"op": op, "source": 900, "n": 4003, "dist": "uniform", "width": 8, "text": "urls"}
    static = inputs.static(_rng(), spec)
    each = inputs.each(_rng(1), spec, static)
    right = _run(reference, op, static, each)
    assert check(TARGET.ops[op], right, right, {}) is None
    for kind, got in _broken(right):
        told = check(TARGET.ops[op], right, got, {})
        assert told and told.startswith(tuple(right)), kind


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: f"{p.library}-{p.op}")
def test_peers_agree(peer):
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    pytest.importorskip(peer.library)
    agreed = 0
    for workload in (w for w in SEEN if w.op == peer.op):
        static, each = _drawn(workload, 5)
        try:
            call = peer.make(workload, static)
        except NotImplementedError:
            continue
        raw = call(peer.given(workload, static, each))
        want = _run(reference, workload.op, static, each)
        told = check(TARGET.ops[peer.op], want, peer.answer(raw, each), {})
        assert told is None, workload.label
        agreed += 1
    assert agreed >= 10
