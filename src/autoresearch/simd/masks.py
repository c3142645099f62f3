"""Masks as integers and back, questions to them, and one number from all lanes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError

from .emit import I8, Emit, Kind, Value, integer, named, operation, suffix, vectors
from .kinds import Mask, Vector
from .lanes import order

Pair = Callable[[Emit, Vector, Value, Value], Value]


def _mask(kind: Kind) -> Mask:
    if not isinstance(kind, Mask):
        raise TypingError(f"{kind} is not a mask")
    return kind


def _flat(e: Emit, kind: Mask, value: Value) -> Value:
    return e.build.bitcast(value, ir.IntType(kind.lanes))


@operation
def bits(a: Kind) -> Any:
    """The mask as an uint64, lane 0 in the lowest bit."""
    kind = _mask(a)

    def emit(e: Emit, x: Value) -> Value:
        flat = _flat(e, kind, x)
        return flat if kind.lanes == 64 else e.build.zext(flat, ir.IntType(64))

    return types.uint64, emit


@operation
def mask(T: Kind, value: Kind) -> Any:
    """The mask whose lanes are the low bits of an integer."""
    kind = _mask(named(T))
    plain = integer(value)

    def emit(e: Emit, _: Value, x: Value) -> Value:
        whole = e.cast(x, plain, types.uint64)
        if kind.lanes < 64:
            whole = e.build.trunc(whole, ir.IntType(kind.lanes))
        return e.build.bitcast(whole, kind.llvm)

    return kind, emit


@operation
def first(T: Kind, count: Kind) -> Any:
    """The mask of the first `count` lanes: none below zero, all beyond the last."""
    kind = _mask(named(T))
    plain = integer(count)
    lanes = Vector("u8", kind.lanes)

    def emit(e: Emit, _: Value, x: Value) -> Value:
        signed = "s" if plain.signed else "u"
        x = e.cast(x, plain, types.int64 if plain.signed else types.uint64)
        x = e.call(f"llvm.{signed}min.i64", x.type, x, x.type(kind.lanes))
        if plain.signed:
            x = e.call("llvm.smax.i64", x.type, x, x.type(0))
        bound = e.splat(lanes, e.build.trunc(x, I8))
        return e.build.icmp_unsigned("<", e.constant(lanes, range(kind.lanes)), bound)

    return kind, emit


@operation
def any(a: Kind) -> Any:
    """Whether some lane is set."""
    kind = _mask(a)
    return types.boolean, lambda e, x: e.build.icmp_unsigned(
        "!=", _flat(e, kind, x), ir.IntType(kind.lanes)(0)
    )


@operation
def all(a: Kind) -> Any:
    """Whether every lane is set."""
    kind = _mask(a)
    return types.boolean, lambda e, x: e.build.icmp_unsigned(
        "==", _flat(e, kind, x), ir.IntType(kind.lanes)(-1)
    )


@operation
def count(a: Kind) -> Any:
    """How many lanes are set, as an int64."""
    kind = _mask(a)

    def emit(e: Emit, x: Value) -> Value:
        flat = _flat(e, kind, x)
        flat = flat if kind.lanes == 64 else e.build.zext(flat, ir.IntType(64))
        return e.call("llvm.ctpop.i64", flat.type, flat)

    return types.int64, emit


def _reduced(a: Kind, name: str, pair: Pair | None = None) -> Any:
    """Integers by LLVM's own reduction; floats by halves, so that the order is the same anywhere:
    ((0+4) + (2+6)) + ((1+5) + (3+7)) of eight lanes."""
    kind = vectors(a)

    def emit(e: Emit, x: Value) -> Value:
        if not kind.is_float or pair is None:
            whole = f"llvm.vector.reduce.{name}.{suffix(kind)}"
            return e.call(whole, kind.llvm.element, x)
        lanes = kind.lanes
        while lanes > 1:
            lanes //= 2
            x = pair(e, kind.of(lanes), e.cut(x, 0, lanes), e.cut(x, lanes, lanes))
        return e.build.extract_element(x, ir.IntType(32)(0))

    return kind.scalar, emit


@operation
def reduce_add(a: Kind) -> Any:
    """The sum of all lanes, of the lane's type: integers wrap, floats are added by halves."""
    return _reduced(a, "add", lambda e, kind, x, y: e.build.fadd(x, y))


@operation
def reduce_min(a: Kind) -> Any:
    """The least lane; lanes that are NaN make it arbitrary."""
    return _reduced(
        a, "smin" if vectors(a).signed else "umin", lambda e, kind, x, y: order(e, kind, x, y, True)
    )


@operation
def reduce_max(a: Kind) -> Any:
    """The greatest lane; lanes that are NaN make it arbitrary."""
    return _reduced(
        a,
        "smax" if vectors(a).signed else "umax",
        lambda e, kind, x, y: order(e, kind, x, y, False),
    )


@operation
def reduce_and(a: Kind) -> Any:
    """The bits that all lanes have."""
    return _reduced(vectors(a, floats=False), "and")


@operation
def reduce_or(a: Kind) -> Any:
    """The bits that some lane has."""
    return _reduced(vectors(a, floats=False), "or")


@operation
def reduce_xor(a: Kind) -> Any:
    """The bits that an odd number of lanes have."""
    return _reduced(vectors(a, floats=False), "xor")
