"""IVFPQ against faiss with the same centres, centroids and codes; edges, files, and refusals."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.errors import Refusal
from autoresearch.index import (
    IndexIVFPQ,
    bounds,
    from_faiss,
    inverted,
    load,
    scan,
    tables,
    to_faiss,
)
from autoresearch.index.coded import Coded
from autoresearch.index.convert import packed, unpacked
from autoresearch.index.quantizer import Quantizer

D, M, NLIST = 12, 4, 13


def drawn(seed, n, d=D, far=0.0):
    rng = np.random.default_rng(seed)
    centres = 4 * np.random.default_rng(7).standard_normal((5, d))
    return (far + centres[rng.integers(0, 5, n)] + rng.standard_normal((n, d))).astype(np.float32)


def made(n, nbits=8, far=0.0, d=D, m=M, nlist=NLIST):
    index = IndexIVFPQ(d, nlist, m, nbits)
    index.train(drawn(0, max(n, 300), d, far))
    index.add(drawn(1, n, d, far))
    return index


@pytest.fixture(scope="module", params=[(8, 0.0), (8, 50.0), (5, 0.0), (1, 0.0)])
def twins(request):
    pytest.importorskip("faiss")
    nbits, far = request.param
    index = made(1500, nbits, far)
    return index, to_faiss(index), far


def truth(index, q, probes):
    """Distance f64[n] of q to every row by the codes, inf outside of the lists probed."""
    held = index.lists
    x = held.quantizer.decode(held.rows).astype(np.float64) + held.centres[held.labels]
    return np.where(np.isin(held.labels, probes), ((x - q) ** 2).sum(1), np.inf)


def check(index, theirs, q, k, most=0):
    """Distances as faiss's up to rounding, each id at its distance, none twice."""
    dists, ids = index.search(q, k)
    found, names = theirs.search(q, k)
    lists = theirs.quantizer.search(q, index.nprobe)[1] if len(q) else []
    assert dists.dtype == np.float32 and ids.dtype == np.int64
    assert np.array_equal(ids < 0, names < 0) and np.isinf(dists[ids < 0]).all()
    size = (q.astype(np.float64) ** 2).sum(1)
    have = ids >= 0
    apart = np.where(have, dists - np.where(have, found, 0), 0)
    assert (np.abs(apart) <= 1e-5 * (size[:, None] + np.where(have, found, 0))).all()
    for i in range(len(q)):
        own = ids[i][have[i]]
        true = truth(index, q[i], lists[i])
        by_name = dict(zip(index.lists.ids.tolist(), true.tolist(), strict=True))
        told = np.array([by_name[name] for name in own.tolist()])
        assert np.allclose(told, dists[i][have[i]], rtol=1e-4, atol=1e-5 * size[i])
        assert len(set(own.tolist())) == len(own) and (np.diff(dists[i][have[i]]) >= 0).all()


@settings(max_examples=25)
@given(
    st.integers(1, NLIST),
    st.integers(1, 200),
    st.integers(0, 9),
    st.integers(0, 99),
)
def test_against_faiss(twins, nprobe, k, nq, seed):
    index, theirs, far = twins
    index.nprobe = theirs.nprobe = nprobe
    check(index, theirs, drawn(seed, nq, far=far), k)


@settings(max_examples=20)
@given(st.integers(1, NLIST), st.integers(1, NLIST), st.integers(0, 99))
def test_limits_at_the_ends_of_lists(twins, nprobe, ends, seed):
    index, theirs, far = twins
    index.nprobe = theirs.nprobe = nprobe
    q = drawn(seed, 1, far=far)
    sizes = index.lists.sizes[theirs.quantizer.search(q, nprobe)[1][0]]
    index.max_codes = theirs.max_codes = int(max(1, sizes[:ends].sum()))
    try:
        check(index, theirs, q, 10)
    finally:
        index.max_codes = theirs.max_codes = 0


