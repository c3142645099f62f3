"""Moving code as it is loaded: a worker's life without its walls, forked from a warm zygote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoresearch.runner import pair
from autoresearch.runner.bench import clean_environment
from autoresearch.runner.pair import SPAN, STEP

Row = dict[str, dict[str, Any]]  # by op

SOURCE = Path(__file__).resolve().parents[2] / "src"
SHIFTS = (0, 16, 32, 208, 2048, 4064, 4080, 0)
LONG = "\n".join(f"        at = ((at ^ {n}) * 5 + a[i] // {n}) & 0xFFFF" for n in range(3, 200))
KERNELS = f"""
import numba

@numba.njit
def long(a, out):
    at = 0
    for i in range(a.size):
{LONG}
    out[0] = at

@numba.njit
def total(a, out):
    at = 0
    for i in range(a.size):
        at += a[i] ^ (at >> 3)
    out[0] = at

@numba.njit
def running(a, out):
    for i in range(a.size):
        out[i] = a[i] + (out[i - 1] if i else 0)
"""
# Prints a line for each worker: of each op, where its loop begins and what it computes.
PROGRAM = """
import json, os, sys
from pathlib import Path
import numpy as np
from autoresearch.model import Op, Target
from autoresearch.runner import builds, worker, zygote
from autoresearch.runner import code as machine_code

ops = {
    "long": Op(("long(a, out)",), {"a": "i64[~]"}, {"out": "i64[1]"}),
    "total": Op(("total(a, out)",), {"a": "i64[~]"}, {"out": "i64[1]"}),
    "running": Op(("running(a, out)",), {"a": "i64[~]"}, {"out": "i64[~]"}),
}
target = Target("int", ops)
folder, kernels, *shifts = sys.argv[1:]
build = builds.lay_down(Path(folder), target, kernels.encode(), "here", b"")

def live(shift):
    request = {"build_dir": str(build.directory), "shift": int(shift)}
    _, drives = worker.compiled(request, target)
    row = {}
    for name, drive in drives.items():
        (code,) = drive.overloads.values()
        at = code.library.get_pointer_to_function(code.fndesc.llvm_func_name)
        a, out = np.arange(9), np.zeros(9, np.int64)
        bounds = np.array([[0, 9]])
        drive(1, a, bounds, out, bounds)
        (image,) = build.cache.glob(f"drive_{name}.*.nbc")
        size = max(len(part.data) for elf in machine_code.objects(image.read_bytes())
                   for part in machine_code._sections(elf) if part.flags & 4)  # SHF_EXECINSTR
        hits = sum(drive.stats.cache_hits.values())
        row[name] = {"at": at, "out": out.tolist(), "cached": hits == 1, "bytes": size}
    print(json.dumps(row), flush=True)

zygote._honest()
for shift in ("0", *shifts):
    if not (pid := os.fork()):
        live(shift)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """What workers under each of SHIFTS say; the one that compiled is left out."""
    folder = tmp_path_factory.mktemp("builds")
    words = [str(folder), KERNELS, *map(str, SHIFTS)]
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM, *words],
        env={**clean_environment(), "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()][1:]


OPS = ("long", "total", "running")


@pytest.mark.parametrize("op", OPS)
def test_cached_code_lies_where_it_was_moved_to(rows: list[Row], op: str) -> None:
    assert all(row[op]["cached"] for row in rows)
    found = [row[op]["at"] for row in rows]
    assert [(at - found[0]) % SPAN for at in found] == list(SHIFTS)


def test_code_longer_than_a_page_is_among_them(rows: list[Row]) -> None:
    assert rows[0]["long"]["bytes"] > 2 * SPAN


@pytest.mark.parametrize("op", OPS)
def test_moved_code_computes_the_same(rows: list[Row], op: str) -> None:
    space: dict[str, Any] = {}
    exec(KERNELS.replace("@numba.njit", ""), space)
    wanted = [0] * 9
    space[op](np.arange(9), wanted)
    assert [row[op]["out"] for row in rows] == [wanted] * len(SHIFTS)


def test_every_displacement_drawn_is_a_step_inside_the_span() -> None:
    rng = np.random.default_rng(1)
    drawn = {each for _ in range(3000) for each in pair._shifts(rng)}
    assert drawn == set(range(0, SPAN, STEP))
