"""IVFFlat against faiss with the same centres, lists and limits; every edge, and every refusal."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.errors import Refusal
from autoresearch.index import (
    PROFILES,
    IndexIVFFlat,
    assign,
    engine,
    from_faiss,
    inverted,
    kmeans,
    load,
    to_faiss,
)
from autoresearch.index import ivfflat as module
from autoresearch.index.probing import limited

D = 6


@pytest.fixture(autouse=True, scope="module")
def threads_for_anything():
    """Work for which no thread would be woken is split all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inverted, "WORTH_NS", 1)
        yield


def drawn(seed, n, d=D):
    """Small whole numbers about a few centres: distances are exact, and there are ties."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(-20, 21, (5, d))
    return (centres[rng.integers(0, 5, n)] + rng.integers(-3, 4, (n, d))).astype(np.float32)


def made(n, nlist, ids=None, seed=0):
    index = IndexIVFFlat(D, nlist)
    index.place(kmeans(drawn(seed, max(n, 8 * nlist)), nlist))
    x = drawn(seed, n)
    index.add(x) if ids is None else index.add_with_ids(x, ids)
    return index, x


def same(ours, theirs, index, q):
    """Equal distances, and an id that differs is at an equal distance."""
    (dists, ids), (found, names) = ours, theirs
    assert np.array_equal(dists, np.where(names < 0, np.float32(np.inf), found))
    assert np.array_equal(ids < 0, names < 0)
    held = index.lists
    for i, j in zip(*np.nonzero(ids != names), strict=True):
        apart = ((held.vectors[held.ids == ids[i, j]] - q[i]) ** 2).sum(1)
        assert dists[i, j] in apart


@pytest.fixture(scope="module")
def twins():
    pytest.importorskip("faiss")
    index, _ = made(700, 13)
    return index, to_faiss(index)


@settings(max_examples=40)
@given(
    st.integers(1, 13),
    st.integers(1, 40),
    st.integers(0, 9),
    st.sampled_from(module.MODES),
    st.sampled_from(["exact", "speed"]),
    st.integers(1, 2),
    st.integers(0, 99),
)
def test_against_faiss(twins, nprobe, k, nq, mode, profile, threads, seed):
    index, theirs = twins
    index.nprobe = theirs.nprobe = nprobe
    index.search_mode, index.profile, index.num_threads = mode, profile, threads
    index.max_codes = theirs.max_codes = 0
    q = drawn(seed, nq)
    same(index.search(q, k), theirs.search(q, k), index, q)


@settings(max_examples=40)
@given(st.integers(1, 13), st.integers(1, 701), st.sampled_from([-1, 0, 1]), st.integers(0, 99))
def test_max_codes_against_faiss(twins, nprobe, most, by, seed):
    """faiss cuts the list that a limit falls into, here it is read to its end: at that end the two
    must agree."""
    index, theirs = twins
    index.nprobe = theirs.nprobe = nprobe
    index.profile, q = "exact", drawn(seed, 1)
    sizes = index.lists.sizes[theirs.quantizer.search(q, nprobe)[1][0]]
    ends = np.cumsum(sizes)
    limit = max(1, int(ends[min(most % nprobe, nprobe - 1)]) + by)
    read = ends[np.searchsorted(ends, limit)] if limit <= ends[-1] else ends[-1]
    index.max_codes, theirs.max_codes = limit, max(1, int(read))
    same(index.search(q, 10), theirs.search(q, 10), index, q)
    theirs.max_codes = index.max_codes = 0


def test_limits_at_the_end_of_a_list():
    """Three lists of four vectors: one more than the end of a list reads the next one."""
    index = IndexIVFFlat(1, 3)
    index.place(np.float32([[0], [10], [20]]))
    index.add(np.float32([[0], [1], [2], [3], [10], [11], [12], [13], [20], [21], [22], [23]]))
    index.nprobe, q = 3, np.float32([[0]])
    for most, read in ((1, 4), (3, 4), (4, 4), (5, 8), (7, 8), (8, 8), (9, 12), (12, 12), (99, 12)):
        index.max_codes = most
        dists, ids = index.search(q, 12)
        assert (ids >= 0).sum() == read, most
        assert np.isinf(dists[0, read:]).all()


@pytest.mark.parametrize("mode", module.MODES)
def test_a_limit_reads_the_same_lists_by_every_route(mode):
    """At the end of a list, one before and one after."""
    index, _ = made(900, 12)
    index.nprobe, index.search_mode, q = 12, mode, drawn(4, 70)
    held, order = index.lists, index._coarse.search(q, 12)[1]
    ends = held.sizes[order].cumsum(1)
    for most in {int(end) + by for end in ends[0, :3] for by in (-1, 0, 1)} - {0, -1}:
        index.max_codes = most
        dists, _ = index.search(q, 5)
        for i in range(len(q)):
            lists = order[i, : 1 + int((ends[i] < most).sum())]
            inside = np.isin(held.labels, lists)
            apart = np.sort(((held.vectors[inside] - q[i]) ** 2).sum(1))
            apart = np.append(apart, np.full(5, np.inf))[:5].astype(np.float32)
            assert np.array_equal(dists[i], apart), most


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 40), st.integers(0, 99))
def test_the_nearest_centre(n, d, count, seed):
    """Of equals the first, whatever the tile; pads never win."""
    centres, x = drawn(seed, n, d), drawn(seed + 1, count, d)
    gaps = ((x[:, None] - centres) ** 2).sum(2)
    assert engine.labels(x, centres).tolist() == gaps.argmin(1).tolist()
    dists, ids = engine.Centres(centres).search(x, 1)
    assert ids[:, 0].tolist() == gaps.argmin(1).tolist()
    assert np.array_equal(dists[:, 0], gaps.min(1))


def test_no_limit_reached_is_no_limit(twins):
    index, _ = twins
    index.nprobe, q = 5, drawn(3, 4)
    probes = index._read(q, index.lists, 1)
    assert np.array_equal(limited(index.lists, probes, 700).lists, probes.lists)
    free = index.search(q, 3)
    index.max_codes = 700
    assert all(map(np.array_equal, free, index.search(q, 3)))
    index.max_codes = 0


def test_pruning_reads_less_and_finds_the_same(monkeypatch):
    index, _ = made(900, 20)
    index.nprobe, q = 20, drawn(0, 30)
    whole = index.search(q, 5)
    asked, scan = [], index._scan
    monkeypatch.setattr(index, "_scan", lambda *a: (asked.append(a[2].copy()), scan(*a))[1])
    index.profile = "speed"
    dists, _ = index.search(q, 5)
    assert np.array_equal(dists, whole[0])
    assert (asked[1] == index.lists.nowhere).mean() > 0.5


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles(profile):
    index, _ = made(900, 20)
    index.nprobe, index.profile = 8, profile
    q = drawn(0, 30)
    read = index.lists.sizes[index._read(q, index.lists, 1).lists].sum(1)
    share = PROFILES[profile].share
    assert (read >= share * 8 * 900 / 20).all() or share == 1
    assert (index.search(q, 1)[1] >= 0).all()


def test_auto_goes_by_queries_per_list(monkeypatch):
    monkeypatch.setattr(module, "THRESHOLD", 64.0)  # 2 at 16 lists: eight queries of four probes
    index, _ = made(600, 16)
    index.nprobe = 4
    assert index._few(4) == 8
    index.search_mode = "magic"
    with pytest.raises(Refusal, match="search_mode"):
        index.search(drawn(0, 1), 1)


@settings(max_examples=15)
@given(st.integers(1, 13), st.integers(0, 4), st.integers(-5, 400))
def test_ranges_against_faiss(twins, nprobe, nq, radius):
    index, theirs = twins
    index.nprobe = theirs.nprobe = nprobe
    index.max_codes, index.profile = 0, "exact"
    q = drawn(5, nq)
    limits, dists, ids = index.range_search(q, radius)
    their_limits, found, names = theirs.range_search(q, radius)
    assert limits.tolist() == their_limits.tolist()
    for a, b in pairwise(limits.tolist()):
        ours, other = np.lexsort((ids[a:b], dists[a:b])), np.lexsort((names[a:b], found[a:b]))
        assert np.array_equal(ids[a:b][ours], names[a:b][other])
        assert np.array_equal(dists[a:b][ours], found[a:b][other])


def test_ids_of_ones_own():
    ids = np.arange(300) // 2 * 7
    index, x = made(300, 8, ids)
    index.nprobe = 8
    _, found = index.search(x, 1)
    at_zero = [{int(i) for i in ids[(x == row).all(1)]} for row in x]
    assert all(int(f) in some for f, some in zip(found[:, 0], at_zero, strict=True))
    assert np.array_equal(index.reconstruct(14), x[4]) or np.array_equal(
        index.reconstruct(14), x[5]
    )


def test_adding_goes_on_after_a_search():
    index, x = made(300, 8)
    index.search(x[:2], 3)
    index.add(x[:50] + 1000)
    index.nprobe, before = 8, index.ntotal
    dists, ids = index.search(x[:50] + 1000, 1)
    assert before == 350 and (dists == 0).all() and (ids >= 300).all()
    index.reset()
    assert index.ntotal == 0 and index.is_trained and (index.search(x, 2)[1] == -1).all()
    index.add(x[:5])
    assert sorted(index.search(x[:1], 5)[1][0].tolist())[-1] <= 4


@settings(max_examples=15)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.booleans())
def test_adds_of_any_sizes_hold_what_one_add_holds(counts, between):
    """Those packed at once and those that wait keep their order; the caller's arrays are copied."""
    x = drawn(1, sum(counts))
    index, whole = IndexIVFFlat(D, 4), IndexIVFFlat(D, 4)
    for some in (index, whole):
        some.place(drawn(7, 4))
    whole.add(x)
    for end, count in zip(np.cumsum(counts), counts, strict=True):
        part = x[end - count : end].copy()
        index.add(part)
        part[:] = 99
        if between:
            index.search(x[:1], 1) if len(x) else None
    for name in ("vectors", "ids", "offsets"):
        assert np.array_equal(getattr(index.lists, name), getattr(whole.lists, name)), name


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("profile", ["exact", "speed"])
def test_the_row_that_is_not_finite_is_named(bad, profile):
    index, x = made(600, 8)
    index.profile, index.nprobe, index.num_threads = profile, 8, 2
    for at in (0, 41, 599):
        spoilt = x.copy()
        spoilt[at, D - 1] = bad
        for act in (index.add, lambda q: index.search(q, 2)):
            with pytest.raises(Refusal, match=f"Row {at} of"):
                act(spoilt)
    assert index.ntotal == 600
    assert assign.finite(np.full((3, D), 3e38, np.float32))  # large is not infinite


