"""IndexRaBitQ: its rotation, what it finds, generations, refusals, and files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.errors import Refusal
from autoresearch.index import IndexFlatL2, IndexRaBitQ, load
from autoresearch.plane import codec, contract
from autoresearch.plane.model import Consistency, KernelCaps

FRESH, FROZEN, EVENTUAL = Consistency
pytestmark = pytest.mark.slow


class Unsteady:
    """The `cpu` kernel with distances that drift from call to call."""

    id = "unsteady"

    def __init__(self):
        self.calls = 0

    def caps(self):
        return KernelCaps(deterministic=False, accelerator="cuda")

    def scan(self, request):
        self.calls += 1
        answer = contract.nearest(request, contract.candidates(request))
        answer.dists[:] *= np.float32(1 + self.calls * 1e-6)
        return answer


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((40, 96), np.float32)
    return centres[rng.integers(0, 40, 2500)] + np.float32(0.5) * rng.standard_normal(
        (2500, 96), np.float32
    )


@pytest.fixture
def index(data):
    made = IndexRaBitQ(96, kernels=("cpu-simd",))
    made.train(data)
    made.add(data[:1000])
    return made


def brute(x, q, k):
    gaps = ((q[:, None].astype(np.float64) - x) ** 2).sum(-1)
    return np.argsort(gaps, axis=1, kind="stable")[:, :k]


class TestRotation:
    @pytest.mark.parametrize("d", [1, 63, 64, 100, 192, 768])
    def test_it_keeps_lengths_and_angles(self, d):
        rng = np.random.default_rng(d)
        x, zero, flips = rng.standard_normal((20, d), np.float32), np.zeros(d, np.float32), None
        flips = codec.signs(d, 3)
        out = np.empty((20, flips.shape[1]), np.float32)
        codec.rotate(x, zero, flips, out)
        assert np.allclose(out @ out.T, x @ x.T, atol=1e-3)
        assert out.shape[1] == -(-d // 64) * 64

    @pytest.mark.parametrize("d", [192, 768])
    def test_a_single_spike_spreads_over_everything(self, d):
        flips, zero = codec.signs(d, 4), np.zeros(d, np.float32)
        out = np.empty((d, d), np.float32)
        codec.rotate(np.eye(d, dtype=np.float32), zero, flips, out)
        assert np.abs(out).max() < 8 / np.sqrt(d)

    def test_its_bits_are_the_same_on_every_machine(self):
        x = np.arange(200, dtype=np.float32).reshape(2, 100) / 7
        out = np.empty((2, 128), np.float32)
        codec.rotate(x, np.ones(100, np.float32), codec.signs(100, 1), out)
        assert out.view(np.uint32).sum(dtype=np.uint64) == 587336322528


class TestSearch:
    def test_every_kernel_gives_the_same_bits(self, index, data):
        a, b = (index.search(data[:20], 10, kernel=name) for name in ("cpu", "cpu-simd"))
        assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])
        assert index.stats() == {"cpu": 20, "cpu-simd": 20}

    def test_it_finds_the_nearest(self, index, data):
        q = data[1000:1100]
        found, true = index.search(q, 10)[1], brute(data[:1000], q, 10)
        shared = [len(set(a) & set(b)) for a, b in zip(found, true, strict=True)]
        assert np.mean(shared) / 10 > 0.9

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 300), st.integers(1, 130), st.integers(1, 12), st.integers(0, 2**32))
    def test_scan_against_numpy(self, n, d, k, seed):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((n, d), np.float32)
        made = IndexRaBitQ(d, rerank_factor=3, seed=seed, kernels=("cpu-simd",))
        made.train(np.concatenate([x, np.ones((1, d), np.float32)]))
        made.add(x)
        request = made.request(
            rng.standard_normal((2, d), np.float32), k, min(3 * k, n) or 1, made._state.held
        )
        expected = contract.candidates(request)
        for kernel in made._kernels:
            got = kernel.scan(request)
            assert np.array_equal(got.candidates, expected)
            assert np.array_equal(got.dists, contract.nearest(request, expected).dists)

    def test_all_of_a_few(self, data):
        made = IndexRaBitQ(96)
        made.train(data[:3])
        empty = made.search(data[:2], 4)
        assert (empty[1] == -1).all() and np.isinf(empty[0]).all()
        made.add(data[:3])
        dists, ids = made.search(data[:2], 4)
        assert np.array_equal(ids[:, :3], brute(data[:3], data[:2], 3))
        assert (ids[:, 3] == -1).all() and np.isinf(dists[:, 3]).all()


class TestConsistency:
    def test_an_unsteady_kernel_is_refused_on_fresh_and_frozen_and_serves_eventual(
        self, index, data, monkeypatch
    ):
        monkeypatch.setattr(index, "_kernels", (Unsteady(), *index._kernels))
        index.freeze()
        for consistency in (FRESH, FROZEN):
            with pytest.raises(Refusal, match=f"not deterministic, which {consistency}"):
                index.search(data[:3], 5, consistency, kernel="unsteady")
            index.search(data[:3], 5, consistency)
        assert index.stats() == {"cpu-simd": 6}
        index.search(data[:3], 5, EVENTUAL)
        index.search(data[:4], 5, EVENTUAL, kernel="unsteady")
        assert index.stats() == {"cpu-simd": 6, "unsteady": 7}

    def test_frozen_sees_what_was_there(self, index, data):
        with pytest.raises(Refusal, match="No generation"):
            index.search(data[:1], 1, FROZEN)
        index.freeze()
        before, answer = index.witness(FROZEN), index.search(data[1500:1510], 5, FROZEN)
        index.add(data[1000:])
        assert index.search(data[1500:1510], 5)[1][:, 0].tolist() == list(range(1500, 1510))
        assert index.witness(FROZEN) == before != index.witness()
        index.reset()
        again = index.search(data[1500:1510], 5, FROZEN)
        assert all(map(np.array_equal, answer, again))
        assert index.ntotal == 0

    def test_the_witness_is_of_the_data_not_of_the_kernel(self, data):
        def made(kernels=(), seed=0):
            index = IndexRaBitQ(96, seed=seed, kernels=kernels)
            index.train(data)
            index.add(data)
            index.search(data[:1], 1)
            return index.witness()

        assert made() == made(("cpu-simd",)) != made(seed=1)


class TestRefusals:
    @pytest.mark.parametrize(
        ("x", "told"),
        [
            (np.zeros(96, np.float32), r"the shape \(96,\)"),
            (np.zeros((2, 95), np.float32), r"the shape \(2, 95\)"),
            (np.zeros((2, 96)), "holds float64"),
            ([[1.0] * 96], "holds float64"),
            (np.full((3, 96), np.nan, np.float32), "Row 0"),
            (np.diag(np.full(96, np.inf, np.float32))[5:6], "Row 0"),
        ],
    )
    def test_what_does_not_fit(self, index, x, told):
        for call in (index.add, index.train, lambda x: index.search(x, 1)):
            with pytest.raises(Refusal, match=told):
                call(x)
        assert index.ntotal == 1000

    def test_too_early_too_late_too_little(self, index, data):
        with pytest.raises(Refusal, match="not trained"):
            IndexRaBitQ(96).add(data)
        with pytest.raises(Refusal, match="before any is added"):
            index.train(data)
        with pytest.raises(Refusal, match="k is 0"):
            index.search(data, 0)
        for wrong in ((0,), ("96",), (96, 0), (96, 2.5)):
            with pytest.raises(Refusal, match=r"^(d|rerank_factor) is "):
                IndexRaBitQ(*wrong)


class TestFiles:
    def test_loaded_is_what_was_saved(self, index, data, tmp_path):
        index.save(tmp_path / "a")
        loaded = IndexRaBitQ.load(tmp_path / "a")
        assert (loaded.witness(), loaded.ntotal) == (index.witness(), 1000)
        assert loaded.rerank_factor == 20
        for one in (index, loaded):
            one.add(data[1000:])
        assert loaded.witness() == index.witness()
        a, b = index.search(data[:9], 10), loaded.search(data[:9], 10)
        assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])
        assert [path.name for path in tmp_path.iterdir()] == ["a"]

    @pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "missing"])
    def test_a_damaged_file_is_refused(self, index, tmp_path, damage):
        path = tmp_path / "a"
        index.save(path)
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes({"cut": raw[: len(raw) // 2], "empty": b""}.get(damage, raw))
        if damage == "missing":
            path.unlink()
        with pytest.raises(Refusal, match=r"is damaged at byte|could not be read"):
            IndexRaBitQ.load(path)

    def test_any_load_knows_it_and_it_knows_others(self, index, tmp_path):
        index.save(tmp_path / "a")
        assert load(tmp_path / "a").witness() == index.witness()
        other = IndexFlatL2(3)
        other.save(tmp_path / "b")
        with pytest.raises(Refusal, match="flat-l2"):
            IndexRaBitQ.load(tmp_path / "b")
