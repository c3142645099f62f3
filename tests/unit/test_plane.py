"""The plane: the contract and what breaks it, the choice among kernels, what answers rest on."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from autoresearch.errors import Refusal
from autoresearch.plane import contract, dispatch, registry
from autoresearch.plane.dispatch import Ask, Served, choose, failed
from autoresearch.plane.model import Consistency, KernelCaps
from autoresearch.plane.witness import Basis, extended

FRESH, FROZEN, EVENTUAL = Consistency


class Numpy:
    """A right kernel, slow; the bad ones below break one thing each."""

    id = "numpy"

    def __init__(self, **caps):
        self._caps = KernelCaps(**caps)

    def caps(self):
        return self._caps

    def scan(self, request):
        return contract.nearest(request, contract.candidates(request))


class Nameless(Numpy):
    id = ""


class Inexact(Numpy):
    """Estimates of 32 bits."""

    def scan(self, request):
        found = request.blank().candidates
        held = request.index
        for row, (planes, (a, b, c)) in enumerate(zip(request.planes, request.coefs, strict=True)):
            ones = np.bitwise_count(held.codes[:, None] & planes).sum(2, dtype=np.float32)
            x = a * (ones @ np.float32([1, 2, 4, 8])) + b * held.ones + c
            best = np.argsort(held.squares - held.scales * x, kind="stable")[: request.kept]
            found[row, : len(best)] = np.sort(best)
        return contract.nearest(request, found)


class LaterTies(Numpy):
    """Of equal estimates it keeps the last."""

    def scan(self, request):
        held, n = request.index, len(request.index.codes)
        turned = type(held)(*(array[::-1].copy() for array in held.arrays()))
        found = contract.candidates(replace(request, index=turned))
        found = np.where(found >= 0, n - 1 - found, np.iinfo(np.int64).max)
        found = np.sort(found, axis=1)
        return contract.nearest(request, np.where(found < n, found, -1))


class OtherSums(Numpy):
    """Distances whose terms are added by numpy."""

    def scan(self, request):
        right = super().scan(request)
        if not len(request.index.vectors):
            return right
        gaps = request.queries[:, None] - request.index.vectors[right.ids]
        dists = (gaps * gaps).sum(-1, dtype=np.float32)
        return replace(right, dists=np.where(right.ids >= 0, dists, right.dists))


class Short(Numpy):
    """Leaves the last answer out."""

    def scan(self, request):
        right = super().scan(request)
        right.ids[:, -1], right.dists[:, -1] = -1, np.inf
        return right


class Unsorted(Numpy):
    def scan(self, request):
        right = super().scan(request)
        return replace(right, ids=right.ids[:, ::-1], dists=right.dists[:, ::-1])


class Writing(Numpy):
    def scan(self, request):
        right = super().scan(request)
        request.queries[:] += 1
        return right


class Holding(Numpy):
    """Answers from the first index of a shape that it saw."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def scan(self, request):
        self.seen.append(request)
        late = len(self.seen) > 1 and request is self.seen[0]
        return super().scan(replace(request, coefs=-request.coefs) if late else request)


class Mixing(Numpy):
    """Every query of a batch has the coefficients of the last."""

    def scan(self, request):
        if len(request.queries) == 2:
            return super().scan(request)
        last = np.repeat(request.coefs[-1:], len(request.coefs), 0)
        return super().scan(replace(request, coefs=last))


class Racing(Numpy):
    """Two threads in it at once get the answer of either."""

    def __init__(self):
        super().__init__()
        self.inside, self.lock = 0, threading.Lock()

    def scan(self, request):
        with self.lock:
            self.inside += 1
        time.sleep(0.002)
        crowded = self.inside > 1
        answer = super().scan(replace(request, coefs=-request.coefs) if crowded else request)
        with self.lock:
            self.inside -= 1
        return answer