def test_a_search_follows_every_setting_and_add():
    """How to search is kept, until something changes."""
    index, x = made(400, 8)
    found = {}
    for nprobe, most, mode in ((1, 0, "auto"), (8, 0, "auto"), (8, 1, "auto"), (8, 0, "matrix")):
        index.nprobe, index.max_codes, index.search_mode = nprobe, most, mode
        found[nprobe, most, mode] = np.isfinite(index.search(x[:1], 400)[0]).sum()
    assert found[8, 0, "auto"] == found[8, 0, "matrix"] == 400
    assert found[1, 0, "auto"] == found[8, 1, "auto"] < 400
    index.add(x[:7])
    assert np.isfinite(index.search(x[:1], 500)[0]).sum() == 407
    index.reset()
    assert (index.search(x[:1], 3)[1] == -1).all()


def test_empty_lists_and_more_than_there_is():
    index = IndexIVFFlat(2, 3)
    index.place(np.float32([[0, 0], [9, 9], [50, 50]]))
    index.add(np.float32([[0, 1]]))
    index.nprobe = 7
    dists, ids = index.search(np.float32([[0, 0], [60, 60]]), 3)
    assert ids.tolist() == [[0, -1, -1]] * 2
    assert dists[0].tolist() == [1, np.inf, np.inf]
    index.nprobe = 1
    assert index.search(np.float32([[60, 60]]), 3)[1].tolist() == [[-1, -1, -1]]


