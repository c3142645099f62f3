"""Moves the machine code that is loaded next: where code lies is part of the noise.

Every spawn draws its own displacement, so a lucky alignment cannot outlive a pair (decision 0001).
Worker side only: imports numba, and needs its JIT to use llvmlite's memory manager.
"""

from __future__ import annotations

from llvmlite import binding
from numba.core.registry import cpu_target

ROOM = 1 << 22  # bytes of address space for all code that a worker loads, and for its constants

# That manager maps what all sections take, code and both sorts of data. Those that nothing refers
# to are not loaded: their share stays free.
_ROOM = """
module asm ".section .room.code,\\22ax\\22,@nobits"
module asm ".skip {size}"
module asm ".section .room.constants,\\22a\\22,@nobits"
module asm ".skip {size}"
module asm ".section .room.data,\\22aw\\22,@nobits"
module asm ".skip {size}"
define void @autoresearch_{name}() {{
  ret void
}}
"""
_SHIFT = """
define void @autoresearch_shift_{name}() {{
  call void asm sideeffect ".skip {size}", ""()
  ret void
}}
"""

binding.initialize_native_asmparser()  # numba does not; inline assembly needs it


def make_room() -> None:
    """Have one block mapped for all that is loaded from here on.

    Else each library gets pages of its own as soon as it does not fit behind a displacement, and
    starts one: large kernels would never move.
    """
    _load(_ROOM, "room", ROOM)


def shift(name: str, size: int) -> None:
    """Put `size` unused bytes before the object that the JIT loads next.

    LLVM starts a page for each batch of objects it finalises, so this one is left for the next
    library to finalise: both then share the page, the other one behind.
    """
    _load(_SHIFT, name, size)


def _load(text: str, name: str, size: int) -> None:
    codegen = cpu_target.target_context.codegen()
    triple = f'target triple = "{binding.get_process_triple()}"\n'
    module = binding.parse_assembly(triple + text.format(name=name, size=size))
    image = codegen._tm.emit_object(module)
    codegen._engine._ee.add_object_file(binding.ObjectFileRef.from_data(image))