@settings(max_examples=15)
@given(st.integers(1, NLIST), st.integers(0, 4), st.floats(0.5, 200))
def test_ranges_against_faiss(twins, nprobe, nq, radius):
    index, theirs, far = twins
    index.nprobe = theirs.nprobe = nprobe
    q = drawn(5, nq, far=far)
    limits, dists, ids = index.range_search(q, radius)
    their_limits, found, names = theirs.range_search(q, radius)
    assert len(limits) == nq + 1 and limits[-1] == len(ids) == len(dists)
    for i, (a, b) in enumerate(pairwise(limits.tolist())):
        c, d = their_limits[i], their_limits[i + 1]
        ours = dict(zip(ids[a:b].tolist(), dists[a:b].tolist(), strict=True))
        other = dict(zip(names[c:d].tolist(), found[c:d].tolist(), strict=True))
        slack = 1e-5 * (float((q[i] ** 2).sum()) + radius)
        assert all(
            ours[name] == pytest.approx(other[name], abs=slack) for name in ours & other.keys()
        )
        assert all(
            abs({**ours, **other}[name] - radius) < slack for name in ours.keys() ^ other.keys()
        )


@pytest.mark.parametrize(("d", "m"), [(3, 1), (34, 17), (40, 5), (96, 96), (1030, 1030)])
@pytest.mark.parametrize("bounded", [True, False])
def test_slices_of_all_sizes(d, m, bounded, monkeypatch):
    """1,030 slices do not fit the sums of bytes; without bounds the plain loop serves all."""
    pytest.importorskip("faiss")
    index = made(500, d=d, m=m, nlist=5, nbits=8 if m < 1000 else 2)
    theirs = to_faiss(index)
    index.nprobe = theirs.nprobe = 3
    monkeypatch.setattr(bounds, "BOUNDED", bounded)
    check(index, theirs, drawn(3, 4, d), 20)


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 999))
def test_bounds_against_numpy(m, worth, seed):
    """On every processor, also where searching does without them."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, bounds.TOP + 1, (m, 256), np.uint8)
    blocks = rng.integers(0, 256, (2, m, 64), np.uint8)
    terms = rng.integers(-9, 10, 128).astype(np.float32)
    limit = np.float32(rng.integers(-5, 32 * m))
    sums = levels[np.arange(m)[:, None], blocks].sum(1)
    rows = terms[[tables.term_of.py_func(i) for i in range(128)]].reshape(2, 64)
    near = sums < np.clip(limit - rows * worth, 0, None)
    bits = bounds.near_rows(levels, blocks, terms, 0, limit, np.float32(worth))
    for told, wanted in zip(bits, near, strict=True):
        assert [told >> i & 1 for i in range(64)] == wanted.tolist()


@settings(max_examples=20)
@given(
    st.sampled_from([1, 3, 16, 64, bounds.MOST]),
    st.integers(0, 200),
    st.integers(1, 200),
    st.sampled_from([0.1, 30, 1e4, 1e9]),
    st.integers(0, 999),
)
def test_steps_against_numpy(m, begin, count, spread, seed):
    """Rounded down, at most so many as fit, and not one for rows that are not asked for."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, bounds.TOP + 1, (m, 256), np.uint8)
    blocks = rng.integers(0, 256, (8, m, 64), np.uint8)
    terms = (spread * rng.standard_normal(512)).astype(np.float32)
    steps, end = np.empty(512, np.uint16), begin + count
    least, size = bounds.fill_steps(levels, blocks, terms, begin, end, np.float32(1), steps)
    order = np.array([tables.term_of.py_func(i) for i in range(512)])
    rows = np.arange(begin, end)
    own, first = terms[order[rows]].astype(np.float64), begin // 64 * 64
    assert least == own.min() and size % 128 == 0 and first + size >= end
    some = levels[np.arange(m)[:, None], blocks].sum(1, dtype=np.int64).ravel()[rows]
    told, most = steps[order[rows] - first], bounds.NONE - 1 - bounds.TOP * m
    lost = some + np.minimum(own - least, most) - told
    assert (lost > -1e-6 * (1 + spread)).all() and (lost < 1 + 1e-6 * (1 + spread)).all()
    assert (np.delete(steps[:size], order[rows] - first) == bounds.NONE).all()


