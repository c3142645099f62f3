"""What a warm start costs when the corpus is long: a million points, streamed."""

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from autoresearch.ledger import Point, chain, corpus

ROWS = 1_000_000
FEW = 5_000  # where nothing is timed
PROGRAM = """
import resource, sys
from pathlib import Path
from autoresearch.prior import Shape, past, warm_start_combined
found = past.corpus(Path(sys.argv[1]), ("pq-l2",))
best = warm_start_combined(found.rows, Shape.read("search: m=16,n=20000,dist=sparse"), "zen4-8c")
print(len(best), found.dropped, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def point(n: int) -> Point:
    """A quarter of the shapes are hidden ones, as in a ledger: hardly two of them are equal."""
    size = 20_000 if n % 4 else 12_000 + n * 7919 % 16_000
    features = {"m": "16", "n": str(size), "dist": "sparse"}
    knobs = {"block": [64, 32, 128]}
    return Point(
        f"id{n}", "pq-l2", "search", "zen4-8c", f"{n:040x}", 1e6 + n, features, knobs, 40 + n % 9
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    timed = pytestconfig.getoption("benchmark_enable")
    made, prev = tmp_path_factory.mktemp("long") / "corpus.jsonl", ""
    with made.open("wb") as file:
        for n in range(ROWS if timed else FEW):
            line = chain.seal(corpus.to_json(point(n)), n, prev)
            prev = line[-67:-3].decode()
            file.write(line)
    return made


def test_a_warm_start_from_a_process_of_its_own(path: Path, benchmark: BenchmarkFixture) -> None:
    command = [sys.executable, "-c", PROGRAM, str(path)]
    run = lambda: subprocess.check_output(command, text=True)  # noqa: E731
    found, dropped, peak_mb = map(int, benchmark.pedantic(run, rounds=3).split())
    assert (found, dropped) == (3, 0)
    assert peak_mb < 500