def test_huge_batches_hold_few_probes(monkeypatch):
    index, _ = made(500, 10)
    index.nprobe, q = 10, drawn(1, 300)
    whole = index.search(q, 4)
    monkeypatch.setattr(inverted, "CHUNK", 10 * 7)
    monkeypatch.setattr(index, "_route", None)
    for ours, theirs in zip(index.search(q, 4), whole, strict=True):
        assert np.array_equal(ours, theirs)


def test_threads_share_an_index():
    index, _ = made(800, 16)
    q, index.nprobe = drawn(2, 64), 6
    index.add(drawn(9, 100))  # packed by whichever thread searches first
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: index.search(q, 7), range(8)))
    alone = index.search(q, 7)
    assert all(np.array_equal(dists, alone[0]) for dists, _ in found)


def test_training():
    x = drawn(0, 400)
    first, again = kmeans(x, 9), kmeans(x, 9)
    assert np.array_equal(first, again) and first.shape == (9, D)
    index = IndexIVFFlat(D)
    index.train(x)
    assert index.nlist == 20
    index.add(x)
    assert (index.lists.sizes[:-1] > 0).mean() > 0.5
    with pytest.raises(Refusal, match="reset"):
        index.train(x)


def test_means_beat_a_random_choice():
    x = np.random.default_rng(0).standard_normal((4000, 8)).astype(np.float32)

    def error(centres):
        return ((x[:, None] - centres) ** 2).sum(-1).min(1).mean()

    assert error(kmeans(x, 32)) < 0.85 * error(x[:32])


