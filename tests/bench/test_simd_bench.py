"""How long a kernel of vectors takes to compile: printed, never asserted."""

from typing import Any

import numpy as np
from numba import njit, types
from pytest_benchmark.fixture import BenchmarkFixture

from autoresearch import simd


def tile(x: Any, y: Any, out: Any) -> None:
    """Twelve rows by two vectors, held in registers."""
    sums = simd.repeat(simd.zero(simd.f32x16), 24)
    for j in range(x.shape[1]):
        left = simd.load(simd.f32x16, y, (j, 0))
        right = simd.load(simd.f32x16, y, (j, 16))
        for i in simd.unroll(12):
            factor = simd.splat(simd.f32x16, x[i, j])
            sums = simd.put(sums, 2 * i, simd.fma(factor, left, sums[2 * i]))
            sums = simd.put(sums, 2 * i + 1, simd.fma(factor, right, sums[2 * i + 1]))
    for i in simd.unroll(24):
        simd.store(out, 16 * i, sums[i])


@njit
def quarter(tables: Any, m: Any, at: Any) -> Any:
    """64 of the 256 bytes of one table."""
    return simd.load(simd.u8x64, tables, (m, at))


def scan(tables: Any, codes: Any, limit: Any, out: Any) -> int:
    """Bounds of 64 codes at a time from tables of 256 bytes, and who stays below the limit."""
    found = 0
    for b in range(codes.shape[0]):
        total = simd.zero(simd.u8x64)
        for m in range(codes.shape[1]):
            code = simd.load(simd.u8x64, codes, (b, m, 0))
            low = simd.lookup2(quarter(tables, m, 0), quarter(tables, m, 64), code)
            high = simd.lookup2(quarter(tables, m, 128), quarter(tables, m, 192), code)
            total = simd.add_sat(total, simd.select(code >= 128, high, low))
        waiting = simd.bits(total < limit)
        while waiting:
            out[found] = 64 * b + simd.ctz(waiting)
            waiting = simd.clear_lowest(waiting)
            found += 1
    return found


MATRIX, BYTES = types.float32[:, ::1], types.uint8[:, ::1]
CODES, FOUND = types.Array(types.uint8, 3, "C"), types.int64[::1]


def compiled(kernel: Any, *arguments: Any) -> Any:
    made = njit(kernel)
    made.compile(arguments)
    return made


def test_compiling_a_register_tile(benchmark: BenchmarkFixture) -> None:
    made = benchmark.pedantic(compiled, (tile, MATRIX, MATRIX, types.float32[::1]), rounds=3)
    x, y = np.random.default_rng(1).integers(0, 9, (2, 32, 32)).astype(np.float32)
    out = np.zeros(12 * 32, np.float32)
    made(x, y, out)
    assert (out.reshape(12, 32) == x[:12] @ y).all()


def test_compiling_a_scan(benchmark: BenchmarkFixture) -> None:
    made = benchmark.pedantic(compiled, (scan, BYTES, CODES, types.uint8, FOUND), rounds=3)
    rng = np.random.default_rng(2)
    tables = rng.integers(0, 60, (4, 256)).astype(np.uint8)
    codes = rng.integers(0, 256, (3, 4, 64)).astype(np.uint8)
    out = np.zeros(192, np.int64)
    n = made(tables, codes, np.uint8(90), out)
    sums = tables[np.arange(4)[:, None], codes].sum(1).ravel()
    assert out[:n].tolist() == np.flatnonzero(sums < 90).tolist()
