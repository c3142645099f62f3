"""Operations on each lane by itself, and the same on single numbers where that has a meaning."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError

from .emit import I1, Emit, Kind, Value, integer, operation, suffix, vectors
from .kinds import Vector
from .operators import common, lifted
from .target import has

FUSED = "llvm.x86.avx512.vpdpbusd"
WORDS = {
    128: ("sse2", "llvm.x86.sse2.pmadd.wd"),
    256: ("avx2", "llvm.x86.avx2.pmadd.wd"),
    512: ("avx512bw", "llvm.x86.avx512.pmaddw.d.512"),
}


def order(e: Emit, kind: Vector, a: Value, b: Value, least: bool) -> Value:
    """The lesser or greater of two, lane by lane; of floats `a if a < b else b`, as in C."""
    if not kind.is_float:
        return e.generic(("s" if kind.signed else "u") + ("min" if least else "max"), kind, a, b)
    return e.build.select(e.build.fcmp_ordered("<" if least else ">", a, b), a, b)


@operation
def min(a: Kind, b: Kind) -> Any:
    """The lesser of two, `a if a < b else b`: b where either is a NaN."""
    return _either(a, b, True)


@operation
def max(a: Kind, b: Kind) -> Any:
    """The greater of two, `a if a > b else b`: b where either is a NaN."""
    return _either(a, b, False)


def _either(a: Kind, b: Kind, least: bool) -> Any:
    kind = common(a, b)

    def emit(e: Emit, x: Value, y: Value) -> Value:
        return order(e, kind, lifted(e, kind, a, x), lifted(e, kind, b, y), least)

    return kind, emit


@operation
def abs(a: Kind) -> Any:
    """Without its sign; the least integer stays what it is."""
    kind = vectors(a)
    if kind.is_float:
        return kind, lambda e, x: e.generic("fabs", kind, x)
    if not kind.signed:
        return kind, lambda e, x: x
    return kind, lambda e, x: e.call(f"llvm.abs.{suffix(kind)}", kind.llvm, x, I1(0))


@operation
def sqrt(a: Kind) -> Any:
    """Correctly rounded."""
    kind = vectors(a, floats=True)
    return kind, lambda e, x: e.generic("sqrt", kind, x)


@operation
def fma(a: Kind, b: Kind, c: Kind) -> Any:
    """a * b + c, rounded once, whatever the processor: slow where it has no such instruction."""
    kind = vectors(a, b, c, floats=True)
    return kind, lambda e, x, y, z: e.generic("fma", kind, x, y, z)


def _saturating(name: str, a: Kind, b: Kind) -> Any:
    kind = common(a, b)
    if kind.is_float:
        raise TypingError(f"{kind} has float lanes")

    def emit(e: Emit, x: Value, y: Value) -> Value:
        x, y = lifted(e, kind, a, x), lifted(e, kind, b, y)
        return e.generic(f"{'s' if kind.signed else 'u'}{name}.sat", kind, x, y)

    return kind, emit


@operation
def add_sat(a: Kind, b: Kind) -> Any:
    """a + b, or the nearest that the lane holds."""
    return _saturating("add", a, b)


@operation
def sub_sat(a: Kind, b: Kind) -> Any:
    """a - b, or the nearest that the lane holds."""
    return _saturating("sub", a, b)


def _wider(kind: Vector) -> ir.VectorType:
    if kind.is_float or kind.bits == 64:
        raise TypingError(f"not defined for the lanes of {kind}")
    return ir.VectorType(ir.IntType(2 * kind.bits), kind.lanes)


@operation
def avg(a: Kind, b: Kind) -> Any:
    """(a + b + 1) >> 1, without overflow."""
    kind = vectors(a, b)
    wide = _wider(kind)

    def emit(e: Emit, x: Value, y: Value) -> Value:
        widen = e.build.sext if kind.signed else e.build.zext
        total = e.build.add(e.build.add(widen(x, wide), widen(y, wide)), _ones(wide, 1))
        return e.build.trunc(e.build.lshr(total, _ones(wide, 1)), kind.llvm)

    return kind, emit


@operation
def mulhi(a: Kind, b: Kind) -> Any:
    """The upper half of the product."""
    kind = vectors(a, b)
    wide = _wider(kind)

    def emit(e: Emit, x: Value, y: Value) -> Value:
        widen = e.build.sext if kind.signed else e.build.zext
        product = e.build.mul(widen(x, wide), widen(y, wide))
        return e.build.trunc(e.build.lshr(product, _ones(wide, kind.bits)), kind.llvm)

    return kind, emit


def _ones(kind: ir.VectorType, value: int) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


@operation
def dot(total: Kind, a: Kind, b: Kind) -> Any:
    """total + the sums of four products of bytes each: i32xN, u8x4N, i8x4N; wraps around."""
    if not isinstance(total, Vector) or total.kind != "i32" or total.width < 128:
        raise TypingError(f"{total} is not a vector of i32 of 128 bits or more")
    if a != Vector("u8", 4 * total.lanes) or b != Vector("i8", 4 * total.lanes):
        raise TypingError(f"{total} takes u8x{4 * total.lanes} and i8x{4 * total.lanes}")
    return total, _sum_of_products


def _sum_of_products(e: Emit, s: Value, x: Value, y: Value) -> Value:
    """By the widest instruction there is: of halves, where the vector is wider."""
    width = 32 * s.type.count
    if _fused(width):
        return e.call(f"{FUSED}.{width}", s.type, s, x, y)
    if name := _of_words(width):
        return _by_words(e, name, s, x, y)
    if width > 128 and (_fused(width // 2) or _of_words(width // 2)):
        parts = zip(*(e.halves(value) for value in (s, x, y)), strict=True)
        return e.join(*(_sum_of_products(e, *part) for part in parts))
    for at in range(4):
        every = range(at, 4 * s.type.count, 4)
        left = e.build.zext(e.shuffle(x, x, every), s.type)
        right = e.build.sext(e.shuffle(y, y, every), s.type)
        s = e.build.add(s, e.build.mul(left, right))
    return s


def _fused(width: int) -> bool:
    if width == 512:
        return has("avx512vnni")
    return has("avxvnni") or (has("avx512vnni") and has("avx512vl"))


def _of_words(width: int) -> str:
    """LLVM's name of the instruction that adds up two products of words."""
    feature, name = WORDS[width]
    return name if has(feature) else ""


