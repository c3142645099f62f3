"""The reference of dictionary against Python's own lists, and its inputs as declared."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack import roomy, roomy_all

from autoresearch.oracle import check
from targets.dictionary import inputs, kernels, peers, reference
from targets.dictionary.run_experiment import TARGET

SMALL = inputs.BATTERY[::3]
POISON = {np.dtype("i8"): -77, np.dtype("f8"): 3.25}


def _rng(seed=0):
    return np.random.default_rng(seed)


def _run(module, op, static, codes, size=None):
    """Outputs as the harness lays them out; `size` bytes of text, as much as the answer needs."""
    static, codes = roomy_all(static), roomy(codes)
    if op != "utf8":
        values = static["longs" if op == "i64" else "doubles"]
        out = roomy(np.full(codes.size, POISON[values.dtype], values.dtype))
        module.decode(values, codes, out)
        return {"out": out}
    lengths = np.diff(static["offsets"])[codes]
    out = roomy(np.full(int(lengths.sum()) if size is None else size, 170, np.uint8))
    ends = roomy(np.full(codes.size + 1, -9, np.int32))
    n = module.decode_utf8(static["offsets"], static["text"], codes, ends, out)
    return {"out_offsets": ends, "out": out, "n": n}


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([np.int64, np.float64]))
def test_the_reference_gives_the_value_of_each_code_bit_for_bit(data, dtype):
    bits = data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40))
    codes = data.draw(st.lists(st.integers(0, len(bits) - 1), max_size=80))
    values = np.array(bits, np.uint64).view(dtype)
    out = np.zeros(len(codes), dtype)
    reference.decode(values, np.array(codes, np.uint32), out)
    assert out.view(np.uint64).tolist() == [bits[code] for code in codes]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_reference_gives_the_string_of_each_code(data):
    words = [w.encode() for w in data.draw(st.lists(st.text(max_size=20), min_size=1))]
    codes = data.draw(st.lists(st.integers(0, len(words) - 1), max_size=60))
    offsets = np.append(0, np.cumsum([len(w) for w in words])).astype(np.int32)
    static = {"offsets": offsets, "text": np.frombuffer(b"".join(words), np.uint8)}
    got = _run(reference, "utf8", static, np.array(codes, np.uint32))
    ends = got["out_offsets"].tolist()
    assert got["n"] == ends[-1] == got["out"].size
    rows = [got["out"][a:b].tobytes() for a, b in pairwise(ends)]
    assert rows == [words[code] for code in codes]


@pytest.mark.parametrize("workload", inputs.BATTERY, ids=lambda w: w.label)
def test_inputs_are_reproducible_and_as_declared(workload):
    spec = workload.spec
    static, again = (inputs.static(_rng(), spec) for _ in range(2))
    assert list(static) == list(TARGET.static)
    assert all(static[name].tobytes() == again[name].tobytes() for name in static)
    assert [a.dtype for a in static.values()] == [np.int64, np.float64, np.int32, np.uint8]
    assert all(a.ndim == 1 and a.flags.c_contiguous for a in static.values())
    codes = inputs.each(_rng(5), spec, static)["codes"]
    assert codes.dtype == np.uint32 and codes.size == spec["n"]
    assert not codes.size or codes.max() < spec["k"]
    assert np.array_equal(codes, inputs.each(_rng(5), spec, static)["codes"])


@pytest.mark.parametrize("workload", inputs.BATTERY, ids=lambda w: w.label)
def test_the_dictionary_has_the_size_and_the_widths_of_its_spec(workload):
    spec = workload.spec
    static = inputs.static(_rng(), spec)
    sizes = {"i64": static["longs"].size, "f64": static["doubles"].size}
    assert sizes | {"utf8": static["offsets"].size - 1} == {
        op: spec["k"] if op == workload.op else 0 for op in TARGET.ops
    }
    lengths = np.diff(static["offsets"])
    assert static["offsets"][0] == 0 and static["offsets"][-1] == static["text"].size
    if lengths.size:
        least, most = inputs._range(spec)
        assert least <= lengths.min() <= lengths.max() <= most
    codes = inputs.each(_rng(5), spec, static)["codes"]
    got = _run(reference, workload.op, static, codes)
    capacity = inputs.capacity(spec, {"codes": codes})
    assert all(got[name].size <= size for name, size in capacity.items())
    assert set(capacity) == {name for name in got if name != "n"}


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.label)
def test_the_kernel_is_right(workload):
    static = inputs.static(_rng(), workload.spec)
    codes = inputs.each(_rng(1), workload.spec, static)["codes"]
    expected, got = (_run(m, workload.op, static, codes) for m in (reference, kernels))
    assert check(TARGET.ops[workload.op], expected, got, {}) is None


def test_workloads_cover_sizes_distributions_and_ops():
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12
    assert {w.op for w in inputs.WORKLOADS} == {w.op for w in inputs.BATTERY} == set(TARGET.ops)
    assert {s["k"] for s in specs} == {200, 5000, 200_000}
    assert {s["width"] for s in specs if s["type"] == "utf8"} == {10, 24}
    assert {s["dist"] for s in specs} == {"uniform", "skewed", "runs", "sorted", "few"}
    assert all(set(inputs.JITTER) < set(s) for s in specs)
    assert all(w.spec["n"] == 500 for w in inputs.data(500, 0))


def test_odd_doubles_are_among_the_values():
    doubles = inputs.static(_rng(), {"type": "f64", "k": 9})["doubles"]
    assert np.isnan(doubles[0]) and np.signbit(doubles[3]) and doubles[3] == 0


def test_work_counts_codes_rows_and_the_shortest_strings():
    done = {w.label: inputs.work(w) for w in inputs.WORKLOADS}
    longs, strings = done[inputs.WORKLOADS[0].label], done[inputs.WORKLOADS[-1].label]
    assert longs.bytes == (1 << 16) * 12 and longs.units == 1 << 16
    assert strings.bytes == (1 << 16) * (4 + 4 + 12)


def _wrong(right, kind):
    got = {name: np.copy(value) for name, value in right.items()}
    last = "out_offsets" if "n" in got and kind == "a dropped tail" else "out"
    if kind == "a dropped tail":
        got[last][-1] = 77
    elif kind == "off by one":
        got["out"] = np.roll(got["out"], 1)
    else:
        got["out"][got["out"].size // 2 :] = 77
    return got


@pytest.mark.parametrize("op", TARGET.ops)
@pytest.mark.parametrize("kind", ["a dropped tail", "off by one", "stale"])
def test_the_oracle_refuses(op, kind):
    spec = {"type": op, "k": 90, "n": 500, "dist": "uniform", "text": "urls", "width": 20}
    static = inputs.static(_rng(), spec)
    right = _run(reference, op, static, inputs.each(_rng(1), spec, static)["codes"])
    assert check(TARGET.ops[op], right, {k: np.copy(v) for k, v in right.items()}, {}) is None
    assert check(TARGET.ops[op], right, _wrong(right, kind), {}) is not None


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: f"{p.library}-{p.what}-{p.op}")
def test_peers_agree(peer):
    pytest.importorskip(peer.library)
    pytest.importorskip("pyarrow")
    agreed = 0
    for workload in (*inputs.BATTERY, *inputs.WORKLOADS):
        if workload.op != peer.op or workload.spec["k"] > 5000:
            continue
        static = inputs.static(_rng(), workload.spec)
        each = inputs.each(_rng(2), workload.spec, static)
        try:
            call = peer.make(workload, static)
            raw = call(peer.given(workload, static, each))
        except NotImplementedError:
            continue
        right = _run(reference, workload.op, static, each["codes"])
        assert check(TARGET.ops[peer.op], right, peer.answer(raw, each), {}) is None
        agreed += 1
    assert agreed >= 6
