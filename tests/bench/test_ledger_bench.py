"""What the ledger costs when it is long: appends and `status` at 100,000 rows."""

from dataclasses import replace

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from autoresearch.ledger import Ledger, chain, records
from autoresearch.model import Result, Trial

ROWS = 100_000
FEW = 2_000  # where nothing is timed
TARGETS = 14


def row(n: int) -> Trial:
    result = Result(
        target=f"target-{n % TARGETS}",
        verdict="keep" if n % 50 < TARGETS else "revert",
        correctness="pass",
        geomean_ns_per_op=18234.4,
        speedup=1.148,
        speedup_ci95=(1.131, 1.166),
        worst_speedup=1.021,
        worst_speedup_at="search: dim=768,m=96,dist=sparse",
        machine="zen4-8c",
        reason="kept: 1.148x over 1d04e77, every workload >= 0.98x",
    )
    return Trial(f"id{n}", "trial", result, f"idea {n}", candidate="c" * 40, norm="n" * 64)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Ledger:
    """A ledger of 100,000 sealed rows, written at once instead of one by one."""
    timed = pytestconfig.getoption("benchmark_enable")
    made = Ledger(tmp_path_factory.mktemp("long"))
    made.folder.mkdir()
    bodies = [records.to_json(records.tidy(row(n))) for n in range(50)]
    prev = ""
    with made.trials_path.open("wb") as file:
        for n in range(ROWS if timed else FEW):
            line = chain.seal(bodies[n % 50] | {"id": f"id{n}"}, n, prev)
            prev = line[-67:-3].decode()
            file.write(line)
    return made


def test_status_without_its_checkpoint(ledger: Ledger, benchmark: BenchmarkFixture) -> None:
    (ledger.folder / "summary.json").unlink(missing_ok=True)
    assert benchmark.pedantic(ledger.summary, rounds=1).rows >= FEW


def test_append(ledger: Ledger, benchmark: BenchmarkFixture) -> None:
    before = ledger.summary().rows
    added = []
    benchmark.pedantic(lambda: added.append(ledger.append(row(7))), rounds=50)
    assert ledger.summary().rows == before + len(added) > before


def test_append_and_project(ledger: Ledger, benchmark: BenchmarkFixture) -> None:
    ledger.project()

    def once() -> None:
        ledger.append(row(7))
        ledger.project()

    benchmark.pedantic(once, rounds=50)
    assert ledger.project() is None


def test_status(ledger: Ledger, benchmark: BenchmarkFixture) -> None:
    ledger.summary()
    ledger.append(replace(row(3), id="last"))
    view = benchmark.pedantic(ledger.summary, rounds=10)
    assert view.newest["target-3"][0].id == "last"
    assert len(view.incumbent) == TARGETS and view.damaged == 0


def test_incumbent_of_an_absent_target(ledger: Ledger, benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(lambda: ledger.incumbent("none"), rounds=3) is None
