"""Between arrays and registers. An index counts the array's own elements, whatever the lanes are:
from an array of bytes it is an offset in bytes. Nothing is checked, as in compiled code at large.

Arrays only, never addresses; they lie contiguously, so that a vector is a run of elements.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError

from .emit import I32, Emit, Kind, Value, integer, named, named_vector, operation, parts, suffix
from .kinds import Mask, Vector, made


@operation
def load(T: Kind, array: Kind, index: Kind) -> Any:
    """The T that begins at array[index]: a vector, or one number (T is np.uint32, say).

    `index` is an integer, which counts through all elements in order, or one integer for each axis.
    """
    kind = named(T)
    place = _place(array, index)

    def emit(e: Emit, _: Value, base: Value, at: Value) -> Value:
        return e.build.load(place(e, base, at), typ=_llvm(e, kind), align=1)

    return kind, emit


@operation
def store(array: Kind, index: Kind, value: Kind) -> Any:
    """Write a vector, or a number as wide as it is (a plain 5: eight bytes), from array[index]."""
    place = _place(array, index, write=True)
    _storable(value)

    def emit(e: Emit, base: Value, at: Value, x: Value) -> Value:
        return e.build.store(x, place(e, base, at), align=1)

    return types.void, emit


@operation
def store_stream(array: Kind, index: Kind, value: Kind) -> Any:
    """Write past the caches. array[index] must be aligned to the whole vector, else it crashes."""
    place = _place(array, index, write=True)
    if not isinstance(value, Vector):
        raise TypingError(f"{value} is not a vector")

    def emit(e: Emit, base: Value, at: Value, x: Value) -> Value:
        written = e.build.store(x, place(e, base, at), align=value.width // 8)
        written.set_metadata("nontemporal", e.build.module.add_metadata([I32(1)]))
        return written

    return types.void, emit


@operation
def load_masked(T: Kind, array: Kind, index: Kind, mask: Kind) -> Any:
    """Load the lanes in `mask` and touch no memory of the others, which are zero."""
    kind = _masked(named_vector(T), mask)
    place = _place(array, index)

    def emit(e: Emit, _: Value, base: Value, at: Value, m: Value) -> Value:
        arguments = (place(e, base, at), I32(1), m, e.constant(kind, 0))
        return e.call(f"llvm.masked.load.{suffix(kind)}.p0", kind.llvm, *arguments)

    return kind, emit


@operation
def store_masked(array: Kind, index: Kind, value: Kind, mask: Kind) -> Any:
    """Store the lanes in `mask` and touch no memory of the others."""
    kind = _masked(value, mask)
    place = _place(array, index, write=True)

    def emit(e: Emit, base: Value, at: Value, x: Value, m: Value) -> Value:
        name = f"llvm.masked.store.{suffix(kind)}.p0"
        return e.call(name, ir.VoidType(), x, place(e, base, at), I32(1), m)

    return types.void, emit


@operation
def gather(array: Kind, indices: Kind) -> Any:
    """array[indices[i]] in lane i, as lanes of the array's own type."""
    pointer = _place(array, types.intp)
    if not isinstance(indices, Vector) or indices.is_float:
        raise TypingError(f"{indices} has no integer lanes")
    kind = made(f"{_letter(array.dtype)}{array.dtype.bitwidth}", indices.lanes)

    def emit(e: Emit, base: Value, at: Value) -> Value:
        wide = ir.VectorType(ir.IntType(64), kind.lanes)
        if indices.bits < 64:
            at = (e.build.sext if indices.signed else e.build.zext)(at, wide)
        start = pointer(e, base, ir.IntType(64)(0))
        places = e.build.gep(start, [at], source_etype=kind.llvm.element)
        places.type = ir.VectorType(start.type, kind.lanes)  # llvmlite has it scalar
        on = e.constant(Mask(kind.lanes), 1)
        name = f"llvm.masked.gather.{suffix(kind)}.v{kind.lanes}p0"
        return e.call(name, kind.llvm, places, I32(1), on, e.constant(kind, 0))

    return kind, emit


@operation
def prefetch(array: Kind, index: Kind) -> Any:
    """Ask for the cache line of array[index]; any index is harmless."""
    place = _place(array, index)

    def emit(e: Emit, base: Value, at: Value) -> Value:
        return e.call("llvm.prefetch.p0", ir.VoidType(), place(e, base, at), I32(0), I32(3), I32(1))

    return types.void, emit


def _place(array: Kind, index: Kind, write: bool = False) -> Any:
    """A function from the values of array and index to the address of the element."""
    if not isinstance(array, types.Array) or array.layout != "C":
        raise TypingError(f"{array} is not a contiguous array")
    if write and not array.mutable:
        raise TypingError(f"{array} is read-only")
    axes = parts(index)
    if len(axes) not in (1, array.ndim):
        raise TypingError(f"{len(axes)} indices for {array.ndim} axes")
    plain = [integer(axis) for axis in axes]

    def place(e: Emit, base: Value, at: Value) -> Value:
        fields = e.context.data_model_manager[array]
        tupled = isinstance(index, types.BaseTuple)
        values = [e.build.extract_value(at, n) if tupled else at for n in range(len(axes))]
        shape = e.build.extract_value(base, fields.get_field_position("shape"))
        data = e.build.extract_value(base, fields.get_field_position("data"))
        flat = None
        for axis, (kind, value) in enumerate(zip(plain, values, strict=True)):
            step = e.cast(value, kind, types.intp)
            if flat is not None:
                extent = e.build.extract_value(shape, axis)
                step = e.build.add(e.build.mul(flat, extent), step)
            flat = step
        element = e.context.get_data_type(array.dtype)
        return e.slot(data, flat, element)

    return place


def _storable(value: Kind) -> None:
    if not isinstance(value, Vector | types.Integer | types.Float):
        raise TypingError(f"{value} is neither a vector nor a number")


def _masked(kind: Kind, mask: Kind) -> Vector:
    if not isinstance(kind, Vector) or mask != kind.mask:
        raise TypingError(f"{mask} does not mask {kind}")
    return kind


def _llvm(e: Emit, kind: Kind) -> Any:
    return kind.llvm if isinstance(kind, Vector) else e.context.get_value_type(kind)


def _letter(dtype: Kind) -> str:
    if not isinstance(dtype, types.Integer | types.Float):
        raise TypingError(f"{dtype} is not a number type")
    return "f" if isinstance(dtype, types.Float) else str(dtype)[0]