@given(st.integers(1, 8), st.integers(1, 300), st.integers(0, 65000), st.integers(0, 999))
def test_the_fewest_steps_against_numpy(blocks, k, spread, seed):
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, 1 + rng.integers(0, spread + 1), 128 * blocks).astype(np.uint16)
    steps[rng.random(steps.size) < 0.3] = bounds.NONE
    few = bounds.fewest(steps, steps.size, k)
    found = np.sort(steps[steps < bounds.NONE])
    if len(found) < k:
        assert few == bounds.NONE - 1
        return
    count = (found <= few).sum()
    assert count >= k
    assert count <= k + k // 8 or few == found[k - 1]


@settings(max_examples=40)
@given(
    st.sampled_from([1, 3, 16, 64]),
    st.integers(1, 2500),
    st.one_of(st.integers(1, 20), st.integers(1, 1000)),
    st.sampled_from(["random", "equal", "few", "far"]),
    st.integers(0, 999),
)
def test_found_are_the_nearest_to_the_bit(m, n, k, kind, seed):
    """Lists shorter and longer than k and than what is bounded first, rows that are alike, and
    terms of a range that no steps span."""
    rng = np.random.default_rng(seed)
    centroids, codes = rng.standard_normal((m, 256, 2)), rng.integers(0, 256, (n, m), np.uint8)
    if kind == "equal":
        codes[:] = codes[0]
    elif kind == "few":
        centroids = np.floor(centroids)
    elif kind == "far":
        centroids *= 10 ** rng.uniform(0, 3, (m, 256, 1))
    centres = rng.standard_normal((2, 2 * m)).astype(np.float32)
    cut = rng.integers(0, n + 1)
    held = Coded.empty(centres, centroids.astype(np.float32))
    held = held.of(codes, rng.permutation(n), np.array([0, cut, n, n]))
    q = centres[:1] + rng.standard_normal((3, 2 * m)).astype(np.float32)
    bases = ((q[:, None] - centres) ** 2).sum(2)
    for probes in ([0], [1], [2], [1, 0]):
        asked = np.tile(np.array(probes), (3, 1))
        near = np.hstack([bases, np.zeros((3, 1), np.float32)])[:, probes]
        ids, dists = np.empty((3, k), np.int64), np.empty((3, k), np.float32)
        scan.search(held.state, True, q, asked, near, ids, dists)
        size = int(held.sizes[probes].sum()) if probes != [2] else 0
        for i in range(3):
            places, every = np.empty(size, np.int64), np.empty(size, np.float32)
            scan.distances(held.state, q[i], asked[i], near[i], places, every)
            count = min(k, size)
            own = dict(zip(held.ids[places].tolist(), every.tolist(), strict=True))
            assert np.array_equal(dists[i, :count], np.sort(every)[:count])
            assert [own[name] for name in ids[i, :count].tolist()] == dists[i, :count].tolist()
            assert len(set(ids[i, :count].tolist())) == count
            assert (ids[i, count:] == -1).all() and np.isinf(dists[i, count:]).all()


@pytest.mark.parametrize("m", [1, 3, 16, 64])
def test_what_rounding_takes_hides_no_row(m):
    """One row has a step more than all others in each slice and is nearer by a hair: rounding took
    nearly nothing of it. It has as many steps as a row so near can have."""
    apart = 0.4 / m
    centroids = np.zeros((m, 256, 1), np.float32)
    centroids[:, 1:4, 0] = 62, 11 - apart, 11 + apart  # a step is 1
    codes = np.full((200, m), 2, np.uint8)
    codes[:9], codes[150] = 1, 3
    held = Coded.empty(np.zeros((1, m), np.float32), centroids)
    held = held.of(codes, np.arange(200), np.array([0, 200, 200]))
    terms = np.full_like(held.terms, 0.98)
    terms[tables.term_of.py_func(150)] = 0
    held = replace(held, terms=terms)
    q = np.full((1, m), -0.5, np.float32)
    ids, dists = np.empty((1, 1), np.int64), np.empty((1, 1), np.float32)
    scan.search(
        held.state, True, q, np.zeros((1, 1), np.int64), np.ones((1, 1), np.float32), ids, dists
    )
    assert ids[0, 0] == 150


