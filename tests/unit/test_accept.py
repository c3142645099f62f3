"""Acceptance: the rules on given figures, the measuring on a fake clock, and what is recorded."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from autoresearch.cli.every import app
from autoresearch.errors import Refusal
from autoresearch.index.rabitq import IndexRaBitQ
from autoresearch.plane import accept, contract, registry, verdict, workload
from autoresearch.plane.model import KernelCaps
from autoresearch.plane.verdict import Arm, Measured, decide


def times(mean, count=200, spread=0.02, seed=1):
    rng = np.random.default_rng(seed)
    return (mean * np.exp(spread * rng.standard_normal((3, count)))).astype(np.int64)


def measured(p95=1.0, cost=1.0, spread=0.02, **other):
    """A kernel that many times faster than a reference of 10 ms, right in everything else."""
    slow, fast = (
        Arm(times(10e6 / a, 200, spread, seed), times(150e6 / b, 10, spread, seed), 20)
        for seed, a, b in ((1, 1, 1), (2, p95, cost))
    )
    sound = Measured("k", verdict.FULL, slow, fast, (0.95, 0.95), True, (), 1.1)
    return replace(sound, **other)


def decided(found):
    return decide(found, np.random.default_rng(0))


class TestDecision:
    @pytest.mark.parametrize(
        ("p95", "cost", "promoted"),
        [
            (1.3, 1.3, False),
            (1.9, 1.4, False),
            (2.2, 1.0, True),
            (1.0, 1.6, True),
            (0.5, 0.5, False),
        ],
    )
    def test_faster_by_enough(self, p95, cost, promoted):
        found = decided(measured(p95, cost))
        assert (found.promoted, found.passed) == (promoted, promoted)
        assert (found.reasons == ()) == promoted
        assert found.p95.low < found.p95.ratio < found.p95.high
        assert found.p95.ratio == pytest.approx(p95, rel=0.05)
        assert found.cost.ratio == pytest.approx(cost, rel=0.05)

    def test_luck_promotes_nothing(self):
        """The same gain, once steady and once not."""
        assert decided(measured(2.2)).promoted
        noisy = decided(measured(2.2, spread=0.8))
        assert noisy.p95.low < 2 and not noisy.promoted

    @pytest.mark.parametrize(
        ("fault", "told"),
        [
            ({"exact": False}, "not bit-exact"),
            ({"recalls": (0.95, 0.9495)}, "recall@10 is 0.9495"),
            ({"recalls": (0.95, 0.96)}, "recall@10 is 0.9600"),
            ({"memory": 2.01}, "2.01 times"),
            ({"broken": ("k, holds_nothing: another answer.",)}, "holds_nothing"),
        ],
    )
    def test_no_speed_makes_up_for_a_fault(self, fault, told):
        found = decided(measured(9, 9, **fault))
        assert not found.passed and not found.promoted
        assert told in " ".join(found.reasons)

    def test_a_smaller_workload_passes_and_promotes_nothing(self):
        found = decided(measured(3, 3, n=verdict.FULL - 1))
        assert found.passed and not found.promoted
        assert "999,999 vectors are fewer" in found.reasons[0]

    def test_the_same_times_decide_the_same(self):
        assert decided(measured(2.0)) == decided(measured(2.0))


class Paced:
    """Right answers, and so many ns a query on the fake clock."""

    def __init__(self, name, clock, ns):
        self.id, self.clock, self.ns = name, clock, ns

    def caps(self):
        return KernelCaps()

    def scan(self, request):
        self.clock.now += self.ns * len(request.queries)
        return contract.nearest(request, contract.candidates(request))


class FakeClock:
    now = 0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def built():
    x = np.random.default_rng(1).standard_normal((400, 64), np.float32)
    index = IndexRaBitQ(64, kernels=("cpu-simd",))
    index.train(x)
    index.add(x)
    return workload.Built(index, x[:40], np.tile(np.arange(10), (40, 1)))


@pytest.mark.slow
@pytest.mark.parametrize(("times_faster", "passed"), [(1.3, False), (2.5, True)])
def test_measured_on_a_fake_clock(built, monkeypatch, times_faster, passed):
    clock = FakeClock()
    kernels = Paced("quick", clock, round(1e6 / times_faster)), Paced("cpu", clock, 10**6)
    monkeypatch.setattr(built.index, "_kernels", kernels)
    found = accept.measure(built, "quick", (), clock, str)
    assert found.reference.single.shape == (accept.ROUNDS, 40)
    assert found.reference.batch.shape == (accept.ROUNDS, 2)
    assert found.exact and found.recalls[0] == found.recalls[1] > 0
    result = decided(replace(found, n=verdict.FULL, memory=1.0))
    assert result.promoted is passed
    assert result.p95.low == pytest.approx(times_faster)
    assert result.cost.high == pytest.approx(times_faster)


@pytest.mark.slow
def test_a_kernel_with_another_candidate_set_is_seen(built, monkeypatch):
    class Other(Paced):
        def scan(self, request):
            return super().scan(replace(request, coefs=request.coefs * np.float32(0.5)))

    clock = FakeClock()
    kernels = Other("other", clock, 1), Paced("cpu", clock, 10)
    monkeypatch.setattr(built.index, "_kernels", kernels)
    found = accept.measure(built, "other", (), clock, str)
    assert not found.exact and not decided(found).passed


@pytest.mark.slow
class TestVerb:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        monkeypatch.setattr(workload, "QUERIES", 20)
        monkeypatch.setattr(workload, "BLOCK", 300)

    def test_a_scaled_run_says_all_and_records_nothing(self):
        done = CliRunner().invoke(app, ["accept", "cpu-simd", "--n", "700", "--json"])
        row = json.loads(done.stdout)["accepted"]
        assert done.exit_code == (0 if row["passed"] else 3)
        assert (row["n"], row["promoted"]) == (700, False)
        assert row["recalls"][0] == row["recalls"][1] > 0.5
        assert "700 vectors are fewer" in row["reasons"][-1]
        assert not any("exact" in reason for reason in row["reasons"])
        assert not registry.local().exists()

    def test_the_reference_is_not_accepted(self):
        with pytest.raises(Refusal, match="cpu is the reference kernel"):
            accept.run("cpu", 100, False, str, str)

    def test_the_workload_is_the_same_every_time_and_its_truth_is_true(self):
        one, two = (workload.build(700, "cpu-simd", str) for _ in range(2))
        assert one.index.witness() == two.index.witness()
        x = np.concatenate(list(workload.blocks(700)))
        gaps = ((one.queries[:, None].astype(np.float64) - x) ** 2).sum(-1)
        assert np.array_equal(one.truth, np.argsort(gaps, axis=1)[:, :10])
        assert np.array_equal(one.truth, two.truth)


def test_a_recorded_promotion_serves_from_then_on(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = registry.local()
    accept.record(replace(decided(measured(3)), kernel="cpu-simd"), path)
    accept.record(decided(measured(1.3)), path)
    assert registry.verdicts(path)["cpu-simd"]["machine"]
    assert registry.accepted() >= {"cpu-simd"} and "k" not in registry.accepted()
    assert [kernel.id for kernel in registry.usable()] == ["cpu-simd", "cpu"]
    accept.record(replace(decided(measured(1.3)), kernel="cpu-simd"), path)
    assert [kernel.id for kernel in registry.usable()] == ["cpu"]
