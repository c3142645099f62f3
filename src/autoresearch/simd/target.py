"""What the processor that numba compiles for can do; not what this machine's could.

`NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES` choose another: `NUMBA_CPU_NAME=generic` has nothing
beyond x86-64 itself, and every operation takes its fallback.
"""

from __future__ import annotations

from functools import cache

from numba.core.registry import cpu_target

# What each feature rests on: one that is listed without its ground counts as absent, as in LLVM.
_GROUND = {
    "ssse3": "sse3",
    "sse4.1": "ssse3",
    "avx": "sse4.1",
    "avx2": "avx",
    "fma": "avx",
    "avxvnni": "avx2",
    "avx512f": "avx2",
    **dict.fromkeys(("avx512bw", "avx512cd", "avx512dq", "avx512vl"), "avx512f"),
    **dict.fromkeys(("avx512vnni", "avx512vpopcntdq", "avx512ifma"), "avx512f"),
    **dict.fromkeys(("avx512bitalg", "avx512vbmi", "avx512vbmi2"), "avx512bw"),
}


def has(feature: str) -> bool:
    """Whether kernels compile to code that may use `feature`, by LLVM's name ("avx512vbmi").

    A constant in compiled code: the other branch of `if simd.has(...)` is not compiled.
    """
    while feature in features():
        if feature not in _GROUND:
            return True
        feature = _GROUND[feature]
    return False


@cache
def features() -> frozenset[str]:
    """Everything that the compile target has. A 64-bit Arm core always has neon."""
    triple, _, listed = cpu_target.target_context.codegen().magic_tuple()
    found = {word[1:] for word in listed.split(",") if word.startswith("+")}
    return frozenset(found | ({"neon"} if triple.startswith("aarch64") else set()))
