"""`autoresearch.simd` between arrays and registers, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from autoresearch import simd

RNG = np.random.default_rng(7)
BYTES = RNG.integers(0, 256, 256).astype(np.uint8)
NUMBERS = RNG.normal(size=(4, 32)).astype(np.float32)


@njit
def _from_bytes(data: Any, at: Any) -> Any:
    return (
        simd.lane(simd.load(simd.u32x4, data, at), 2),
        simd.lane(simd.load(simd.f64x8, data, at), 7),
        simd.load(np.uint16, data, at),
        simd.load(np.int64, data, at),
    )


@pytest.mark.parametrize("at", [0, 1, 5, 63, np.uint64(7), np.uint8(200 - 64)])
def test_an_index_counts_elements_of_the_array(at: Any) -> None:
    found = _from_bytes(BYTES, at)
    here = BYTES[int(at) :]
    wanted = (here[8:12].view("u4")[0], here[56:64].view("f8")[0], here[:2].view("u2")[0])
    assert found[:3] == wanted or np.isnan(found[1])
    assert found[3] == here[:8].view("i8")[0]


@njit
def _moved(source: Any, target: Any) -> None:
    simd.store(target, 3, simd.load(simd.f32x8, source, (1, 5)))
    simd.store(target, (2, 1), simd.load(simd.f32x8, source, 70))
    simd.store(target, 127, np.float32(2.5))


def test_axes_and_flat_indices() -> None:
    target = np.zeros_like(NUMBERS)
    _moved(NUMBERS, target)
    wanted = np.zeros(128, np.float32)
    wanted[3:11] = NUMBERS[1, 5:13]
    wanted[65:73] = NUMBERS.ravel()[70:78]
    wanted[127] = 2.5
    assert (target.ravel() == wanted).all()


@njit
def _ends(source: Any, target: Any, count: Any) -> None:
    mask = simd.first(simd.m16, count)
    simd.store_masked(target, 0, simd.load_masked(simd.i32x16, source, 0, mask) + 1, mask)


@pytest.mark.parametrize("count", [0, 1, 9, 16])
def test_masked_ends_leave_the_rest_alone(count: int) -> None:
    source, target = np.arange(16, dtype=np.int32), np.full(16, -5, np.int32)
    _ends(source, target, count)
    assert (target[:count] == source[:count] + 1).all()
    assert (target[count:] == -5).all()


@njit
def _gathered(values: Any, places: Any, out: Any) -> None:
    simd.prefetch(values, 10**6)
    for i in range(0, places.size, 8):
        at = simd.load(simd.u32x8, places, i)
        simd.store(out, i, simd.gather(values, at))
        simd.store(out, i, simd.gather(values, simd.convert(simd.i64x8, at)))


@pytest.mark.parametrize("dtype", [np.float32, np.uint64, np.int16])
def test_gather(dtype: Any) -> None:
    values = RNG.integers(0, 99, 500).astype(dtype)
    places = RNG.integers(0, 500, 32).astype(np.uint32)
    out = np.zeros(32, dtype)
    _gathered(values, places, out)
    assert (out == values[places]).all()


@njit
def _streamed(source: Any, target: Any) -> None:
    for i in range(0, source.size, 16):
        simd.store_stream(target, i, simd.load(simd.f32x16, source, i))


def test_stream() -> None:
    raw = np.zeros(128 * 4 + 64, np.uint8)
    start = -raw.ctypes.data % 64
    target = raw[start : start + 512].view(np.float32)
    _streamed(NUMBERS.ravel(), target)
    assert (target == NUMBERS.ravel()).all()
    if simd.has("sse2"):
        assert "movnt" in "".join(_streamed.inspect_asm().values())


@njit
def _bits(x: Any) -> Any:
    found = [np.int64(0) for _ in range(0)]
    while x:
        found.append(simd.ctz(x))
        x = simd.clear_lowest(x)
    return found


@njit
def _counts(x: Any) -> Any:
    return simd.popcount(x), simd.clz(x), simd.ctz(x)


def test_bits_of_numbers() -> None:
    assert _bits(np.uint64(0x8000000000000411)) == [0, 4, 10, 63]
    assert _counts(np.uint32(0x00F0)) == (4, 24, 4)
    assert _counts(np.int8(-1)) == (8, 0, 0)
    assert _counts(np.uint64(0)) == (0, 64, 64)


def strided(a: Any) -> Any:
    return simd.load(np.uint8, a[::2], 0)


def by_address(a: Any) -> Any:
    return simd.load(np.uint8, a.ctypes.data, 0)


def two_types(a: Any) -> Any:
    return simd.any(simd.load(simd.u8x16, a, 0) == simd.load(simd.i8x16, a, 0))


def half_a_number(a: Any) -> Any:
    return simd.lane(simd.load(simd.u8x16, a, 0) + 0.5, 0)


def no_constant(a: Any) -> Any:
    return simd.lane(simd.shuffle(simd.load(simd.u8x16, a, 0), (a[0], 1, 2, 3)), 0)


def no_type(a: Any) -> Any:
    return simd.load(a, a, 0)


def logic_of_floats(a: Any) -> Any:
    return simd.lane(~simd.load(simd.f32x4, a, 0), 0)


def other_mask(a: Any) -> Any:
    x = simd.load(simd.u8x16, a, 0)
    return simd.lane(simd.compress(x, simd.first(simd.m8, 3)), 0)


REFUSED = {
    strided: "not a contiguous array",
    by_address: "not a contiguous array",
    two_types: "not vectors of one type: u8x16, i8x16",
    half_a_number: "beside the integer lanes of u8x16",
    no_constant: "is not a constant",
    no_type: "does not name a type",
    logic_of_floats: "not defined for the float lanes of f32x4",
    other_mask: "m8 does not mask u8x16",
}


@pytest.mark.parametrize(
    ("kernel", "reason"), REFUSED.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_what_is_refused_says_why(kernel: Callable[..., Any], reason: str) -> None:
    with pytest.raises(TypingError, match=reason):
        njit(kernel)(BYTES.copy())


def test_a_read_only_array_is_not_written() -> None:
    fixed = BYTES.copy()
    fixed.setflags(write=False)
    with pytest.raises(TypingError, match="read-only"):
        njit(lambda a: simd.store(a, 0, np.uint8(1)))(fixed)


def test_outside_compiled_code_it_says_so() -> None:
    with pytest.raises(TypeError, match="compiled code only"):
        simd.load(simd.u8x16, BYTES, 0)