class TestContract:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["cpu", "cpu-simd"])
    def test_our_kernels_keep_it(self, name):
        assert contract.failures(registry.load(name)) == []

    @pytest.mark.slow
    def test_a_right_kernel_keeps_it_whatever_its_caps(self):
        assert contract.failures(Numpy(min_batch=5, max_dim=70)) == []
        assert contract.failures(Numpy(deterministic=False)) == []

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("kernel", "check"),
        [
            (Nameless(), "is_described"),
            (Numpy(min_batch=0), "is_described"),
            (Inexact(), "finds_the_candidates"),
            (LaterTies(), "finds_the_candidates"),
            (LaterTies(deterministic=False), "finds_the_candidates"),
            (OtherSums(), "finds_the_nearest"),
            (Short(), "finds_the_nearest"),
            (Short(deterministic=False), "finds_the_nearest"),
            (Unsorted(deterministic=False), "finds_the_nearest"),
            (Writing(), "leaves_its_input_alone"),
            (Holding(), "holds_nothing"),
            (Mixing(), "takes_queries_one_by_one"),
            (Racing(), "serves_threads"),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_each_broken_property_is_found(self, kernel, check):
        assert getattr(contract, check)(kernel) != ""

    @pytest.mark.slow
    def test_a_kernel_may_add_in_any_order_where_its_caps_say_so(self):
        assert contract.failures(OtherSums(deterministic=False)) == []

    def test_a_sentence_says_where(self):
        told = contract.finds_the_candidates(Inexact())
        assert told.startswith("candidates differ at n=300, d=64, k=10, kept=200: query 0 has ")


class TestChoice:
    KERNELS = (Numpy(min_batch=8, deterministic=False), Numpy(max_dim=100), Numpy())

    @pytest.mark.parametrize(
        ("ask", "index"),
        [
            (Ask(8, 100, EVENTUAL), 0),
            (Ask(7, 100, EVENTUAL), 1),
            (Ask(8, 100, FRESH), 1),
            (Ask(8, 100, FROZEN), 1),
            (Ask(8, 101, EVENTUAL), 0),
            (Ask(1, 101, FRESH), 2),
        ],
    )
    def test_the_first_that_may(self, ask, index):
        assert choose(self.KERNELS, ask) is self.KERNELS[index]

    def test_the_default_serves_whatever_its_caps_say(self):
        last = Numpy(min_batch=9)
        assert choose((last,), Ask(1, 1, FRESH)) is last

    @pytest.mark.parametrize(
        ("caps", "ask", "cap"),
        [
            ({"min_batch": 2}, Ask(1, 8, EVENTUAL), "min_batch is 2"),
            ({"max_dim": 7}, Ask(1, 8, EVENTUAL), "max_dim is 7"),
            ({"deterministic": False}, Ask(1, 8, FRESH), "not deterministic, which fresh"),
            ({"deterministic": False}, Ask(1, 8, FROZEN), "not deterministic, which frozen"),
        ],
    )
    def test_a_refusal_names_the_cap(self, caps, ask, cap):
        assert cap in failed(KernelCaps(**caps), ask)
        with pytest.raises(Refusal, match=cap):
            choose((Numpy(**caps), Numpy()), ask, "numpy")

    def test_what_is_not_enabled_is_refused_by_name(self):
        with pytest.raises(Refusal, match="kernels=\\('magic',\\)"):
            choose(self.KERNELS, Ask(1, 1, FRESH), "magic")

    def test_the_last_thousand_queries_are_counted(self):
        served = Served()
        served.add("old", 5000)
        served.add("a", 700)
        served.add("b", 200)
        assert served.counts() == {"old": 100, "a": 700, "b": 200}
        assert sum(served.counts().values()) == dispatch.REMEMBERED


class TestRegistry:
    @pytest.fixture
    def home(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        monkeypatch.setattr(registry, "SHIPPED", tmp_path / "shipped.json")
        return tmp_path

    @pytest.fixture
    def package(self, monkeypatch):
        """A package that registers a kernel for a GPU, and one that cannot run here."""
        found = (
            EntryPoint("gpu", "test_plane_package:Gpu", registry.GROUP),
            EntryPoint("broken", "test_plane_package:broken", registry.GROUP),
        )
        monkeypatch.setattr(registry, "entry_points", lambda group: found)

        def broken():
            raise Refusal("There is no such device.", "Use another.")

        loads = {"gpu": lambda: Gpu(accelerator="metal"), "broken": broken}
        monkeypatch.setattr(EntryPoint, "load", lambda self: loads[self.name])

    def test_only_the_default_serves_unasked(self, home):
        assert [kernel.id for kernel in registry.usable()] == ["cpu"]

    def test_enabled_by_name_in_order_of_preference(self, home, package):
        named = [k.id for k in registry.usable(("cpu-simd", "gpu", "cpu"))]
        assert named == ["gpu", "cpu-simd", "cpu"]
        assert registry.names()[-2:] == ["broken", "gpu"]

    def test_accepted_here_serves_unasked(self, home, package):
        registry.local().parent.mkdir()
        rows = {"gpu": {"promoted": True}, "broken": {"promoted": True}, "cpu-simd": {}}
        registry.local().write_text(json.dumps(rows))
        assert [kernel.id for kernel in registry.usable()] == ["gpu", "cpu"]
        with pytest.raises(Refusal, match="no such device"):
            registry.usable(("broken",))

    @pytest.mark.parametrize(
        "text", ["", "[]", '{"cpu-simd": 3}', "\x00", '{"cpu-simd": {"a": 1}}']
    )
    def test_a_file_that_is_not_ours_accepts_nothing(self, home, text):
        registry.SHIPPED.write_text(text)
        assert registry.accepted() == frozenset()

    def test_an_unknown_name(self, home):
        with pytest.raises(Refusal, match="no kernel 'magic'"):
            registry.usable(("magic",))


class Gpu(Numpy):
    id = "gpu"


class TestWitness:
    BASIS = Basis("data", 768, 1, 20, 3)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("data_ref", "other"), ("dim", 767), ("rotation_seed", 2)),
            *(("rerank_factor", 21), ("generation", 4)),
        ],
    )
    def test_it_changes_with_each_field(self, field, value):
        assert replace(self.BASIS, **{field: value}).witness() != self.BASIS.witness()

    def test_it_is_the_same_everywhere(self):
        expected = "142384e9bb88bc9acf18e73d54635a7f4d75d9bf47507cd749961fca853b2f8b"
        assert self.BASIS.witness() == expected

    def test_data_extends_the_reference(self):
        block = np.ones((2, 3), np.float32)
        assert extended("", block) != extended("", block * 2) != extended("a", block * 2)