def test_many_near_each_other_and_few_wanted():
    """Bounds let through what ties: the k-th distance occurs often."""
    index = IndexIVFPQ(2, 1, 2, 8)
    centroids = np.zeros((2, 256, 1), np.float32)
    centroids[:, :, 0] = np.arange(256) // 64
    index.place(np.zeros((1, 2), np.float32), centroids)
    grid = np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1).reshape(-1, 2)
    index.add(np.repeat(grid, 100, 0).astype(np.float32))
    dists, ids = index.search(np.float32([[0, 0]]), 250)
    assert dists[0].tolist() == [0] * 100 + [1] * 150
    assert sorted(ids[0, :100].tolist()) == list(range(100))


def test_recall_is_that_of_faiss():
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    x, q = (rng.standard_normal((n, 32)).astype(np.float32) for n in (12000, 100))
    ours, theirs = IndexIVFPQ(32, 16, 8), faiss.IndexIVFPQ(faiss.IndexFlatL2(32), 32, 16, 8, 8)
    true = ((q[:, None] - x) ** 2).sum(-1).argsort(1)[:, :10]

    def recall(index):
        index.train(x)
        index.add(x)
        index.nprobe = 16
        found = index.search(q, 10)[1]
        return np.mean([len(set(a) & set(b)) for a, b in zip(found, true, strict=True)]) / 10

    assert recall(ours) > recall(theirs) - 0.03


def test_encoding_finds_the_nearest_centroid():
    rng = np.random.default_rng(1)
    for K in (2, 16, 256):
        quantizer = Quantizer(rng.standard_normal((3, K, 5)).astype(np.float32))
        x = rng.standard_normal((70, 15)).astype(np.float32)
        gaps = ((x.reshape(70, 3, 1, 5) - quantizer.centroids) ** 2).sum(-1)
        codes = quantizer.encode(x, threads=2)
        assert np.array_equal(codes, gaps.argmin(-1))
        assert quantizer.decode(codes).shape == x.shape


@given(st.integers(1, 9), st.integers(1, 8), st.integers(0, 5), st.integers(0, 99))
def test_codes_of_few_bits_go_and_come_back(m, nbits, n, seed):
    codes = np.random.default_rng(seed).integers(0, 1 << nbits, (n, m), np.uint8)
    there = packed(codes, nbits)
    assert there.shape == (n, -(-m * nbits // 8))
    assert np.array_equal(unpacked(there, m, nbits), codes)


def test_there_and_back(twins):
    index, theirs, _ = twins
    back = from_faiss(theirs)
    for name in ("rows", "ids", "offsets", "centres", "centroids", "terms"):
        assert np.array_equal(getattr(back.lists, name), getattr(index.lists, name)), name
    assert (back.nprobe, back.M, back.nbits) == (theirs.nprobe, M, index.nbits)


def test_trained_by_faiss():
    faiss = pytest.importorskip("faiss")
    theirs = faiss.IndexIVFPQ(faiss.IndexFlatL2(D), D, 6, M, 6)
    assert not from_faiss(theirs).is_trained
    theirs.train(drawn(0, 3000))
    theirs.add_with_ids(drawn(1, 500), np.arange(500)[::-1].copy())
    theirs.nprobe = 4
    ours = from_faiss(theirs)
    check(ours, theirs, drawn(2, 9), 5)
    theirs.make_direct_map()
    own = int(ours.lists.ids[7])
    assert np.allclose(ours.reconstruct(own), theirs.reconstruct(own))
    theirs.set_direct_map_type(faiss.DirectMap.NoMap)
    more = drawn(3, 60)
    ours.add_with_ids(more, np.arange(60) + 10_000)
    theirs.add_with_ids(more, np.arange(60) + 10_000)
    assert (from_faiss(theirs).lists.rows == ours.lists.rows).mean() > 0.99


def test_no_twin():
    faiss = pytest.importorskip("faiss")
    whole = faiss.IndexIVFPQ(faiss.IndexFlatL2(D), D, 6, M, 8)
    whole.by_residual = False
    with pytest.raises(Refusal, match="by_residual"):
        from_faiss(whole)
    product = faiss.IndexIVFPQ(faiss.IndexFlatIP(D), D, 6, M, 8, faiss.METRIC_INNER_PRODUCT)
    with pytest.raises(Refusal, match="inner product"):
        from_faiss(product)


def test_ids_and_adding_go_on():
    index = made(300)
    index.nprobe = NLIST
    before = index.search(drawn(1, 4), 3)
    index.add_with_ids(drawn(9, 50) + 100, np.full(50, 7))
    assert index.ntotal == 350
    dists, ids = index.search(drawn(9, 2) + 100, 50)
    assert (ids == 7).all()
    for ours, then in zip(index.search(drawn(1, 4), 3), before, strict=True):
        assert np.array_equal(ours, then)
    index.reset()
    assert index.ntotal == 0 and index.is_trained
    dists, ids = index.search(drawn(1, 4), 3)
    assert (ids == -1).all() and np.isinf(dists).all()
    assert index.range_search(drawn(1, 2), 9.0)[0].tolist() == [0, 0, 0]
    index.add(drawn(1, 5))
    assert (index.search(drawn(1, 1), 9)[1][0] >= 0).sum() <= 5


def test_huge_batches_and_threads_change_nothing(monkeypatch):
    index = made(900)
    index.nprobe, q = 5, drawn(2, 64)
    whole = index.search(q, 7)
    monkeypatch.setattr(inverted, "CHUNK", 5 * 7)
    monkeypatch.setattr(index, "_route", None)
    index.num_threads = 3
    assert index._threads(64, 1.0) == 1
    monkeypatch.setattr(inverted, "WORTH_NS", 1)
    assert index._threads(64, 1.0) == 3
    index.add(drawn(9, 100) + 1000)  # packed by whichever thread searches first
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: index.search(q, 7), range(8)))
    for dists, ids in found:  # a query that is alone may be summed in another order
        assert np.array_equal(ids, whole[1])
        assert np.allclose(dists, whole[0], rtol=1e-5)


