"""The nouns of the plane: what a kernel promises, is asked, and answers.

Knows arrays and threads; nothing of which kernels exist, who is asked, or how an index was built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
T = TypeVar("T")

ANY_DIM = (
    1 << 16
)  # of a query of four bits: products then stay below 2^20, exact in all that uses them


class Consistency(StrEnum):
    """What an answer may depend on.

    `FRESH`: everything added before it, and nothing else: the same bits whoever computes them.
    `FROZEN`: the same of the generation that was frozen.
    `EVENTUAL`: everything added; the last bits of distances may depend on kernel and moment.
    """

    FRESH = "fresh"
    FROZEN = "frozen"
    EVENTUAL = "eventual"


@dataclass(frozen=True, slots=True)
class KernelCaps:
    """What a kernel can do: at least `min_batch` queries at once, of at most `max_dim` dimensions.

    `deterministic` promises the bits of the `cpu` kernel, always; without it a kernel may add the
    terms of a distance in any order. `accelerator` is what it needs: "" for any processor, else
    cuda, rocm, metal or simd.
    """

    min_batch: int = 1
    max_dim: int = ANY_DIM
    deterministic: bool = True
    accelerator: str = ""


class Layouts:
    """What kernels made of one generation: each once, whichever thread asks first."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._lock = Lock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return cast(T, self._made[key])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation of an index, read-only: n vectors and their one-bit codes.

    Bit j of code i is 1 where component j of the rotated, centred vector o is not negative; of
    the same o squares[i] = |o|^2, scales[i] = 2 |o|^2 / sum |o[j]|, ones[i] = bits set.
    """

    codes: U64  # u64[n, w], bit j in word j // 64, least first
    squares: F32  # f32[n]
    scales: F32  # f32[n]
    ones: F32  # f32[n]
    vectors: F32  # f32[n, d], as they were added
    layouts: Layouts = field(default_factory=Layouts, init=False, compare=False)

    def __post_init__(self) -> None:
        for array in self.arrays():
            array.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy: kernels lay out anew what they need."""
        return Snapshot, self.arrays()

    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.codes, self.squares, self.scales, self.ones, self.vectors

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays())


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """Find the `k` nearest of each query among its `kept` least estimates.

    Query r, rotated and centred, is low + step * u[j], u of four bits in `planes`; `coefs` are
    (a, b, c) = (2 step, 2 low, -sum). The estimate of code i (less what all codes share) is
    squares[i] - scales[i] * x with x = f32((a * product + b * ones[i]) + c), all else in f64, and
    product the sum over p of 2^p times the ones of code & planes[r, p]. Each f64 product here is
    exact, so that fusing a multiply and an add changes no bit, on any machine.
    """

    index: Snapshot
    queries: F32  # f32[nq, d], as they were asked
    planes: U64  # u64[nq, 4, w]
    coefs: F32  # f32[nq, 3]
    k: int
    kept: int

    def blank(self) -> ScanResponse:
        """An answer without any: ids -1 at distance inf."""
        nq, inf = len(self.queries), np.float32(np.inf)
        return ScanResponse(
            np.full((nq, self.kept), -1, np.int64),
            np.full((nq, self.k), -1, np.int64),
            np.full((nq, self.k), inf, np.float32),
        )


@dataclass(frozen=True, slots=True)
class ScanResponse:
    """Of each query, the candidates: the `kept` least (estimate, id), by rising id, -1 behind them;
    and the `k` nearest of these by (distance, id), -1 at inf behind them.

    The distance is |q - v|^2: f32 differences, their squares added in f64 to sum j % 8, the eight
    sums added by halves and rounded to f32.
    """

    candidates: I64  # i64[nq, kept]
    ids: I64  # i64[nq, k]
    dists: F32  # f32[nq, k]


@runtime_checkable
class VectorKernel(Protocol):
    """Computes a scan. It holds nothing of an index: what it wants kept goes to its layouts."""

    @property
    def id(self) -> str: ...
    def caps(self) -> KernelCaps: ...
    def scan(self, request: ScanRequest) -> ScanResponse: ...
