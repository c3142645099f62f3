"""Flat indexes against numpy and faiss: the same neighbours up to exact ties, and every refusal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.errors import Refusal
from autoresearch.index import IndexFlatIP, IndexFlatL2
from autoresearch.index import flat as module

BOTH = [IndexFlatL2, IndexFlatIP]


def drawn(seed, n, d):
    """Small whole numbers: distances are exact, and there are ties."""
    return np.random.default_rng(seed).integers(-3, 4, (n, d)).astype(np.float32)


def truth(kind, q, x):
    """Scores f64[nq, n], the nearer the less."""
    q, x = q.astype(np.float64), x.astype(np.float64)
    return ((q[:, None] - x) ** 2).sum(-1) if kind is IndexFlatL2 else -(q @ x.T)


def check(kind, q, x, k, scores, ids):
    """The k best scores in order, and every id at its own score."""
    sign = 1 if kind is IndexFlatL2 else -1
    true = truth(kind, q, x)
    have = min(k, len(x))
    assert scores.shape == ids.shape == (len(q), k)
    assert ids.dtype == np.int64 and scores.dtype == np.float32
    assert np.array_equal(sign * scores[:, :have], np.sort(true, 1)[:, :have])
    assert np.array_equal(np.take_along_axis(true, ids[:, :have], 1), sign * scores[:, :have])
    assert (ids[:, have:] == -1).all() and (sign * scores[:, have:] == np.inf).all()
    assert all(len(set(row[:have])) == have for row in ids.tolist())


@settings(max_examples=40)
@given(
    st.sampled_from(BOTH),
    st.integers(0, 9),
    st.integers(0, 70),
    st.integers(1, 20),
    st.integers(1, 12),
    st.integers(1, 2),
    st.integers(0, 9),
)
def test_against_numpy(kind, nq, n, d, k, threads, seed):
    q, x = drawn(seed, nq, d), drawn(seed + 100, n, d)
    index = kind(d)
    index.num_threads = threads
    for part in np.array_split(x, 3):
        index.add(part)
    assert index.ntotal == n
    check(kind, q, x, k, *index.search(q, k))


@settings(max_examples=20)
@given(
    st.sampled_from(BOTH),
    st.integers(1, 7),
    st.integers(0, 60),
    st.integers(1, 9),
    st.integers(-5, 30),
)
def test_ranges_against_numpy(kind, nq, n, d, radius):
    q, x = drawn(1, nq, d), drawn(2, n, d)
    index = kind(d)
    index.add(x)
    limits, scores, ids = index.range_search(q, radius)
    true = truth(kind, q, x)
    near = true < radius if kind is IndexFlatL2 else -true > radius
    assert limits.tolist() == [0, *np.cumsum(near.sum(1)).tolist()]
    for i in range(nq):
        own = slice(limits[i], limits[i + 1])
        assert ids[own].tolist() == np.flatnonzero(near[i]).tolist()
        assert np.allclose(np.abs(scores[own]), np.abs(true[i][near[i]]))


@pytest.mark.parametrize("kind", BOTH)
def test_against_faiss(kind):
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    x, q = (rng.standard_normal((n, 48)).astype(np.float32) for n in (3000, 70))
    ours, theirs = kind(48), getattr(faiss, kind.__name__)(48)
    for index in (ours, theirs):
        index.add(x)
    (mine, ids), (found, names) = ours.search(q, 20), theirs.search(q, 20)
    assert np.allclose(mine, found, rtol=1e-4, atol=1e-4)
    assert (ids == names).mean() > 0.999
    limits, _, rows = ours.range_search(q, 60.0 if kind is IndexFlatL2 else 12.0)
    their_limits, _, their_rows = theirs.range_search(q, 60.0 if kind is IndexFlatL2 else 12.0)
    assert np.abs(limits - their_limits.astype(np.int64)).max() <= 2
    assert len(set(rows) ^ set(their_rows)) <= 2


def test_chunks_and_the_matrix_agree(monkeypatch):
    q, x = drawn(1, 40, 8), drawn(2, 500, 8)
    index = IndexFlatIP(8)
    index.add(x)
    monkeypatch.setattr(module, "MATRIX", 4 * 40 * 30)
    found = {}
    for index.search_mode in module.MODES:
        found[index.search_mode] = index.search(q, 9)
        check(IndexFlatIP, q, x, 9, *found[index.search_mode])
    assert index._block(40)[1] < 500
    index.search_mode = "magic"
    with pytest.raises(Refusal, match="search_mode"):
        index.search(q, 9)


def test_many_queries_hold_no_matrix():
    index = IndexFlatIP(4)
    index.add(drawn(0, 100_000, 4))
    queries, columns = index._block(1_000_000)
    assert 4 * queries * columns <= module.MATRIX


@pytest.mark.parametrize("kind", BOTH)
def test_files_and_the_rest_of_the_names(kind, tmp_path):
    from autoresearch.index.files import load

    index = kind(6)
    index.add(drawn(0, 33, 6))
    index.save(tmp_path / "an.index")
    again = load(tmp_path / "an.index")
    assert type(again) is kind and again.ntotal == 33
    for one, other in zip(again.search(index.x[:5], 4), index.search(index.x[:5], 4), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(index.reconstruct(7), index.x[7])
    again.add(drawn(1, 2, 6))  # a mapped index can grow
    assert again.ntotal == 35
    index.reset()
    assert index.ntotal == 0 and index.is_trained
    assert (index.search(drawn(0, 2, 6), 3)[1] == -1).all()


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda i: i.add(np.zeros((2, 5), np.float32)), "shape"),
        (lambda i: i.add(np.zeros(4, np.float32)), "shape"),
        (lambda i: i.add(np.zeros((2, 4))), "float64"),
        (lambda i: i.add(np.array([[0, np.nan, 0, 0]], np.float32)), "Row 0"),
        (lambda i: i.search(np.array([[0, np.inf, 0, 0]], np.float32), 1), "Row 0 of q"),
        (lambda i: i.search(np.zeros((1, 4), np.float32), 0), "k is 0"),
        (lambda i: i.reconstruct(0), "no vector"),
        (lambda i: i.add_with_ids(np.zeros((1, 4), np.float32), [3]), "numbers its vectors"),
    ],
)
def test_refusals(kind, wrong, told):
    with pytest.raises(Refusal, match=told):
        wrong(kind(4))


@pytest.mark.parametrize("kind", [IndexFlatL2, IndexFlatIP])
def test_no_threads_are_refused(kind):
    with pytest.raises(Refusal, match="num_threads is 0"):
        kind(4).num_threads = 0


def test_no_components_are_refused():
    with pytest.raises(Refusal, match="number of components"):
        IndexFlatL2(0)


def test_one_vector_beyond_all_squares_hides_no_other():
    index, x = IndexFlatL2(8), np.repeat(np.arange(300, dtype=np.float32)[:, None], 8, 1)
    x[0] = np.finfo(np.float32).max
    index.add(x)
    dists, ids = index.search(np.full((2, 8), 10, np.float32), 3)
    assert dists.tolist() == [[0, 8, 8]] * 2 and set(ids[0]) == {9, 10, 11}


def test_vectors_beyond_all_squares_drive_nobody_out():
    """They wait among the first that are compared, and what was found with them stays."""
    rng, index = np.random.default_rng(335), IndexFlatL2(16)
    x = rng.standard_normal((170, 16), np.float32)
    x[[16, 145]] = np.finfo(np.float32).max
    index.add(x)
    q = rng.standard_normal((8, 16), np.float32)
    far = np.sort(((q[:, None] - x[np.arange(170) % 129 != 16]) ** 2).sum(2))[:, :20]
    assert np.allclose(index.search(q, 20)[0], far, rtol=1e-5)


def test_who_is_infinitely_far_is_not_found():
    index = IndexFlatL2(8)
    index.add(np.full((3, 8), np.finfo(np.float32).max, np.float32))
    dists, ids = index.search(np.zeros((2, 8), np.float32), 2)
    assert np.isinf(dists).all() and (ids == -1).all()