def test_the_same_seed_learns_the_same():
    one, other = made(400), made(400)
    assert np.array_equal(one.lists.centroids, other.lists.centroids)
    with pytest.raises(Refusal, match="reset"):
        one.train(drawn(0, 400))


def test_saved_and_loaded(tmp_path):
    index, q = made(300), drawn(3, 20)
    index.nprobe, index.max_codes = 3, 100
    index.save(tmp_path / "an.index")
    again = load(tmp_path / "an.index")
    assert (again.nprobe, again.max_codes, again.M, again.nbits) == (3, 100, M, 8)
    for ours, theirs in zip(again.search(q, 5), index.search(q, 5), strict=True):
        assert np.array_equal(ours, theirs)
    again.add(drawn(1, 10))
    assert again.ntotal == 310 and again.search(q, 2)[1].shape == (20, 2)


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda i, _: i.add(np.zeros((1, D), np.float32)), "trained"),
        (lambda i, _: i.search(np.zeros((1, D), np.float32), 1), "trained"),
        (lambda i, _: i.range_search(np.zeros((1, D), np.float32), 1), "trained"),
        (lambda i, _: i.save("never"), "trained"),
        (lambda i, _: i.train(np.zeros((20, D), np.float32)), "20 vectors cannot make 256"),
        (lambda i, _: i.place(np.zeros((4, D), np.float32), np.zeros((M, 256, 2))), "shape"),
        (lambda _, i: i.search(np.zeros((1, D + 1), np.float32), 1), "shape"),
        (lambda _, i: i.search(np.zeros((1, D), np.float32), 0), "k is 0"),
        (lambda _, i: i.add_with_ids(np.zeros((1, D), np.float32), [-1]), "negative"),
        (lambda _, i: i.reconstruct(10**6), "No vector"),
        (lambda *_: IndexIVFPQ(10, 4, 3), "does not divide"),
        (lambda *_: IndexIVFPQ(10, 4, 5, 9), "codes are bytes"),
        (lambda *_: IndexIVFPQ(10, 4, 0), "M is 0"),
    ],
)
def test_refusals(act, told):
    with pytest.raises(Refusal, match=told):
        act(IndexIVFPQ(D, 4, M), made(50, nlist=4))
