"""What the operations mean, in numpy and in Python's own integers and fractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def bits(mask: Array) -> np.uint64:
    return np.uint64(sum(int(bit) << lane for lane, bit in enumerate(mask)))


def wide(x: Array) -> Array:
    return x.astype(object)


def empty(dtype: str) -> Array:
    return np.empty(0, dtype)


def wrapped(values: Any, like: Array) -> Array:
    size = like.itemsize
    unsigned = np.array([int(v) % (1 << 8 * size) for v in values], f"u{size}")
    return unsigned.view(like.dtype)


def clipped(values: Any, like: Array) -> Array:
    edge = np.iinfo(like.dtype)
    return np.array([min(max(int(v), edge.min), edge.max) for v in values], like.dtype)


def raw(x: Array) -> list[int]:
    """The lanes as unsigned integers."""
    return [int(v) % (1 << 8 * x.itemsize) for v in x]


def shifted(x: Array, by: Array, left: bool) -> Array:
    moved = zip(x, raw(by), strict=True)
    return wrapped([int(v) << b if left else int(v) >> b for v, b in moved], x)


def funnelled(high: Array, low: Array, by: Array) -> Array:
    size = 8 * high.itemsize
    lanes = zip(raw(high), raw(low), raw(by), strict=True)
    return wrapped([((h << size | lo) << b % size) >> size for h, lo, b in lanes], high)


def clz(x: Array) -> Array:
    return wrapped([8 * x.itemsize - v.bit_length() for v in raw(x)], x)


def ctz(x: Array) -> Array:
    return wrapped([(v & -v).bit_length() - 1 if v else 8 * x.itemsize for v in raw(x)], x)


def popcount(x: Array) -> Array:
    return wrapped([v.bit_count() for v in raw(x)], x)


def halved(x: Array, pair: Callable[[Array, Array], Array]) -> Array:
    while x.size > 1:
        x = pair(x[: x.size // 2], x[x.size // 2 :])
    return x


def fused(x: Array, y: Array, z: Array) -> Array:
    lanes = zip(x.tolist(), y.tolist(), z.tolist(), strict=True)
    return np.array([_nearest(Fraction(a) * Fraction(b) + Fraction(c), x) for a, b, c in lanes])


def _nearest(exact: Fraction, like: Array) -> Any:
    """Among three neighbours: rounding to f64 and then to f32 may miss the nearest f32."""
    near = like.dtype.type(float(exact))
    around = [np.nextafter(near, like.dtype.type(to)) for to in (-np.inf, np.inf)]
    return min([near, *around], key=lambda v: abs(Fraction(float(v)) - exact))


def dotted(x: Array, y: Array, z: Array) -> Array:
    products = x.view(np.uint8).astype(np.int64) * y.view(np.int8).astype(np.int64)
    total = z.view(np.int32)
    return wrapped(total.astype(np.int64) + products.reshape(-1, 4).sum(1), total)


def converted(x: Array, target: str) -> Array:
    to = np.dtype(target)
    if to.kind == "f":
        return x.astype(to)
    if x.dtype.kind != "f":
        return wrapped(x, empty(target))
    edge = np.iinfo(to)
    inside = [0 if np.isnan(v) else min(max(v, edge.min), edge.max) for v in x.tolist()]
    return np.array([int(v) for v in inside], to)


def compressed(x: Array, mask: Array) -> Array:
    out = np.zeros_like(x)
    out[: mask.sum()] = x[mask]
    return out


def expanded(x: Array, mask: Array) -> Array:
    out = np.zeros_like(x)
    out[mask] = x[: mask.sum()]
    return out
