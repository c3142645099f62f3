"""Vectors for numba: types, operators and operations that `@njit` functions compose.

`names.py` lists what is here, docs/simd.md explains it. Nothing here hands out LLVM, addresses or
anything else that reaches beyond arrays.
"""

from . import across, lanes, making, masks, memory, operators  # noqa: F401 - they register
from .emit import OPERATIONS
from .kinds import TYPES
from .names import NAMES
from .static import has, unroll

__all__ = list(NAMES)
globals().update(TYPES | OPERATIONS | {"has": has, "unroll": unroll})
