"""What comes from faiss and goes there: the same vectors and answers, and what has no twin."""

import sys

import numpy as np
import pytest

from autoresearch.errors import Refusal
from autoresearch.index import IndexFlatIP, IndexFlatL2, IndexIVFFlat, from_faiss, to_faiss

faiss = pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).integers(-9, 10, (200, 5)).astype(np.float32)


@pytest.mark.parametrize("kind", [IndexFlatL2, IndexFlatIP])
def test_flat(kind, x, tmp_path):
    theirs = getattr(faiss, kind.__name__)(5)
    theirs.add(x)
    faiss.write_index(theirs, str(tmp_path / "faiss"))
    for index in (theirs, faiss.read_index(str(tmp_path / "faiss"))):
        ours = from_faiss(index)
        assert type(ours) is kind and np.array_equal(ours.x, x)
    back = to_faiss(ours)
    assert np.array_equal(back.reconstruct_n(0, 200), x)
    assert np.array_equal(back.search(x, 4)[0], ours.search(x, 4)[0])


def test_lists_of_faiss(x):
    quantizer = faiss.IndexFlatL2(5)
    theirs = faiss.IndexIVFFlat(quantizer, 5, 6)
    theirs.train(x)
    theirs.add_with_ids(x, np.arange(200) + 1000)
    theirs.nprobe = 6
    ours = from_faiss(theirs)
    assert (ours.ntotal, ours.nlist, ours.nprobe) == (200, 6, 6)
    assert np.array_equal(ours.search(x, 3)[0], theirs.search(x, 3)[0])
    assert np.array_equal(ours.search(x, 1)[1] >= 1000, np.ones((200, 1), bool))


def test_untrained_stays_untrained():
    assert not from_faiss(faiss.IndexIVFFlat(faiss.IndexFlatL2(5), 5, 6)).is_trained


def test_no_twin():
    with pytest.raises(Refusal, match="IndexLSH"):
        from_faiss(faiss.IndexLSH(8, 8))
    quantizer = faiss.IndexFlatIP(5)
    with pytest.raises(Refusal, match="inner product"):
        from_faiss(faiss.IndexIVFFlat(quantizer, 5, 6, faiss.METRIC_INNER_PRODUCT))
    with pytest.raises(Refusal, match="object"):
        to_faiss(object())
    with pytest.raises(Refusal, match="no index of faiss"):
        from_faiss(IndexIVFFlat(5, 2))


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(Refusal, match="not installed"):
        to_faiss(IndexIVFFlat(5, 2))


def test_an_index_that_nobody_else_holds(x):
    """What `downcast_index` returns does not keep its argument alive."""
    for _ in range(20):
        assert from_faiss(faiss.index_factory(5, "IVF6,Flat")).nlist == 6
