"""A run of machine no-ops, to shift the code that follows: layout is part of the noise.

Worker side only: imports numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

binding.initialize_native_asmparser()  # numba does not; inline assembly needs it


def nops(count: int) -> Any:
    """An intrinsic that emits `count` no-ops where it is called."""

    @intrinsic
    def pad(_typing: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
            void = ir.FunctionType(ir.VoidType(), [])
            builder.asm(void, f".rept {count}\nnop\n.endr", "", (), True)
            return context.get_dummy_value()

        return types.void(), codegen

    return pad
