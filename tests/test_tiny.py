"""The shortest true story of the system: one trial each way. Read this first.

The runner is a fake that believes what a kernel says of itself; the rest is real.
"""

from __future__ import annotations

import pytest
from fake import Toy, kernel


def test_a_faster_kernel_is_kept(toy: Toy) -> None:
    toy.baseline()
    faster = kernel(speed=1.2)
    done = toy.trial(faster, "two accumulators")
    assert done.trial.result.verdict == "keep"
    speedup = done.trial.result.speedup
    assert speedup == pytest.approx(1.2, abs=0.01)
    assert toy.kernels.read_bytes() == faster
    assert toy.git("log", "-1", "--format=%s") == f"toy: {speedup:.3f}x two accumulators"
    assert toy.git("status", "--porcelain") == ""
    assert toy.rows() == [("baseline", "baseline"), ("trial", "keep")]


@pytest.mark.parametrize(
    ("candidate", "verdict"),
    [
        (kernel(speed=0.9), "revert"),
        (kernel(speed=1.2, fault="incorrect"), "incorrect"),
        (kernel(speed=1.2, fault="timeout"), "timeout"),
        (kernel(speed=1.2, fault="crash"), "crash"),
    ],
    ids=["revert", "incorrect", "timeout", "crash"],
)
def test_any_other_is_recorded_and_the_incumbent_put_back(
    toy: Toy, candidate: bytes, verdict: str
) -> None:
    toy.baseline()
    before = toy.git("rev-parse", "HEAD")
    done = toy.trial(candidate, "an idea")
    assert done.trial.result.verdict == verdict
    assert toy.kernels.read_bytes() == kernel()
    assert toy.git("rev-parse", "HEAD") == before
    assert toy.git("cat-file", "blob", done.trial.candidate).encode() + b"\n" == candidate
    assert toy.rows() == [("baseline", "baseline"), ("trial", verdict)]
