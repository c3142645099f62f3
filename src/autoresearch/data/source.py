"""A user's data in memory, as `draw` asks for it. Knows arrays; nothing of files or targets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[Any]
KINDS = ("vectors", "integers", "text")
_LONGEST = (1 << 31) - 1  # bytes of drawn text: offsets are i32


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The rows kept of a file: `values` is f32[rows, width] of vectors, u32[rows] of integers, or
    the UTF-8 of all texts side by side, which `ends` i64[rows + 1] then cuts."""

    kind: str
    values: Array
    ends: Array = field(default_factory=lambda: np.zeros(1, np.int64))

    @property
    def rows(self) -> int:
        return (len(self.ends) if self.kind == "text" else len(self.values) + 1) - 1

    @property
    def width(self) -> int:
        """Components of a vector; 0 of all else."""
        return int(self.values.shape[1]) if self.kind == "vectors" else 0

    def digest(self) -> str:
        """SHA-256 of everything kept: what it leaves out can influence nothing."""
        whole = hashlib.sha256(f"{self.kind} {self.values.shape}".encode())
        whole.update(np.ravel(self.values).data)
        whole.update(self.ends.data)
        return whole.hexdigest()

    def floats(self, rng: Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Rows at random, none twice while there are enough; the first shape[-1] components."""
        self._must_be("vectors")
        if shape[-1] > self.width:
            raise ValueError(f"vectors of {self.width} components were drawn as {shape[-1]} wide")
        n = int(np.prod(shape[:-1]))
        rows = rng.choice(self.rows, n, replace=n > self.rows)
        return np.ascontiguousarray(self.values[rows, : shape[-1]].reshape(shape))

    def integers(self, rng: Generator, n: int, below: int) -> Array:
        """A stretch of n, in order, from a random place, around the end if need be.

        Values that do not fit below `below` lose the least of the stretch, which keeps order, runs
        and gaps; what is still too large is taken modulo."""
        self._must_be("integers")
        found = self.values[self._stretch(rng, n)].astype(np.int64)
        if n and found.max() >= below:
            found -= found.min()
        return found % below

    def strings(self, rng: Generator, n: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """A stretch of n texts likewise: offsets i32[n + 1] into data u8[offsets[n]]."""
        self._must_be("text")
        rows = self._stretch(rng, n)
        offsets = np.zeros(n + 1, np.int64)
        np.cumsum(self.ends[rows + 1] - self.ends[rows], out=offsets[1:])
        if offsets[-1] > _LONGEST:
            raise ValueError(f"{n} texts of this file are longer than 2 GiB")
        breaks = np.flatnonzero(rows[1:] == 0) + 1
        runs = [run for run in np.split(rows, breaks) if len(run)]
        parts = [self.values[self.ends[run[0]] : self.ends[run[-1] + 1]] for run in runs]
        data = np.concatenate(parts) if parts else np.empty(0, np.uint8)
        return offsets.astype(np.int32), data

    def _stretch(self, rng: Generator, n: int) -> NDArray[np.int64]:
        """Row numbers: a run that fits stays clear of the end."""
        begin = rng.integers(0, max(1, self.rows - n + 1) if n <= self.rows else self.rows)
        stretch: NDArray[np.int64] = (int(begin) + np.arange(n)) % self.rows
        return stretch

    def _must_be(self, kind: str) -> None:
        if self.kind != kind:
            raise ValueError(f"a file of {self.kind} was drawn as {kind}")
