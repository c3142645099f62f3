"""Where every array of a workload lies in shared memory: alignment, slack and guard pages.

Used by the oracle process (writes inputs, poisons and reads outputs) and by workers (map and view);
knows bytes and shapes, nothing of kernels or clocks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Refusal

Array = NDArray[Any]

PAGE = 4096
ALIGN = 64  # a cache line, and the widest vector
SLACK = 64  # bytes a kernel may read or write past either end of an array
GAPS = 8  # lines between operations vary by so many: where one lies says nothing of the next
DTYPES = {
    **{f"{k}{b}": np.dtype(f"{k}{b // 8}") for k in "iu" for b in (8, 16, 32, 64)},
    "f32": np.dtype("f4"),
    "f64": np.dtype("f8"),
}
_DECLARATION = re.compile(r"([iuf]\d+)\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Declared:
    """A parsed declaration: `f32[M,K]`, `u32[~]`, `u32[~n]`, `i64` or `count` (returned)."""

    dtype: str
    dims: tuple[str, ...] = ()
    ragged: bool = False
    count: str = ""

    @property
    def scalar(self) -> bool:
        return not self.dims and not self.ragged


def declared(text: str) -> Declared:
    """Parse one declaration; `Refusal` when a target's author wrote something else."""
    match = _DECLARATION.fullmatch(text)
    if text == "count":
        return Declared("i64")
    if match is None and text in DTYPES:
        return Declared(text)
    if match is None or match[1] not in DTYPES:
        raise Refusal(f"The declaration {text!r} is not understood.", "Write it as 'f32[n,d]'.")
    if match[2].startswith("~"):
        return Declared(match[1], (), True, match[2][1:])
    return Declared(match[1], tuple(d.strip() for d in match[2].split(",")))


def bind(decl: Declared, shape: Sequence[int], dims: dict[str, int], name: str) -> None:
    """Bind the dimension names of `decl` to `shape`, refusing contradictions."""
    if decl.ragged:
        return
    if len(decl.dims) != len(shape):
        raise Refusal(
            f"Array {name} has {len(shape)} dimensions, its declaration {len(decl.dims)}.",
            "Correct inputs.py or the declaration in run_experiment.py.",
        )
    for dim, size in zip(decl.dims, shape, strict=True):
        if dim.isidentifier() and dims.setdefault(dim, size) != size:
            raise Refusal(
                f"Array {name} has {dim}={size} where another has {dims[dim]}.",
                "Correct inputs.py or the declaration in run_experiment.py.",
            )


def resolve(decl: Declared, dims: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of a declared output; `r/8` means rounded up."""
    return tuple(_size(dim, dims) for dim in decl.dims)


def _size(dim: str, dims: Mapping[str, int]) -> int:
    name, _, divisor = dim.partition("/")
    value = int(name) if name.isdigit() else dims[name]
    return -(-value // int(divisor)) if divisor else value


def rounded(n: int, to: int) -> int:
    return -(-n // to) * to


@dataclass(frozen=True, slots=True)
class Extent:
    """One array in a region: `offset` and `size` in whole pages of the file, data at `start`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int
    start: int

    @property
    def nbytes(self) -> int:
        return DTYPES[self.dtype].itemsize * math.prod(self.shape)

    def view(self, region: Array) -> Array:
        """The array inside a `u8[...]` view of the whole region."""
        begin = self.offset + self.start
        flat = region[begin : begin + self.nbytes].view(DTYPES[self.dtype])
        return flat.reshape(self.shape)

    def margins(self, region: Array) -> tuple[Array, Array]:
        """Bytes before and after the data and its slack: nobody may write there."""
        begin, end = (
            self.offset + self.start - SLACK,
            self.offset + self.start + self.nbytes + SLACK,
        )
        return region[self.offset : begin], region[end : self.offset + self.size]


class Region:
    """Lays extents in a row, the end of each as close to its guard page as alignment allows."""

    def __init__(self) -> None:
        self.size = 0
        self.extents: list[Extent] = []

    def add(self, name: str, dtype: str, shape: Sequence[int], misaligned: bool = False) -> None:
        """Append an array; a misaligned one starts one element past a 64-byte boundary."""
        shift = DTYPES[dtype].itemsize * misaligned
        nbytes = DTYPES[dtype].itemsize * math.prod(shape) + shift
        body = rounded(nbytes, ALIGN) + SLACK
        size = rounded(SLACK + body, PAGE)
        self.extents.append(Extent(name, dtype, tuple(shape), self.size, size, size - body + shift))
        self.size += size

    def views(self, memory: Array) -> dict[str, Array]:
        return {e.name: e.view(memory) for e in self.extents}

    def plan(self, base: int) -> list[dict[str, Any]]:
        """The extents as data, moved to `base` in the file they share with other workloads."""
        return [{**asdict(e), "offset": base + e.offset} for e in self.extents]


def from_plan(plan: Sequence[Mapping[str, Any]]) -> list[Extent]:
    return [Extent(**{**e, "shape": tuple(e["shape"])}) for e in plan]


def slots(lengths: Sequence[int], itemsize: int, gaps: Array) -> NDArray[np.int64]:
    """Begin and end (in elements) of each operation's piece: aligned alike, slack in between, and
    as many lines more as `gaps` says. The first begins where the array does, behind its margin."""
    sizes = np.array([rounded(n * itemsize, ALIGN) + 2 * SLACK for n in lengths], np.int64)
    ends = np.cumsum(sizes)
    ends[1:] += ALIGN * np.cumsum(gaps, dtype=np.int64)
    begins = (ends - sizes) // itemsize
    return np.stack([begins, begins + np.asarray(lengths, np.int64)], axis=1)


def disguise(data: Array, spans: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Fill what lies between the pieces in `data` u8[...], from begin to end of each of `spans`, by
    lines of theirs: where one begins cannot be told by its looks. The line behind each stays."""
    lines = data[: data.size // ALIGN * ALIGN].reshape(-1, ALIGN)
    taken, whole = (np.zeros(len(lines) + 3, np.int64) for _ in range(2))
    first, last = spans[:, 0] // ALIGN, spans[:, 1] // ALIGN
    np.add.at(taken, first, 1)
    np.add.at(taken, -(-spans[:, 1] // ALIGN) + 1, -1)
    np.add.at(whole, first, 1)
    np.add.at(whole, last, -1)
    free = np.flatnonzero(np.cumsum(taken)[: len(lines)] == 0)
    real = np.flatnonzero(np.cumsum(whole)[: len(lines)] > 0)
    if len(real):
        lines[free] = lines[rng.choice(real, len(free))]
