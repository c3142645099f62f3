"""The types of vectors and masks, as numba knows them: LLVM values that live in registers.

Knows no operation. Vectors never leave compiled code: they have no form as Python objects.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import models, register_model

from .names import MASKS, VECTORS

_FLOATS = {32: ir.FloatType(), 64: ir.DoubleType()}


def element(kind: str) -> ir.Type:
    """`f32`, `u8`, ... as LLVM has it: integers without a sign."""
    bits = int(kind[1:])
    return _FLOATS[bits] if kind[0] == "f" else ir.IntType(bits)


def scalar(kind: str) -> Any:
    """`f32`, `u8`, ... as numba's scalar type."""
    return getattr(types, {"f": "float", "i": "int", "u": "uint"}[kind[0]] + kind[1:])


class Vector(types.Type):
    """`lanes` values of one `kind`."""

    def __init__(self, kind: str, lanes: int) -> None:
        self.kind = kind
        self.lanes = lanes
        super().__init__(name=f"{kind}x{lanes}")

    @property
    def bits(self) -> int:
        """Of one lane."""
        return int(self.kind[1:])

    @property
    def width(self) -> int:
        """Bits of the whole vector."""
        return self.bits * self.lanes

    @property
    def is_float(self) -> bool:
        return self.kind[0] == "f"

    @property
    def signed(self) -> bool:
        return self.kind[0] != "u"

    @property
    def scalar(self) -> Any:
        return scalar(self.kind)

    @property
    def llvm(self) -> ir.VectorType:
        return ir.VectorType(element(self.kind), self.lanes)

    @property
    def whole(self) -> Vector:
        """The same lanes seen as unsigned integers."""
        return Vector(f"u{self.bits}", self.lanes)

    @property
    def mask(self) -> Mask:
        return Mask(self.lanes)

    def of(self, lanes: int) -> Vector:
        return Vector(self.kind, lanes)


class Mask(types.Type):
    """One bit for each of `lanes` lanes."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"m{lanes}")

    @property
    def llvm(self) -> ir.VectorType:
        return ir.VectorType(ir.IntType(1), self.lanes)

    @property
    def mask(self) -> Mask:
        return self

    def of(self, lanes: int) -> Mask:
        return Mask(lanes)


@register_model(Vector)
@register_model(Mask)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.llvm)


def made(kind: str, lanes: int) -> Vector:
    """A vector type that exists; TypingError when there is none of that width."""
    if f"{kind}x{lanes}" not in VECTORS:
        raise TypingError(f"there is no vector of {lanes} lanes of {kind}")
    return Vector(kind, lanes)


TYPES: dict[str, Vector | Mask] = {name: Vector(*shape) for name, shape in VECTORS.items()}
TYPES |= {name: Mask(lanes) for name, lanes in MASKS.items()}
