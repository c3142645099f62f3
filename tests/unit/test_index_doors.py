"""What a user of Faiss does within the first hour, on every index: copies, odd limits, a look."""

import copy
import pickle

import numpy as np
import pytest

from autoresearch.errors import Refusal
from autoresearch.index import IndexFlatIP, IndexFlatL2, IndexIVFFlat, IndexIVFPQ, IndexRaBitQ
from autoresearch.plane.model import Consistency

X = np.random.default_rng(0).standard_normal((300, 16), np.float32)
MADE = {
    "flat-l2": lambda: IndexFlatL2(16),
    "flat-ip": lambda: IndexFlatIP(16),
    "ivf-flat": lambda: IndexIVFFlat(16, 4),
    "ivf-pq": lambda: IndexIVFPQ(16, 4, 4, 4),
    "rabitq": lambda: IndexRaBitQ(16),
}
RANGED = sorted(MADE.keys() - {"rabitq"})


def filled(kind):
    index = MADE[kind]()
    index.train(X)
    index.add(X)
    return index


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(params=sorted(MADE))
def index(request):
    return filled(request.param)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))])
class TestCopies:
    def test_a_copy_answers_alike(self, index, copied):
        expected = index.search(X[:5], 7)  # what it made for that stays behind
        same(copied(index).search(X[:5], 7), expected)

    def test_a_copy_is_filled_on_its_own(self, index, copied):
        index.add(X[:10])  # which may wait to be packed
        other = copied(index)
        other.add(X[:20])
        assert (index.ntotal, other.ntotal) == (310, 330)
        assert (other.search(X[:1], 400)[1] >= 310).any() or other.kind.startswith("ivf")

    def test_an_index_without_vectors_may_be_copied(self, index, copied):
        index.reset()
        assert copied(index).ntotal == 0


def test_a_frozen_generation_is_copied_too():
    index = filled("rabitq")
    index.freeze()
    index.add(X[:5])
    other = pickle.loads(pickle.dumps(index))
    same(other.search(X[:3], 9, Consistency.FROZEN), index.search(X[:3], 9, Consistency.FROZEN))
    assert (other.search(X[:1], 400, Consistency.FROZEN)[1] < 300).all()


def test_a_consistency_is_asked_for_by_name_or_refused():
    index = filled("rabitq")
    index.freeze()
    index.add(X[:5])
    assert (index.search(X[:1], 400, "frozen")[1] < 300).all()
    with pytest.raises(Refusal, match="Choose one of fresh"):
        index.search(X[:1], 3, "stale")


@pytest.mark.parametrize("radius", ["a", None, np.nan, float("nan"), [1.0], 1j])
@pytest.mark.parametrize("kind", RANGED)
def test_a_radius_that_is_no_number_is_refused(kind, radius):
    with pytest.raises(Refusal, match="radius is"):
        filled(kind).range_search(X[:1], radius)


@pytest.mark.parametrize("kind", RANGED)
def test_any_number_is_a_radius(kind):
    index = filled(kind)
    expected = index.range_search(X[:2], 20.0)
    for radius in (20, np.float32(20), np.int64(20)):
        same(index.range_search(X[:2], radius), expected)


def test_an_index_tells_what_it_is():
    assert repr(filled("flat-l2")) == "IndexFlatL2(d=16, ntotal=300)"
    assert repr(filled("ivf-flat")) == "IndexIVFFlat(d=16, nlist=4, nprobe=1, ntotal=300)"
    assert repr(MADE["rabitq"]()) == "IndexRaBitQ(d=16, ntotal=0)"
    told = "IndexIVFPQ(d=16, nlist=4, nprobe=1, M=4, nbits=4, ntotal=300)"
    assert repr(filled("ivf-pq")) == told
