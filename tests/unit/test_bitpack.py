"""The reference of bitpack against plain integers, and its inputs against their declaration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack import roomy

from autoresearch import draw
from autoresearch.model import Workload
from autoresearch.oracle import check
from targets.bitpack import inputs, kernels, peers, reference
from targets.bitpack.run_experiment import TARGET

OPS = tuple(TARGET.ops)
ODD = {"layout": "decode", "width": 11, "n": 1000, "dist": "uniform"}


def _rng(seed=0):
    return np.random.default_rng(seed)


def _spec(op, width, n, dist="uniform"):
    return {"layout": op, "width": width, "n": n, "dist": dist}


def _run(module, op, each, n):
    out = roomy(np.full(n, 0xDEADBEEF, np.uint32))
    getattr(module, op)(each["width"], roomy(each["packed"]), out)
    return out


def _position(op, width, i):
    """Where the bits of value i begin, by the definition of either layout."""
    if op == "decode":
        return i * width
    block, place = divmod(i, 1024)
    group, lane = divmod(place % 128, 32)
    row = 8 * (0, 2, 1, 3)[group] + place // 128
    word = block * width * 32 + row * width // 32 * 32 + lane
    return 32 * word + row * width % 32


def _by_hand(op, width, packed, n):
    """Python integers: a value of `fastlanes` goes on in the word below, 32 words further."""
    words = packed.tolist()
    values = []
    for i in range(n):
        word, shift = divmod(_position(op, width, i), 32)
        after = word + (32 if op == "fastlanes" else 1)
        pair = words[word] | (words[after] << 32 if shift + width > 32 else 0)
        values.append(pair >> shift & (1 << width) - 1)
    return values


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(OPS), st.integers(1, 32), st.integers(0, 2100), st.integers(0))
def test_the_reference_is_the_definition(op, width, n, seed):
    packed = _rng(seed).integers(0, 1 << 32, -(-n // 1024) * 32 * width, np.uint32)
    got = _run(reference, op, {"width": width, "packed": packed}, n)
    assert got.tolist() == _by_hand(op, width, packed, n)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(OPS),
    st.integers(1, 32),
    st.integers(0, 2100),
    st.sampled_from(inputs.SPREAD),
    st.integers(0),
)
def test_what_was_packed_comes_back(op, width, n, dist, seed):
    each = inputs.each(_rng(seed), _spec(op, width, n, dist), {})
    values = draw.integers(_rng(seed), n, 1 << width, dist)
    assert np.array_equal(_run(reference, op, each, n), values)
    assert np.array_equal(peers.unpacked(Workload(op, _spec(op, width, n)), each), values)


@pytest.mark.parametrize("workload", inputs.BATTERY, ids=lambda w: w.label)
def test_inputs_are_reproducible_and_as_declared(workload):
    spec = workload.spec
    each, again = (inputs.each(_rng(5), spec, {}) for _ in range(2))
    packed, n, width = each["packed"], spec["n"], spec["width"]
    assert packed.dtype == np.uint32 and packed.flags.c_contiguous
    assert np.array_equal(packed, again["packed"]) and each["width"] == width
    words = -(-n * width // 32) if workload.op == "decode" else -(-n // 1024) * 32 * width
    assert packed.size == words
    assert inputs.capacity(spec, each) == {"out": n}
    assert np.array_equal(
        _run(kernels, workload.op, each, n), _run(reference, workload.op, each, n)
    )


def test_the_battery_has_every_width_and_workloads_cover_shapes_and_ops():
    assert {(w.op, w.spec["width"]) for w in inputs.BATTERY} >= {
        (op, width) for op in OPS for width in range(1, 33)
    }
    specs = [w.spec for w in inputs.WORKLOADS]
    assert 8 <= len(specs) <= 12
    assert {s["width"] for s in specs} == {1, 3, 7, 11, 17, 24}
    assert {s["n"] for s in specs} == {1 << 16, 1 << 20}
    assert all(set(inputs.JITTER) < set(s) for s in specs)
    assert {w.op for w in inputs.WORKLOADS} == {w.op for w in inputs.data(9, 0)} == set(OPS)


def test_work_counts_what_is_read_and_written():
    done = inputs.work(Workload("decode", _spec("decode", 7, 1 << 20)))
    assert done.bytes == 7 * (1 << 17) + 4 * (1 << 20) and done.units == 1 << 20


def _broken(values):
    """Answers that are each wrong in one way; the reference's are right."""
    tail, shifted, stale = values.copy(), np.roll(values, 1), values.copy()
    tail[-1] = 0xDEADBEEF
    stale[512:] = values[: len(values) - 512]
    return {"a dropped tail": tail, "off by one": shifted, "stale": stale}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("kind", _broken(np.zeros(1000, np.uint32)))
def test_the_oracle_refuses(op, kind):
    each = inputs.each(_rng(), ODD | {"layout": op}, {})
    right = _run(reference, op, each, 1000)
    assert check(TARGET.ops[op], {"out": right}, {"out": right.copy()}, {}) is None
    told = check(TARGET.ops[op], {"out": right}, {"out": _broken(right)[kind]}, {})
    assert told and told.startswith("out[")


MODULES = {"numpy": "numpy", "pyfastpfor": "pyfastpfor", "vortex-data": "vortex"}


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda p: f"{p.library}-{p.op}")
def test_peers_agree(peer):
    pytest.importorskip(MODULES[peer.library])
    agreed = 0
    for workload in (*inputs.BATTERY, *inputs.WORKLOADS):
        if workload.op != peer.op:
            continue
        each = inputs.each(_rng(2), workload.spec, {})
        try:
            call = peer.make(workload, {})
            raw = call(peer.given(workload, {}, each))
        except NotImplementedError:
            continue
        right = {"out": _run(reference, workload.op, each, workload.spec["n"])}
        assert check(TARGET.ops[peer.op], right, peer.answer(raw, each), {}) is None
        agreed += 1
    assert agreed >= 4