def test_equal_vectors_leave_no_centre_undefined():
    centres = kmeans(np.ones((50, 3), np.float32), 4)
    assert np.isfinite(centres).all()


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda i, _: i.add(np.zeros((1, D), np.float32)), "trained"),
        (lambda i, _: i.search(np.zeros((1, D), np.float32), 1), "trained"),
        (lambda i, _: i.train(np.zeros((2, D), np.float32)), "2 vectors"),
        (lambda _, i: i.search(np.zeros((1, D + 1), np.float32), 1), "shape"),
        (lambda _, i: i.search(np.zeros((1, D)), 1), "float64"),
        (lambda _, i: i.search(np.full((1, D), np.nan, np.float32), 1), "NaN"),
        (lambda _, i: i.search(np.zeros((1, D), np.float32), 0), "k is 0"),
        (lambda _, i: i.add_with_ids(np.zeros((2, D), np.float32), [1]), "ids"),
        (lambda _, i: i.add_with_ids(np.zeros((1, D), np.float32), [-1]), "negative"),
        (lambda _, i: i.reconstruct(10**6), "no vector|No vector"),
    ],
)
def test_refusals(act, told):
    with pytest.raises(Refusal, match=told):
        act(IndexIVFFlat(D, 4), made(50, 4)[0])


@pytest.mark.parametrize(("name", "value"), [("nprobe", 0), ("profile", "fastest")])
def test_settings_are_checked_when_used(name, value):
    index, x = made(50, 4)
    setattr(index, name, value)
    with pytest.raises(Refusal, match=name):
        index.search(x, 1)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("num_threads", 0, "at least 1"),
        ("num_threads", 1.5, "at least 1"),
        ("num_threads", "2", "at least 1"),
        ("max_codes", -1, "at least 0"),
        ("max_codes", "all", "at least 0"),
    ],
)
def test_settings_are_checked_when_set(name, value, told):
    index = IndexIVFFlat(D, 4)
    before = getattr(index, name)
    with pytest.raises(Refusal, match=f"{name} is .*{told}"):
        setattr(index, name, value)
    assert getattr(index, name) == before


def test_saved_and_loaded(tmp_path):
    index, x = made(300, 8, np.arange(300) * 3)
    index.nprobe, index.profile = 3, "speed"
    index.save(tmp_path / "an.index")
    again = load(tmp_path / "an.index")
    assert (again.nprobe, again.profile, again.ntotal) == (3, "speed", 300)
    for ours, theirs in zip(again.search(x, 5), index.search(x, 5), strict=True):
        assert np.array_equal(ours, theirs)
    again.add(x[:10])
    assert again.ntotal == 310


def test_there_and_back(twins):
    index, theirs = twins
    back = from_faiss(theirs)
    for name in ("vectors", "ids", "offsets", "centres"):
        assert np.array_equal(getattr(back.lists, name), getattr(index.lists, name)), name
    assert back.nprobe == theirs.nprobe
