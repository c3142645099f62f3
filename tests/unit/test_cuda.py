"""The `cuda` kernel and the scan of lists on numba's simulator: what they answer, in tiny sizes.

The simulator is chosen when numba loads, so each case is a process of its own.
"""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CONTRACT = """
from autoresearch.plane import contract, cuda, device
device.THREADS = 16  # each is a thread of Python here
contract.SHAPES = ((7, 1, 2, 5), (20, 100, 2, 3), (0, 64, 3, 6))
kernel = cuda.Cuda()
print([contract.finds_the_candidates(kernel), contract.finds_the_nearest(kernel)])
"""

LISTS = """
import numpy as np
from autoresearch.plane import device
from autoresearch.plane.cuda import IvfScan
device.THREADS = 16
rng = np.random.default_rng(0)
x, q = (rng.integers(-4, 5, (n, 9)).astype(np.float32) for n in (60, 3))
offsets = np.array([0, 20, 20, 45, 60])
rows = rng.permutation(60)
probes = np.array([[0, 1], [3, 2], [1, 0]])
ids, dists = IvfScan(x, rows, offsets).search(q, probes, 30)
for i in range(3):
    held = np.concatenate([np.arange(offsets[p], offsets[p + 1]) for p in probes[i]])
    true = ((q[i] - x[held]) ** 2).sum(1)
    have = min(30, len(held))
    assert np.array_equal(dists[i, :have], np.sort(true)[:have])
    place = np.argsort(rows)[ids[i, :have]]
    assert np.array_equal(((q[i] - x[place]) ** 2).sum(1), dists[i, :have])
    assert set(place) <= set(held) and len(set(place)) == have
    assert (ids[i, have:] == -1).all() and np.isinf(dists[i, have:]).all()
print(["", ""])
"""


@pytest.mark.parametrize("program", [CONTRACT, LISTS], ids=["contract", "lists"])
def test_on_the_simulator(program):
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": "src"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "['', '']"


def test_without_a_gpu_the_kernel_is_refused():
    program = "from autoresearch.plane import cuda; cuda.make()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 or "needs an NVIDIA GPU" in done.stderr
