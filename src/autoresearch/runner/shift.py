"""Moves the machine code that is loaded next: where code lies is part of the noise.

Every spawn draws its own displacement, so a lucky alignment cannot outlive a pair (decision 0001).
Worker side only: imports numba.
"""

from __future__ import annotations

from llvmlite import binding
from numba.core.registry import cpu_target

_TEXT = """target triple = "{triple}"
define void @autoresearch_shift_{name}() {{
  call void asm sideeffect ".skip {size}", ""()
  ret void
}}
"""

binding.initialize_native_asmparser()  # numba does not; inline assembly needs it


def shift(name: str, size: int) -> None:
    """Put `size` unused bytes before the object that the JIT loads next.

    LLVM starts a page for each batch of objects it finalises, so this one is left for the next
    library to finalise: both then share the page, the other one behind.
    """
    codegen = cpu_target.target_context.codegen()
    text = _TEXT.format(triple=binding.get_process_triple(), name=name, size=size)
    image = codegen._tm.emit_object(binding.parse_assembly(text))
    codegen._engine._ee.add_object_file(binding.ObjectFileRef.from_data(image))
