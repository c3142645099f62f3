"""The oracle accepts what is right, names what is wrong, never raises on what a kernel wrote."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autoresearch.model import Op
from autoresearch.oracle import TOLERANCE, check, close, exact, found, topk

ANY = hnp.arrays(
    np.float32, hnp.array_shapes(max_dims=2, max_side=40), elements=st.floats(width=32)
)
FINITE = st.floats(-1e6, 1e6, width=32)


def _flip(array, at):
    wrong = array.copy()
    wrong.reshape(-1).view(np.uint8)[at * array.itemsize] ^= 1
    return wrong


@given(ANY)
def test_exact_accepts_the_same_bits(a):
    assert exact(a, a.copy()) is None


@given(ANY, st.data())
def test_exact_names_the_first_differing_element(a, data):
    at = data.draw(st.integers(0, a.size - 1))
    where = ", ".join(map(str, np.unravel_index(at, a.shape)))
    assert exact(a, _flip(a, at)).startswith(f"[{where}] is ")


@pytest.mark.parametrize("dtype", ["u1", "i4", "u4", "i8", "f8", "?"])
def test_exact_knows_every_dtype(dtype):
    a = np.arange(7).astype(dtype)
    assert exact(a, a.copy()) is None
    assert exact(a, a[::-1]) is not None


def test_exact_tells_zeros_apart_and_shapes():
    assert exact(np.array([0.0]), np.array([-0.0])) == "[0] is -0, expected 0"
    assert exact(np.zeros(3), np.zeros(2)) == " is float64[2], expected float64[3]"
    assert exact(np.int64(3), np.int64(4)) == " is 4, expected 3"
    assert exact(np.zeros(0), np.zeros(0)) is None


@given(ANY)
def test_close_accepts_the_same_values_at_any_scale(a):
    for scale in (0.0, 1.0, np.inf, np.nan):
        assert close(a, a.copy(), scale) is None


@given(hnp.arrays(np.float64, st.integers(1, 60), elements=FINITE), st.data())
def test_close_draws_the_line_at_the_tolerance(a, data):
    scale = np.abs(a) + data.draw(st.floats(1e-3, 1e3))
    at = data.draw(st.integers(0, a.size - 1))
    for factor, right in ((0.9, True), (1.1, False)):
        got = a.copy()
        got[at] += factor * TOLERANCE * scale[at]
        told = close(a, got, scale)
        assert told is None if right else told.startswith(f"[{at}] is ")


@pytest.mark.parametrize(
    ("expected", "got", "scale", "right"),
    [
        (np.nan, np.nan, 1, True),
        (np.nan, 0.0, 1, False),
        (0.0, np.nan, 1, False),
        (np.inf, np.inf, 1, True),
        (np.inf, -np.inf, 1, False),
        (np.inf, 1.0, np.inf, False),
        (1.0, 2.0, np.inf, False),
        (1.0, 2.0, np.nan, False),
        (1e-30, 0.0, 1e-30, False),
        (3e38, -3e38, 1, False),
        (0.0, -0.0, 0, True),
    ],
)
def test_close_has_no_wildcards_and_no_absolute_term(expected, got, scale, right):
    a, b = np.float32([5, expected]), np.float32([5, got])
    assert (close(a, b, np.float32([1, scale])) is None) is right


def test_close_finds_an_error_beyond_the_first_block():
    a = np.zeros((300, 401), np.float32)
    b = a.copy()
    b[299, 400] = 1
    assert close(a, b, np.ones_like(a)) == "[299, 400] is 1, expected 0 within 1e-05"
    assert close(a, b, 1.0) == "[299, 400] is 1, expected 0 within 1e-05"


@given(ANY, ANY, ANY)
def test_comparisons_never_raise(a, b, scale):
    exact(a, b)
    close(a, b, scale if scale.shape == a.shape else 1.0)


def _ranking(all_dists, k):
    order = np.argsort(all_dists, kind="stable")[:k]
    ids, dists = np.full(k, -1, np.int64), np.full(k, np.inf, np.float32)
    ids[: order.size], dists[: order.size] = order, all_dists[order]
    return ids, dists


def _at(all_dists):
    return lambda ids: (all_dists.astype(np.float64)[ids], np.abs(all_dists[ids]) + 1.0)


DISTS = hnp.arrays(np.float32, st.integers(0, 30), elements=st.integers(0, 12).map(float))


@given(DISTS, st.integers(1, 12), st.randoms(use_true_random=False))
def test_topk_accepts_any_order_among_ties(all_dists, k, random):
    expected = _ranking(all_dists, k)[1]
    shuffle = list(range(all_dists.size))
    random.shuffle(shuffle)
    ids, dists = _ranking(all_dists[shuffle], k)
    ids = np.array([shuffle[i] if i >= 0 else -1 for i in ids], np.int64)
    assert topk(expected, ids, dists, all_dists.size, _at(all_dists)) is None


@given(DISTS, st.integers(1, 12), st.data())
def test_topk_refuses_any_single_change(all_dists, k, data):
    ids, dists = _ranking(all_dists, k)
    i = data.draw(st.integers(0, k - 1))
    bad_ids, bad_dists = ids.copy(), dists.copy()
    if data.draw(st.booleans()):
        choices = [-2, all_dists.size, 2**62] + [-1] * int(ids[i] != -1) + list(np.delete(ids, i))
        bad_ids[i] = data.draw(st.sampled_from([c for c in choices if c != ids[i]] or [-7]))
    else:
        bad_dists[i] = data.draw(st.sampled_from([np.nan, -np.inf, -1.0, 1e9, -0.5]))
    told = topk(dists, bad_ids, bad_dists, all_dists.size, _at(all_dists))
    assert told is not None and "expected" in told


def test_topk_refuses_a_lost_neighbour_and_a_wrong_order():
    all_dists = np.float32([1, 2, 2, 3])
    at, expected = _at(all_dists), np.float32([1, 2])
    assert "a better is lost" in topk(expected, np.array([1, 2]), np.float32([2, 2]), 4, at)
    told = topk(expected, np.array([1, 0]), np.float32([2, 1]), 4, at)
    assert told == "dists[0] is 2, expected 1: a better is lost"
    near = np.float32([1, 1 + 1e-6])
    told = topk(near, np.array([1, 0]), near[::-1], 2, _at(near))
    assert told.startswith("dists[1] is 1, expected no less than")


def test_topk_ranks_along_the_last_axis():
    all_dists = np.float32([[3, 1, 2], [1, 2, 3]])

    def at(ids):
        return np.take_along_axis(all_dists, ids, 1), np.ones(ids.shape)

    expected = np.float32([[1, 2], [1, 2]])
    assert topk(expected, np.array([[1, 2], [0, 1]]), expected, 3, at) is None
    told = topk(expected, np.array([[1, 2], [1, 1]]), expected, 3, at)
    assert told == "ids[1, 1] is 1, expected an id not returned before"


@given(
    hnp.arrays(np.int64, 10, elements=st.integers(-(2**63), 2**63 - 1)),
    hnp.arrays(np.float32, 10, elements=st.floats(width=32)),
)
def test_topk_never_raises(ids, dists):
    all_dists = np.arange(6, dtype=np.float32)
    assert topk(_ranking(all_dists, 10)[1], ids, dists, 6, _at(all_dists)) is not None


def test_topk_max_ranks_the_largest_first():
    scores = np.float32([3, 1, 2])

    def at(ids):
        return scores[ids], np.ones(ids.shape)

    expected = np.float32([3, 2, 1, -np.inf])
    assert topk(expected, np.array([0, 2, 1, -1]), expected, 3, at, -1) is None
    told = topk(expected, np.array([2, 0, 1, -1]), np.float32([2, 3, 1, -np.inf]), 3, at, -1)
    assert told == "dists[0] is 2, expected 3: a better is lost"
    told = topk(expected, np.array([0, 2, 1, -1]), np.float32([3, 2, 1, np.inf]), 3, at, -1)
    assert told == "dists[3] is inf, expected -inf, as fewer exist"


def test_recall_counts_what_was_found():
    assert found(np.array([[1, 2], [3, -1]]), np.array([[2, 9], [3, 3]])) == (2, 3)
    assert found(np.array([-1]), np.array([5])) == (0, 0)
    assert found(np.array([4, 5]), np.array([4, 6, 5])) == (1, 2)  # recall@2 sees two ids


SELECT = Op(("n = select(a, out)",), {"a": "u32[~]"}, {"out": "u32[~n]", "n": "count"})


def test_check_compares_counts_before_and_only_up_to_them():
    want = {"out": np.uint32([1, 2, 7]), "n": 2}
    assert check(SELECT, want, {"out": np.uint32([1, 2, 9]), "n": 2}, {}) is None
    assert (
        check(SELECT, want, {"out": np.uint32([1, 3, 7]), "n": 2}, {}) == "out[1] is 3, expected 2"
    )
    for n in (-1, 3, 2**62):
        assert check(SELECT, want, {"out": np.uint32([1, 2, 7]), "n": n}, {}) == (
            f"n is {n}, expected 2"
        )


def test_check_scales_floats_and_keeps_integers_exact():
    op = Op(("f(a, x, i)",), {"a": "f32"}, {"x": "f32[2]", "i": "i64[2]"}, "close")
    truth = {"scale": {"x": np.float32([1, 1])}}
    want = {"x": np.float32([1, 2]), "i": np.array([1, 2])}
    assert check(op, want, {"x": np.float32([1.000001, 2]), "i": np.array([1, 2])}, truth) is None
    assert check(op, want, {**want, "x": np.float32([1.1, 2])}, truth).startswith("x[0] is 1.1")
    assert check(op, want, {**want, "i": np.array([1, 3])}, truth) == "i[1] is 3, expected 2"


@settings(max_examples=20)
@given(DISTS)
def test_check_ranks_and_recalls(all_dists):
    ids, dists = _ranking(all_dists, 5)
    want = {"dists": dists, "ids": ids}
    truth = {"n": all_dists.size, "at": _at(all_dists)}
    for kind in ("topk", "recall"):
        op = Op(("f(q, ids, dists)",), {}, {"ids": "i64[5]", "dists": "f32[5]"}, kind)
        assert check(op, want, want, truth) is None
        assert check(op, want, {**want, "ids": ids - 99}, truth).startswith("ids[0] is ")
