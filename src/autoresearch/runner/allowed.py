"""What a kernel may name: the modules, and the parts of them, that compute and reach nothing else.

A lint that gives early, named refusals. It is not the wall: compiled code can read and write its
whole address space, and only the process boundary and the sealed call answer for that.
"""

from __future__ import annotations

import re
from pathlib import Path
from runpy import run_path


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES = frozenset({"math", "numba", "numba.types", "numpy", "numpy.typing", "autoresearch.simd"})
NAMESPACES = MODULES | {"autoresearch", "numpy.fft", "numpy.linalg", "numpy.random"}
JIT = frozenset({"numba.jit", "numba.njit"})
JIT_OPTIONS = _words(
    "boundscheck cache error_model fastmath forceinline inline locals looplift nogil nopython"
    " no_cfunc_wrapper no_cpython_wrapper no_rewrites parallel"
)
# These change what runs and not only how: only these values may stand there.
FIXED_OPTIONS = {"nopython": True, "parallel": False, "looplift": False}

_NUMBA = _words("jit literal_unroll literally njit none optional prange typeof types void")
_TYPES = _words(
    "Array Boolean Complex Float Integer List Literal Omitted Optional Set Tuple UniTuple none"
    " optional unicode_type void"
)
_SCALAR = re.compile(
    r"u?int(8|16|32|64|p|c|_)?|float(16|32|64|_)?|complex(64|128)|bool_?|boolean|byte|char|double"
    r"|[bfiu][1248]|c(8|16)|u?(char|short|longlong)|u?long_?|s?size_t"
)
# numpy's ways to files, memory, callbacks and its own insides.
_NUMPY_DENIED = _words(
    "apply_along_axis apply_over_axes bit_generator bytes_ char core ctypeslib DataSource"
    " distutils dtypes emath errstate f2py fromfile frompyfunc fromregex genfromtxt"
    " get_include info lib load loadtxt ma memmap mtrand polynomial printoptions rec save"
    " savetxt savez savez_compressed set_printoptions set_string_function setbufsize seterr"
    " seterrcall show_config show_runtime strings test testing vectorize"
)
# The file imports nothing: this process stays without numba.
_SIMD = frozenset(run_path(str(Path(__file__).parents[1] / "simd" / "names.py"))["NAMES"])
# What a compiled function lets Python change, and the ways from there into numba.
_DISPATCHER = _words(
    "add_overload compile disable_compile dispatcher doc enable_caching fold_argument_types"
    " func_code get_annotation_info get_call_signatures get_call_template get_call_type"
    " get_compile_result get_function_type get_impl_key get_metadata get_overload is_compiling"
    " locals nopython_signatures overloads parallel_diagnostics recompile signatures stats"
    " targetctx targetdescr targetoptions typeof_pyval typingctx"
)
# Ways from an object at hand to frames, globals and files.
_ATTRIBUTES = _DISPATCHER | _words(
    "ag_frame co_code cr_frame dump dumps f_back f_builtins f_globals f_locals func_globals"
    " gi_code gi_frame gi_yieldfrom mro py_func tb_frame tb_next tofile"
)
BUILTINS = _words(
    "ArithmeticError AssertionError Ellipsis Exception IndexError KeyError OverflowError"
    " RuntimeError StopIteration TypeError ValueError ZeroDivisionError NotImplementedError"
    " abs all any bin bool bytearray bytes chr complex dict divmod enumerate filter float"
    " frozenset hash hex int isinstance iter len list map max min next oct ord pow range repr"
    " reversed round set slice sorted str sum tuple type zip"
)


def refused_path(path: str) -> str:
    """Why a dotted path such as `numba.objmode` is out of bounds; empty when it is not."""
    root, *rest = path.split(".")
    if any(part.startswith("_") for part in rest):
        return f"{path} is private"
    if path in NAMESPACES or path.startswith("__future__."):
        return ""
    if root == "math" or (root == "numpy" and _NUMPY_DENIED.isdisjoint(rest)):
        return ""
    if root == "numba" and _numba(rest):
        return ""
    if root == "autoresearch" and rest[0] == "simd" and len(rest) == 2 and rest[1] in _SIMD:
        return ""
    return f"{path} is not available to a kernel"


def refused_attribute(name: str) -> str:
    """Why `.name` of some value is out of bounds; empty when it is not."""
    if name.startswith(("_", "inspect_")) or name in _ATTRIBUTES:
        return f".{name} is not available to a kernel"
    return ""


def _numba(rest: list[str]) -> bool:
    if rest[0] == "types" and len(rest) > 1:
        name, known = rest.pop(1), _TYPES
    else:
        name, known = rest[0], _NUMBA
    return len(rest) == 1 and (name in known or bool(_SCALAR.fullmatch(name)))
