"""Lanes that change places: by a constant order, by indices, by a mask."""

from __future__ import annotations

from typing import Any

from numba.core.errors import TypingError

from .emit import Emit, Kind, Value, constant_of, operation, suffix, vectors
from .kinds import Vector, made
from .permute import packed, permuted, permuted2
from .target import has


@operation
def shuffle(a: Kind, b: Kind, order: Kind = None) -> Any:
    """Lanes order[0], order[1], ... of a, or of a with b behind it: `shuffle(a, (3, 2, 1, 0))`.

    `order` is a constant tuple; its length, a power of two, is the number of lanes that result.
    """
    if order is None:
        kind, wanted = vectors(a), constant_of(b)
    else:
        kind, wanted = vectors(a, b), constant_of(order)
    lanes = kind.lanes if order is None else 2 * kind.lanes
    if not isinstance(wanted, tuple) or not all(at in range(lanes) for at in wanted):
        raise TypingError(f"the order of a shuffle is a constant tuple of lanes below {lanes}")

    def emit(e: Emit, x: Value, y: Value, *_: Value) -> Value:
        return e.shuffle(x, x if order is None else y, wanted)

    return made(kind.kind, len(wanted)), emit


def _looked_up(kind: Vector, index: Kind) -> Vector:
    if not isinstance(index, Vector) or index.is_float or index.bits != kind.bits:
        raise TypingError(f"{index} has no integer lanes of {kind.bits} bits")
    return made(kind.kind, index.lanes)


@operation
def lookup(table: Kind, index: Kind) -> Any:
    """table[index[i]] in lane i; an index counts modulo the lanes of the table."""
    kind = vectors(table)
    result = _looked_up(kind, index)

    def emit(e: Emit, x: Value, at: Value) -> Value:
        return e.build.bitcast(permuted(e, e.build.bitcast(x, kind.whole.llvm), at), result.llvm)

    return result, emit


@operation
def lookup2(low: Kind, high: Kind, index: Kind) -> Any:
    """As `lookup`, in a table of two vectors."""
    kind = vectors(low, high)
    result = _looked_up(kind, index)

    def emit(e: Emit, x: Value, y: Value, at: Value) -> Value:
        x, y = e.build.bitcast(x, kind.whole.llvm), e.build.bitcast(y, kind.whole.llvm)
        return e.build.bitcast(permuted2(e, x, y, at), result.llvm)

    return result, emit


@operation
def compress(a: Kind, mask: Kind) -> Any:
    """The lanes in the mask, moved together at the bottom; zero above them."""
    kind = _masked(a, mask)
    if _native(kind):
        name = f"llvm.x86.avx512.mask.compress.{suffix(kind)}"
        return kind, lambda e, x, m: e.call(name, kind.llvm, x, e.constant(kind, 0), m)
    by_indices = kind.lanes <= 8 and has("bmi2") and has("avx2")
    return kind, lambda e, x, m: packed(e, x, m, by_indices)


@operation
def expand(a: Kind, mask: Kind) -> Any:
    """The bottom lanes, in order, where the mask is set; zero elsewhere."""
    kind = _masked(a, mask)
    if _native(kind):
        name = f"llvm.x86.avx512.mask.expand.{suffix(kind)}"
        return kind, lambda e, x, m: e.call(name, kind.llvm, x, e.constant(kind, 0), m)

    def emit(e: Emit, x: Value, m: Value) -> Value:
        return e.generic("masked.expandload", kind, e.spill(x), m, e.constant(kind, 0))

    return kind, emit


def _native(kind: Vector) -> bool:
    """Whether AVX-512 compresses and expands vectors of this type."""
    there = has("avx512f" if kind.bits >= 32 else "avx512vbmi2")
    return there and (kind.width == 512 or (kind.width >= 128 and has("avx512vl")))


def _masked(a: Kind, mask: Kind) -> Vector:
    kind = vectors(a)
    if mask != kind.mask:
        raise TypingError(f"{mask} does not mask {kind}")
    return kind
