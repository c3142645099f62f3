"""Writes LLVM for the operations: one `Emit` for each call that is lowered, and `operation`,
which makes a rule (what types come out, what code goes in) callable from compiled code.

Knows vectors and scalars; nothing of any single operation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.typing.templates import AbstractTemplate, builtin_registry, signature
from numba.extending import lower_builtin

from .kinds import Mask, Vector

Kind = Any  # a numba type
Value = Any  # an LLVM value
Rule = Callable[..., "tuple[Kind, Callable[..., Value]]"]

OPERATIONS: dict[str, Any] = {}  # every function that `operation` made

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))


class Emit:
    """The builder of one lowered call, with the vector idioms that operations share."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context = context
        self.build = builder

    def call(self, name: str, result: ir.Type, *arguments: Value) -> Value:
        """Call a function of LLVM by its full name."""
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.build.module, kind, name)
        return self.build.call(function, arguments)

    def generic(self, name: str, kind: Kind, *arguments: Value) -> Value:
        """Call `llvm.<name>`, overloaded on and returning `kind`."""
        return self.call(f"llvm.{name}.{suffix(kind)}", kind.llvm, *arguments)

    def splat(self, kind: Kind, value: Value) -> Value:
        if isinstance(value, ir.Constant):
            return ir.Constant(kind.llvm, [value.constant] * kind.lanes)
        one = self.build.insert_element(ir.Constant(kind.llvm, ir.Undefined), value, I32(0))
        return self.shuffle(one, one, [0] * kind.lanes)

    def constant(self, kind: Kind, value: Any) -> Value:
        """`value`, or each of a sequence, in the lanes."""
        values = list(value) if isinstance(value, Sequence) else [value] * kind.lanes
        return ir.Constant(kind.llvm, values)

    def shuffle(self, a: Value, b: Value, order: Sequence[int]) -> Value:
        mask = ir.Constant(ir.VectorType(I32, len(order)), list(order))
        return self.build.shuffle_vector(a, b, mask)

    def cut(self, value: Value, start: int, count: int) -> Value:
        """`count` lanes from `start`; beyond the end they are undefined."""
        lanes = value.type.count
        if (start, count) == (0, lanes):
            return value
        order = [min(at, lanes) for at in range(start, start + count)]
        return self.shuffle(value, ir.Constant(value.type, ir.Undefined), order)

    def halves(self, value: Value) -> tuple[Value, Value]:
        half = value.type.count // 2
        return self.cut(value, 0, half), self.cut(value, half, half)

    def join(self, *parts: Value) -> Value:
        """Vectors of one type behind each other; their number is a power of two."""
        while len(parts) > 1:
            order = range(2 * parts[0].type.count)
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = tuple(self.shuffle(a, b, order) for a, b in pairs)
        return parts[0]

    def cast(self, value: Value, source: Kind, target: Kind) -> Value:
        """A scalar of one numba type as another's."""
        return self.context.cast(self.build, value, source, target)

    def spill(self, value: Value) -> Value:
        """The address of a copy in memory."""
        place = cgutils.alloca_once(self.build, value.type)
        self.build.store(value, place)
        return place

    def slot(self, base: Value, at: Value, element: ir.Type) -> Value:
        """The address of element `at` behind `base`, for values of any type."""
        found = self.build.gep(base, [at], source_etype=element)
        found.type = ir.PointerType()
        return found


def suffix(kind: Kind) -> str:
    """How LLVM spells a type in the name of an intrinsic."""
    return f"v{kind.lanes}{'i1' if isinstance(kind, Mask) else 'fi'[kind.kind[0] != 'f']}" + (
        "" if isinstance(kind, Mask) else str(kind.bits)
    )


def operation(rule: Rule) -> Any:
    """A function of compiled code. `rule` maps argument types to the result's type and a function
    from `Emit` and the arguments' values to the result's value; TypingError says what is wrong."""

    @functools.wraps(rule)
    def outside(*_: Any) -> Any:
        raise TypeError(f"simd.{rule.__name__} works in compiled code only: decorate with @njit")

    register(outside, rule)
    OPERATIONS[rule.__name__] = outside
    return outside


def register(function: Any, rule: Rule, *kinds: Any) -> None:
    """Let numba resolve `function` by `rule`, for arguments of `kinds`: any, if none is given."""

    class Template(AbstractTemplate):
        key = function
        prefer_literal = True

        def generic(self, args: tuple[Kind, ...], kws: dict[str, Kind]) -> Any:
            if kws or (kinds and not fits(args)):
                return None
            try:
                result, _ = rule(*args)
            except TypeError as error:
                raise TypingError(str(error)) from error
            return signature(result, *args)

    def fits(args: tuple[Kind, ...]) -> bool:
        return len(args) == len(kinds) and all(map(isinstance, args, kinds))

    def lower(context: Any, builder: Any, sig: Any, args: Sequence[Value]) -> Value:
        _, emit = rule(*sig.args)
        value = emit(Emit(context, builder), *args)
        return context.get_dummy_value() if sig.return_type is types.void else value

    builtin_registry.register_global(function, types.Function(Template))
    lower_builtin(function, *(kinds or (types.VarArg(types.Any),)))(lower)


def named(kind: Kind) -> Kind:
    """The type that an argument such as `simd.f32x16` or `np.uint32` names."""
    if isinstance(kind, types.TypeRef) and isinstance(kind.instance_type, Vector | Mask):
        return kind.instance_type
    if isinstance(kind, types.NumberClass):
        return kind.instance_type
    raise TypingError(f"{kind} does not name a type of simd or a number type of numpy")


def named_vector(kind: Kind) -> Vector:
    found = named(kind)
    if not isinstance(found, Vector):
        raise TypingError(f"{kind} does not name a vector type")
    return found


def vectors(*kinds: Kind, floats: bool | None = None) -> Vector:
    """The one vector type that all arguments have; `floats` asks for, or refuses, float lanes."""
    first = kinds[0]
    if not isinstance(first, Vector) or any(kind != first for kind in kinds):
        raise TypingError(f"not vectors of one type: {', '.join(map(str, kinds))}")
    if floats is not None and first.is_float != floats:
        raise TypingError(f"{first} has {'no ' if floats else ''}float lanes")
    return first


def integer(kind: Kind) -> Kind:
    """An integer scalar's type, without its value if it is a literal."""
    plain = types.unliteral(kind)
    if not isinstance(plain, types.Integer):
        raise TypingError(f"{kind} is not an integer")
    return plain


def parts(kind: Kind) -> tuple[Kind, ...]:
    """The types in a tuple's type; a type of anything else is the only part."""
    whole: Any = kind
    return tuple(whole) if isinstance(kind, types.BaseTuple) else (kind,)


def constant_of(kind: Kind) -> Any:
    """The value of an argument that must be known while compiling."""
    if isinstance(kind, types.Literal):
        return kind.literal_value
    if isinstance(kind, types.BaseTuple) and len(kind):
        return tuple(map(constant_of, parts(kind)))
    raise TypingError(f"{kind} is not a constant: write it out, or as a constant of the module")
