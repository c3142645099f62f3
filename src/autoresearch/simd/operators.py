"""Python's operators on vectors and masks, from three tables.

A number beside a vector is taken to every lane first, as a value of the lane's type: integers wrap,
floats round. Integers wrap around; a shift by a lane's width or more leaves nothing but the sign.
"""

from __future__ import annotations

import operator
from typing import Any

from numba import types
from numba.core.errors import TypingError

from .emit import Emit, Kind, Value, register, vectors
from .kinds import Mask, Vector

# operator -> llvmlite's builder method for integer lanes, for float lanes.
ARITHMETIC = {
    operator.add: ("add", "fadd"),
    operator.sub: ("sub", "fsub"),
    operator.mul: ("mul", "fmul"),
    operator.truediv: ("", "fdiv"),
    operator.and_: ("and_", ""),
    operator.or_: ("or_", ""),
    operator.xor: ("xor", ""),
    operator.lshift: ("shl", ""),
    operator.rshift: ("ashr lshr", ""),
}
COMPARISONS = {
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}
UNARY = {operator.neg: ("neg", "fneg"), operator.invert: ("not_", "")}
SHIFTS = ("shl", "ashr", "lshr")
LOGIC = ("and_", "or_", "xor")


def common(a: Kind, b: Kind) -> Kind:
    """The vector type that an operator works on; one side may be a number."""
    if isinstance(a, Vector) and isinstance(b, Vector):
        return vectors(a, b)
    kind, other = (a, b) if isinstance(a, Vector) else (b, a)
    if not isinstance(kind, Vector):
        raise TypingError(f"neither {a} nor {b} is a vector")
    if not isinstance(types.unliteral(other), types.Integer | types.Float):
        raise TypingError(f"{other} is not a number")
    if isinstance(types.unliteral(other), types.Float) and not kind.is_float:
        raise TypingError(f"{other} beside the integer lanes of {kind}: convert one of them")
    return kind


def lifted(e: Emit, kind: Kind, source: Kind, value: Value) -> Value:
    """An operand as a vector."""
    if isinstance(source, Vector | Mask):
        return value
    return e.splat(kind, e.cast(value, source, kind.scalar))


def shifted(e: Emit, kind: Vector, method: str, value: Value, amount: Value) -> Value:
    """LLVM leaves a shift by too much undefined; here it shifts everything out."""
    last = e.constant(kind, kind.bits - 1)
    fits = e.build.icmp_unsigned("<=", amount, last)
    if method == "ashr":
        return e.build.ashr(value, e.build.select(fits, amount, last))
    safe = getattr(e.build, method)(value, e.build.select(fits, amount, last))
    return e.build.select(fits, safe, e.constant(kind, 0))


def _signed(methods: str, signed: bool) -> str:
    """One name, or one for signed and one for unsigned lanes."""
    return methods.split()[0 if signed else -1] if methods else ""


def _arithmetic(function: Any, integer: str, floating: str) -> Any:
    def rule(a: Kind, b: Kind) -> Any:
        kind = common(a, b)
        method = floating if kind.is_float else _signed(integer, kind.signed)
        if not method:
            raise TypingError(f"{function.__name__} is not defined for the lanes of {kind}")

        def emit(e: Emit, x: Value, y: Value) -> Value:
            x, y = lifted(e, kind, a, x), lifted(e, kind, b, y)
            if method in SHIFTS:
                return shifted(e, kind, method, x, y)
            return getattr(e.build, method)(x, y)

        return kind, emit

    return rule


def _comparison(sign: str) -> Any:
    def rule(a: Kind, b: Kind) -> Any:
        kind = common(a, b)

        def emit(e: Emit, x: Value, y: Value) -> Value:
            x, y = lifted(e, kind, a, x), lifted(e, kind, b, y)
            if not kind.is_float:
                compare = e.build.icmp_signed if kind.signed else e.build.icmp_unsigned
            else:  # a NaN differs from everything, and nothing else holds for it
                compare = e.build.fcmp_unordered if sign == "!=" else e.build.fcmp_ordered
            return compare(sign, x, y)

        return kind.mask, emit

    return rule


def _unary(integer: str, floating: str) -> Any:
    def rule(a: Kind) -> Any:
        method = floating if isinstance(a, Vector) and a.is_float else integer
        if not method:
            raise TypingError(f"not defined for the float lanes of {a}")
        return a, lambda e, x: getattr(e.build, method)(x)

    return rule


def _logic(method: str) -> Any:
    def rule(a: Kind, b: Kind) -> Any:
        if a != b:
            raise TypingError(f"masks of different types: {a}, {b}")
        return a, lambda e, x, y: getattr(e.build, method)(x, y)

    return rule


def _in_place(function: Any) -> Any:
    """`+=` for `+`: numba does not fall back from one to the other."""
    return getattr(operator, f"i{function.__name__.rstrip('_')}")


def _register_all() -> None:
    pairs = ((Vector, Vector), (Vector, types.Number), (types.Number, Vector))
    for plain, (integer, floating) in ARITHMETIC.items():
        for function in (plain, _in_place(plain)):
            for pair in pairs:
                register(function, _arithmetic(plain, integer, floating), *pair)
            if integer in LOGIC:
                register(function, _logic(integer), Mask, Mask)
    for function, sign in COMPARISONS.items():
        for pair in pairs:
            register(function, _comparison(sign), *pair)
    for function, (integer, floating) in UNARY.items():
        register(function, _unary(integer, floating), Vector)
    register(operator.invert, _unary("not_", ""), Mask)


_register_all()
