"""What the harness itself costs: a sealed call of next to nothing, a spawn pair, a decision."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from autoresearch import gate
from autoresearch.model import Evidence, Pair, Workload
from autoresearch.runner import builds, wire
from autoresearch.runner.bench import Stage
from autoresearch.runner.builds import Build
from autoresearch.runner.pair import Runner
from autoresearch.runner.sealed import Worker
from autoresearch.session import Session

TOY = Path(__file__).parents[1] / "toyroot"
LEAST = Workload("select", {"n": 1, "dist": "normal"})
PATIENCE_S = 60.0  # for a worker to load, on a machine that is busy otherwise
BATCHES = 2


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Zygote and judge of the toy target, open."""
    root = tmp_path_factory.mktemp("project") / "toy"
    shutil.copytree(TOY, root)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        who = ("-c", "user.name=u", "-c", "user.email=u@x")
        subprocess.run(["git", *who, *words], cwd=root, check=True)
    with Session.open(root, "toy", print).measuring("the harness's own cost", print) as turn:
        yield turn.bench


@pytest.fixture(scope="module")
def build(bench: Runner) -> Build:
    text = (TOY / "targets" / "toy" / "kernels.py").read_bytes()
    place = bench.place
    folder = place.state / "builds"
    made = builds.lay_down(folder, bench.target, text, place.machine, place.secret)
    bench.compile(made, PATIENCE_S)
    return made


@pytest.fixture(scope="module")
def stage(bench: Runner) -> Stage:
    """One workload of one element, drawn."""
    facts = {"workloads": [asdict(LEAST)], "operations": [1], "batches": BATCHES, "seed": 1}
    found = bench.order("open_stage", (LEAST.label,), [1], **facts)
    bench.collect()
    return found


@pytest.fixture(scope="module")
def worker(bench: Runner, build: Build, stage: Stage) -> Worker:
    """Loaded, pinned, prepared, frozen."""
    found = bench.worker(build, 0, stage)
    bench.settle(found, PATIENCE_S)
    found.call(wire.PREPARE, 0, PATIENCE_S, "prepare")
    return found


def test_sealed_call(bench: Runner, worker: Worker, benchmark: BenchmarkFixture) -> None:
    """Thaw, one operation, stop confirmed: the floor below which nothing can be timed."""
    call = (wire.CALL, 0, PATIENCE_S, "call")
    bench.ask("load", key=0, index=0, batch=0)
    assert benchmark.pedantic(worker.call, call, rounds=200, warmup_rounds=5) > 0
    assert bench.ask("check", key=0, index=0, batch=0, arm=1) == {"told": None}


def test_load_and_check(bench: Runner, worker: Worker, benchmark: BenchmarkFixture) -> None:
    """What surrounds every timed call: fresh inputs and poison before, the oracle after."""

    def once() -> object:
        bench.ask("load", key=0, index=0, batch=1)
        worker.call(wire.CALL, 0, PATIENCE_S, "call")
        return bench.ask("check", key=0, index=0, batch=1, arm=1)

    assert benchmark.pedantic(once, rounds=50) == {"told": None}


def test_spawn_pair(bench: Runner, build: Build, stage: Stage, benchmark: BenchmarkFixture) -> None:
    """Two workers from fork to frozen and back."""
    before = len(bench.workers)

    def once() -> None:
        pair = [bench.worker(build, 0, stage) for _ in (0, 1)]
        for worker in pair:
            bench.settle(worker, PATIENCE_S)
        for worker in pair:
            bench.dismiss(worker)

    benchmark.pedantic(once, rounds=5)
    assert len(bench.workers) == before


def test_decision(benchmark: BenchmarkFixture) -> None:
    """The gate at the end of the longest keep: every look is replayed from the first pair."""
    rng = np.random.default_rng(1)
    shape = (5, 8)

    def pair(gain: float) -> Pair:
        ns = 1000 * np.exp(rng.normal(0, 0.01, (2, *shape)))
        return Pair(ns[0], ns[1] / gain)

    labels = tuple(f"op: n={n}" for n in range(8))
    screen, confirm = ([pair(1.02) for _ in range(n)] for n in (12, 20))
    evidence = Evidence(tuple(screen), tuple(confirm), workloads=labels, hidden=labels)
    assert benchmark(gate.step, evidence).phase in ("screen", "confirm", "done")
