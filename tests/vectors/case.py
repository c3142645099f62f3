"""A case: an expression of `autoresearch.simd`, the same in numpy, and the types it is tried on.

A case is one compiled function for all its types, since a function costs more to compile than an
expression in it. Operands lie in buffers of bytes with 64 for each type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from autoresearch import simd
from autoresearch.simd.names import KINDS, VECTORS, WIDTHS

from . import answers

Array = np.ndarray[Any, Any]
FLOATS = ("f32", "f64")
WHOLE = tuple(kind for kind in KINDS if kind not in FLOATS)
SLOT = 64
ORDER = (5, 0, 3, 3)  # for shuffles


@dataclass(frozen=True)
class Case:
    """`text` and `numpy` speak of operands x, y, z; `text` also of T, M and LANES of the type."""

    name: str
    text: str
    numpy: str
    types: tuple[str, ...]
    data: str = "plain"


def types(*kinds: str, widths: tuple[int, ...] = (), shift: int = 0) -> tuple[str, ...]:
    """Vector types of these kinds: of all `widths`, else of one width each, by turns."""
    by_turns = {kind: (WIDTHS[(n + shift) % 4],) for n, kind in enumerate(kinds)}
    wanted = [(kind, w // int(kind[1:])) for kind in kinds for w in widths or by_turns[kind]]
    return tuple(dict.fromkeys(f"{kind}x{max(2, lanes)}" for kind, lanes in wanted))


def run(case: Case) -> list[bytes]:
    """What the compiled case stores, for each type."""
    given = _operands(case)
    out = np.zeros_like(given[0])
    names: dict[str, Any] = {"simd": simd, "np": np, "ORDER": ORDER}
    exec(_source(case), names)
    njit(names["run"])(*given, out)
    return [out[at : at + SLOT].tobytes() for at in range(0, out.size, SLOT)]


def expected(case: Case) -> Iterator[bytes]:
    """What numpy says for each type, zero up to the slot's end."""
    for n, name in enumerate(case.types):
        kind, lanes = VECTORS[name]
        given = [b[SLOT * n : SLOT * (n + 1)].view(_dtype(kind))[:lanes] for b in _operands(case)]
        names = {**vars(answers), **dict(zip("xyz", given, strict=True)), "ORDER": list(ORDER)}
        with np.errstate(all="ignore"):
            yield np.asarray(eval(case.numpy, names)).tobytes().ljust(SLOT, b"\0")


def _dtype(kind: str) -> np.dtype[Any]:
    return np.dtype(f"{kind[0]}{int(kind[1:]) // 8}")


def _numbers(kind: str, data: str, rng: np.random.Generator) -> Array:
    """A slot of integers of any size or small, or of floats, with what is odd among them."""
    count = SLOT // _dtype(kind).itemsize
    if kind in WHOLE:
        whole = np.frombuffer(rng.bytes(SLOT), _dtype(kind)).copy()
        edge = np.iinfo(whole.dtype)
        whole[rng.integers(0, count, 3)] = edge.max, edge.min, edge.max
        return whole % 7 if data == "small" else whole
    values: Array = (rng.normal(size=count) * 100).astype(_dtype(kind))
    if data == "odd":
        odd = rng.permuted([np.nan, np.inf, -np.inf, 0.0, -0.0, 3e9, -3e9, 1e-30])
        values[:8] = odd[: values[:8].size]
    return values


def _operands(case: Case) -> list[Array]:
    """Three buffers, always the same for one case."""
    rng = np.random.default_rng(sum(case.name.encode()))
    kinds = [VECTORS[name][0] for name in case.types]
    return [
        np.concatenate([_numbers(kind, case.data, rng).view(np.uint8) for kind in kinds])
        for _ in range(3)
    ]


def _source(case: Case) -> str:
    lines = ["def run(a, b, c, out):"]
    for n, name in enumerate(case.types):
        kind, lanes = VECTORS[name]
        words = {"T": f"simd.{name}", "M": f"simd.m{lanes}", "LANES": lanes}
        words |= {operand: f"{operand}{n}" for operand in "xyz"}
        text = re.sub(r"\b[A-Zxyz]+\b", lambda m, w=words: str(w.get(m[0], m[0])), case.text)
        text = text.replace("_BITS_", kind[1:]).replace("_LANES_", str(lanes))
        for operand, buffer in zip("xyz", "abc", strict=True):
            lines.append(f"    {operand}{n} = simd.load(simd.{name}, {buffer}, {SLOT * n})")
        lines.append(f"    simd.store(out, {SLOT * n}, {text})")
    return "\n".join(lines)
