"""What git costs a trial: the snapshot before it, the keep or the restore after it."""

import subprocess
from itertools import count
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from autoresearch.workspace import Workspace

KERNEL = "targets/pq_l2/kernels.py"


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """A repository of 500 files in 20 folders, with one kernel."""
    for n in range(500):
        path = tmp_path / f"folder{n % 20}" / f"file{n}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"N = {n}\n")
    (tmp_path / KERNEL).parent.mkdir(parents=True)
    (tmp_path / KERNEL).write_text("SEED = 1\n")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        who = ("-c", "user.name=u", "-c", "user.email=u@x")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)
    return Workspace.open(tmp_path)


def test_store_and_snapshot(space: Workspace, benchmark: BenchmarkFixture) -> None:
    numbers = count()

    def once() -> str:
        n = next(numbers)
        return space.snapshot("pq-l2", f"t{n}", KERNEL, space.put_blob(b"N = %d\n" % n))

    assert benchmark.pedantic(once, rounds=10)


def test_keep(space: Workspace, benchmark: BenchmarkFixture) -> None:
    numbers = count()

    def once() -> bool:
        n = next(numbers)
        return space.keep(KERNEL, space.put_blob(b"N = %d\n" % n), "kept", f"t{n}").new

    assert benchmark.pedantic(once, rounds=10)


def test_restore(space: Workspace, benchmark: BenchmarkFixture) -> None:
    seed = space.put_blob(b"SEED = 1\n")

    def candidate() -> None:
        (space.root / KERNEL).write_bytes(b"WORSE = 1\n")

    done = benchmark.pedantic(
        lambda: space.restore(KERNEL, b"WORSE = 1\n", seed), setup=candidate, rounds=10
    )
    assert done == "restored"
