"""Every operation of `autoresearch.simd` against numpy, for this processor and for lesser ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from vectors import across, lanes
from vectors.case import Case, expected, run

from autoresearch import simd
from autoresearch.simd.names import OPERATIONS

CASES = (*lanes.CASES, *across.CASES)
TESTS = Path(__file__).parents[1]
# Where what is emitted depends on the processor, or LLVM has had bugs.
DELICATE = ("lookup 8", "lookup2", "lookup 32", "compress", "expand", "dot", "fma")
PROCESSORS = {
    "generic": {"NUMBA_CPU_NAME": "generic"},
    "avx2": {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2",
    },
    "avx512f": {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+sse3,+ssse3,+sse4.1,+avx,+avx2,+fma,+avx512f",
    },
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_as_in_numpy(case: Case) -> None:
    found = [part.hex() for part in run(case)]
    wanted = [part.hex() for part in expected(case)]
    assert dict(zip(case.types, found, strict=True)) == dict(zip(case.types, wanted, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_same_on_a_lesser_processor(processor: str) -> None:
    if processor != "generic" and not simd.has(processor):
        pytest.skip(f"this machine has no {processor}")
    done = subprocess.run(
        [sys.executable, "-m", "vectors", *DELICATE],
        cwd=TESTS,
        env={**os.environ, **PROCESSORS[processor]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) > 12
    for case in CASES:
        if case.name in found:
            assert found[case.name] == [part.hex() for part in expected(case)], case.name


ELSEWHERE = {"load", "store", "store_masked", "store_stream", "gather", "prefetch", "repeat", "put"}
ELSEWHERE |= {"has", "unroll", "clear_lowest"}  # in test_simd_memory.py and test_simd_static.py


def test_no_operation_is_without_a_case() -> None:
    tried = set(re.findall(r"simd\.(\w+)\(", " ".join(case.text for case in CASES)))
    assert tried | ELSEWHERE == set(OPERATIONS)