def _by_words(e: Emit, name: str, s: Value, x: Value, y: Value) -> Value:
    """Bytes at even places and at odd ones, each as words: 2 * 255 * 128 is far from overflowing,
    where the instruction for bytes saturates."""
    words = ir.VectorType(ir.IntType(16), 2 * s.type.count)
    x, y, eight = e.build.bitcast(x, words), e.build.bitcast(y, words), _ones(words, 8)
    even = e.build.and_(x, _ones(words, 255)), e.build.ashr(e.build.shl(y, eight), eight)
    odd = e.build.lshr(x, eight), e.build.ashr(y, eight)
    return e.build.add(e.build.add(s, e.call(name, s.type, *even)), e.call(name, s.type, *odd))


def _counted(name: str, a: Kind) -> Any:
    """A bit count: of each lane as a lane, of a number as an int64 that adds to indices."""
    flags = () if name == "ctpop" else (I1(0),)
    if isinstance(a, Vector):
        kind = vectors(a, floats=False)
        return kind, lambda e, x: e.call(f"llvm.{name}.{suffix(kind)}", kind.llvm, x, *flags)
    plain = integer(a)

    def emit(e: Emit, x: Value) -> Value:
        x = e.cast(x, a, plain)
        found = e.call(f"llvm.{name}.i{plain.bitwidth}", x.type, x, *flags)
        return e.cast(found, getattr(types, f"uint{plain.bitwidth}"), types.int64)

    return types.int64, emit


@operation
def popcount(a: Kind) -> Any:
    """How many bits are set."""
    return _counted("ctpop", a)


@operation
def clz(a: Kind) -> Any:
    """How many bits are clear above the highest set one; all, of zero."""
    return _counted("ctlz", a)


@operation
def ctz(a: Kind) -> Any:
    """How many bits are clear below the lowest set one; all, of zero."""
    return _counted("cttz", a)


@operation
def clear_lowest(a: Kind) -> Any:
    """a & (a - 1) of an integer, of its own type: the next step through the bits of a mask."""
    plain = integer(a)

    def emit(e: Emit, x: Value) -> Value:
        x = e.cast(x, a, plain)
        return e.build.and_(x, e.build.sub(x, x.type(1)))

    return plain, emit


def _funnel(kind: Vector, amount: Kind, high: int, low: int) -> Any:
    if kind.is_float:
        raise TypingError(f"{kind} has float lanes")
    common(kind, amount)

    def emit(e: Emit, *values: Value) -> Value:
        by = lifted(e, kind, amount, values[-1])
        return e.generic("fshl", kind, values[high], values[low], by)

    return kind, emit


@operation
def rotate(a: Kind, amount: Kind) -> Any:
    """Bits moved to the left and around, by an amount modulo the lane's bits."""
    return _funnel(vectors(a), amount, 0, 0)


@operation
def funnel(high: Kind, low: Kind, amount: Kind) -> Any:
    """The upper half of `high:low` moved to the left, by an amount modulo the lane's bits."""
    return _funnel(vectors(high, low), amount, 0, 1)


@operation
def select(mask: Kind, a: Kind, b: Kind) -> Any:
    """a where the mask is set, b elsewhere."""
    kind = common(a, b)
    if mask != kind.mask:
        raise TypingError(f"{mask} does not choose between {kind}")

    def emit(e: Emit, m: Value, x: Value, y: Value) -> Value:
        return e.build.select(m, lifted(e, kind, a, x), lifted(e, kind, b, y))

    return kind, emit
