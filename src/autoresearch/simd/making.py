"""Vectors from numbers and constants, their parts, and the same values as another type."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core.errors import TypingError

from .emit import (
    I32,
    Emit,
    Kind,
    Value,
    constant_of,
    integer,
    named_vector,
    operation,
    parts,
    suffix,
    vectors,
)
from .kinds import Mask, Vector, made
from .operators import common, lifted


@operation
def splat(T: Kind, value: Kind) -> Any:
    """The number in every lane."""
    kind = named_vector(T)
    common(kind, value)
    return kind, lambda e, _, x: lifted(e, kind, value, x)


@operation
def zero(T: Kind) -> Any:
    """Zero in every lane."""
    kind = named_vector(T)
    return kind, lambda e, _: e.constant(kind, 0)


@operation
def iota(T: Kind) -> Any:
    """0, 1, 2, ..."""
    kind = named_vector(T)
    return kind, lambda e, _: e.constant(kind, range(kind.lanes))


@operation
def vector(T: Kind, values: Kind) -> Any:
    """The numbers of a tuple, one a lane."""
    kind = named_vector(T)
    if not isinstance(values, types.BaseTuple) or len(values) != kind.lanes:
        raise TypingError(f"{kind} takes a tuple of {kind.lanes} numbers")
    given = parts(values)
    for value in given:
        common(kind, value)

    def emit(e: Emit, _: Value, tupled: Value) -> Value:
        lanes = e.constant(kind, 0)
        for at, value in enumerate(given):
            one = e.cast(e.build.extract_value(tupled, at), value, kind.scalar)
            lanes = e.build.insert_element(lanes, one, I32(at))
        return lanes

    return kind, emit


def _at(kind: Vector, e: Emit, index: Kind, value: Value) -> Value:
    whole = e.cast(value, integer(index), types.int64)
    return e.build.and_(whole, whole.type(kind.lanes - 1))


@operation
def lane(a: Kind, index: Kind) -> Any:
    """The number in one lane; the index counts modulo the lanes."""
    kind = vectors(a)
    integer(index)
    return kind.scalar, lambda e, x, at: e.build.extract_element(x, _at(kind, e, index, at))


@operation
def with_lane(a: Kind, index: Kind, value: Kind) -> Any:
    """a with another number in one lane; the index counts modulo the lanes."""
    kind = vectors(a)
    integer(index)
    common(kind, value)

    def emit(e: Emit, x: Value, at: Value, y: Value) -> Value:
        return e.build.insert_element(x, e.cast(y, value, kind.scalar), _at(kind, e, index, at))

    return kind, emit


def _half(a: Kind, upper: int) -> Any:
    if not isinstance(a, Vector | Mask) or a.lanes < 4:
        raise TypingError(f"{a} has no halves")
    part = a.lanes // 2
    kind = Mask(part) if isinstance(a, Mask) else made(a.kind, part)
    return kind, lambda e, x: e.cut(x, upper * part, part)


@operation
def low(a: Kind) -> Any:
    """The lower half of the lanes, of a vector or a mask."""
    return _half(a, 0)


@operation
def high(a: Kind) -> Any:
    """The upper half of the lanes, of a vector or a mask."""
    return _half(a, 1)


@operation
def concat(a: Kind, b: Kind) -> Any:
    """The lanes of b behind those of a; vectors or masks."""
    if a != b or not isinstance(a, Vector | Mask) or a.lanes == 64:
        raise TypingError(f"{a} and {b} make no vector")
    kind = Mask(2 * a.lanes) if isinstance(a, Mask) else made(a.kind, 2 * a.lanes)
    return kind, lambda e, x, y: e.join(x, y)


@operation
def bitcast(T: Kind, a: Kind) -> Any:
    """The same bits as lanes of another type."""
    kind = named_vector(T)
    if not isinstance(a, Vector) or a.width != kind.width:
        raise TypingError(f"{a} and {kind} differ in width")
    return kind, lambda e, _, x: e.build.bitcast(x, kind.llvm)


@operation
def convert(T: Kind, a: Kind) -> Any:
    """The same numbers, as far as T has them: narrower integers wrap; floats lose their fraction
    and go to the nearest integer that the lane holds, NaN to 0."""
    kind, source = _pair(T, a)
    return kind, lambda e, _, x: _converted(e, source, kind, x)


def _converted(e: Emit, source: Vector, kind: Vector, x: Value) -> Value:
    if source.is_float and kind.is_float:
        method = {-1: "fptrunc", 0: "bitcast", 1: "fpext"}[_sign(kind.bits - source.bits)]
    elif source.is_float:
        name = f"llvm.fpto{'s' if kind.signed else 'u'}i.sat.{suffix(kind)}.{suffix(source)}"
        return e.call(name, kind.llvm, x)
    elif kind.is_float:
        method = "sitofp" if source.signed else "uitofp"
    else:
        grow = "sext" if source.signed else "zext"
        method = {-1: "trunc", 0: "bitcast", 1: grow}[_sign(kind.bits - source.bits)]
    return getattr(e.build, method)(x, kind.llvm)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


@operation
def saturate(T: Kind, a: Kind) -> Any:
    """Integers as narrower ones: what does not fit goes to the nearest that does."""
    kind, source = _pair(T, a)
    if kind.is_float or source.is_float or kind.bits >= source.bits:
        raise TypingError(f"{kind} is not narrower than {source}, or not of integers")

    def emit(e: Emit, _: Value, x: Value) -> Value:
        prefix = "s" if source.signed else "u"
        least, most = _range(kind)
        x = e.generic(f"{prefix}min", source, x, e.constant(source, most))
        if source.signed:
            x = e.generic("smax", source, x, e.constant(source, least))
        return e.build.trunc(x, kind.llvm)

    return kind, emit


def _range(kind: Vector) -> tuple[int, int]:
    if not kind.signed:
        return 0, (1 << kind.bits) - 1
    return -(1 << kind.bits - 1), (1 << kind.bits - 1) - 1


def _pair(T: Kind, a: Kind) -> tuple[Vector, Vector]:
    kind = named_vector(T)
    if not isinstance(a, Vector) or a.lanes != kind.lanes:
        raise TypingError(f"{a} and {kind} differ in lanes")
    return kind, a


@operation
def repeat(value: Kind, count: Kind) -> Any:
    """A tuple of `count` times the same vector or number: accumulators, to change with `put`."""
    times = constant_of(count)
    if not isinstance(times, int) or times < 1:
        raise TypingError(f"{count} is not a number of times")
    kind = types.UniTuple(types.unliteral(value), times)

    def emit(e: Emit, x: Value, _: Value) -> Value:
        x = e.cast(x, value, kind.dtype)
        return e.context.make_tuple(e.build, kind, [x] * times)

    return kind, emit


@operation
def put(values: Kind, index: Kind, value: Kind) -> Any:
    """The tuple with another value at `index`, which counts from 0 and must be inside."""
    if not isinstance(values, types.UniTuple) or types.unliteral(value) != values.dtype:
        raise TypingError(f"{value} does not go into {values}")
    plain = integer(index)

    def emit(e: Emit, x: Value, at: Value, y: Value) -> Value:
        if isinstance(index, types.Literal):
            return e.build.insert_value(x, y, _inside(values, index.literal_value))
        place = e.spill(x)
        at = e.cast(at, plain, types.intp)
        e.build.store(y, e.slot(place, at, x.type.element))
        return e.build.load(place, typ=x.type)

    if isinstance(index, types.Literal):
        _inside(values, index.literal_value)
    return values, emit


def _inside(values: Kind, index: int) -> int:
    if not 0 <= index < values.count:
        raise TypingError(f"there is no item {index} in {values}")
    return index
