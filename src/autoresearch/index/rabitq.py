"""An index of one-bit codes that answers with true distances: RaBitQ and a rerank.

Knows what it holds and who may serve a search (`plane`); nothing of how a kernel computes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import Refusal
from ..plane import dispatch, registry
from ..plane.model import (
    F32,
    I64,
    Consistency,
    KernelCaps,
    ScanRequest,
    ScanResponse,
    Snapshot,
)
from ..plane.witness import Basis, extended
from . import arguments, storage

_ENCODED = 4096  # vectors rotated at a time: 12 MB at 768 dimensions


@dataclass(frozen=True, slots=True)
class _State:
    """One generation: what a search sees, swapped as a whole."""

    basis: Basis
    held: Snapshot


class IndexRaBitQ(arguments.Told):
    """Nearest neighbours by one-bit codes (Gao and Long, SIGMOD 2024), queries of four bits.

    The `k * rerank_factor` least estimates of a query are compared by their true squared L2
    distance. The rotation is signs and Hadamard transforms drawn from `seed`: the same codes on
    every machine. `kernels` enables experimental kernels by name; accepted ones need no naming.
    Searching is thread-safe and releases the GIL; `rerank_factor` is set at birth.
    """

    kind = "rabitq"

    def __init__(
        self, d: int, rerank_factor: int = 20, seed: int = 0, kernels: Sequence[str] = ()
    ) -> None:
        self.d = d = arguments.components(d)
        rerank_factor = arguments.count(rerank_factor, "rerank_factor")
        self._named, self._kernels = tuple(kernels), registry.usable(kernels)
        self._served = dispatch.Served()
        self._writing = Lock()
        self._frozen: _State | None = None
        self._centre: F32 | None = None
        self._room = _empty(d)
        self._state = _State(Basis("", d, seed, rerank_factor, 0), Snapshot(*_empty(d)))

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: who serves is found out where it is read."""
        own = vars(self).items()
        return {k: v for k, v in own if k not in ("_kernels", "_served", "_writing", "_room")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._kernels, self._served = registry.usable(self._named), dispatch.Served()
        self._writing, self._room = Lock(), self._state.held.arrays()

    # What it holds

    @property
    def ntotal(self) -> int:
        return len(self._state.held.vectors)

    @property
    def is_trained(self) -> bool:
        return self._centre is not None

    @property
    def rerank_factor(self) -> int:
        return self._state.basis.rerank_factor

    @property
    def nbytes(self) -> int:
        """Bytes of codes, factors and vectors."""
        return self._state.held.nbytes

    def witness(self, consistency: Consistency = Consistency.FRESH) -> str:
        """The hash of all that an answer rests on; see `plane.witness`."""
        return self._at(consistency).basis.witness()

    def stats(self) -> dict[str, int]:
        """How many of the last thousand queries each kernel answered."""
        return self._served.counts()

    # Filling

    def train(self, x: F32) -> None:
        """Take the mean of x f32[n, d] as the centre that codes are relative to."""
        x = arguments.vectors(x, self.d)
        if self.ntotal or not len(x):
            what = "An index is trained on at least one vector, and before any is added."
            raise Refusal(what, "Call reset() first, or train on a sample of the data.")
        with self._writing:
            self._centre = x.mean(0, dtype=np.float64).astype(np.float32)
            self._swap(
                extended(self._state.basis.data_ref, self._centre), Snapshot(*_empty(self.d))
            )

    def add(self, x: F32) -> None:
        """Add x f32[n, d]; their ids go on from `ntotal`."""
        x = arguments.vectors(x, self.d)
        with self._writing:
            at, n = self.ntotal, self.ntotal + len(x)
            self._room = tuple(_grown(array, at, n) for array in self._room)
            for i in range(0, len(x), _ENCODED):
                self._encode(x[i : i + _ENCODED], at + i)
            held = Snapshot(*(array[:n] for array in self._room))
            self._swap(extended(self._state.basis.data_ref, x), held)

    def _encode(self, x: F32, at: int) -> None:
        from ..plane import codec

        codes, squares, scales, ones, vectors = (a[at : at + len(x)] for a in self._room)
        codec.encode(self._rotated(x), codes, squares, scales, ones)
        vectors[:] = x

    def reset(self) -> None:
        """Forget all vectors; the training stays."""
        with self._writing:
            self._room = _empty(self.d)
            held = Snapshot(*_empty(self.d))
            self._swap(extended("", self._trained()), held)

    def freeze(self) -> None:
        """From now on `FROZEN` searches see this generation."""
        self._frozen = self._state

    def _swap(self, data_ref: str, held: Snapshot) -> None:
        basis = self._state.basis
        basis = replace(basis, data_ref=data_ref, generation=basis.generation + 1)
        self._state = _State(basis, held)

    # Searching

    def search(
        self, x: F32, k: int, consistency: Consistency = Consistency.FRESH, kernel: str = ""
    ) -> tuple[F32, I64]:
        """(distances f32[nq, k], ids i64[nq, k]) of x f32[nq, d], nearest first; inf and -1 where
        there are fewer. `kernel` names who must serve, and is refused if its caps forbid it."""
        found = self.scan(x, k, consistency, kernel)
        return found.dists, found.ids

    def scan(
        self, x: F32, k: int, consistency: Consistency = Consistency.FRESH, kernel: str = ""
    ) -> ScanResponse:
        """As `search`, with the candidates that the answer was chosen from."""
        x, k, state = arguments.vectors(x, self.d), arguments.count(k), self._at(consistency)
        ask = dispatch.Ask(len(x), self.d, consistency)
        chosen = dispatch.choose(self._kernels, ask, kernel)
        kept = min(k * state.basis.rerank_factor, len(state.held.vectors))
        request = self.request(x, k, kept, state.held)
        if not kept or not len(x):
            return request.blank()
        self._served.add(chosen.id, len(x))
        return chosen.scan(request)

    def caps(self, kernel: str) -> KernelCaps:
        """What an enabled kernel says that it can do."""
        return next(one.caps() for one in self._kernels if one.id == kernel)

    def request(self, x: F32, k: int, kept: int, held: Snapshot) -> ScanRequest:
        """What kernels are asked for queries x f32[nq, d]."""
        from ..plane import codec

        rotated = self._rotated(x)
        planes = np.empty((len(x), 4, rotated.shape[1] // 64), np.uint64)
        coefs = np.empty((len(x), 3), np.float32)
        codec.quantise(rotated, planes, coefs)
        return ScanRequest(held, x, planes, coefs, k, kept)

    def _at(self, consistency: Consistency) -> _State:
        if consistency not in list(Consistency):
            what = f"consistency is {consistency!r}."
            raise Refusal(what, f"Choose one of {', '.join(Consistency)}.")
        if consistency != Consistency.FROZEN:
            return self._state
        if self._frozen is None:
            raise Refusal("No generation of this index is frozen.", "Call freeze() first.")
        return self._frozen

    def _rotated(self, x: F32) -> F32:
        from ..plane import codec

        flips = codec.signs(self.d, self._state.basis.rotation_seed)
        out = np.empty((len(x), flips.shape[1]), np.float32)
        codec.rotate(x, self._trained(), flips, out)
        return out

    def _trained(self) -> F32:
        arguments.trained(self.is_trained)
        assert self._centre is not None
        return self._centre

    # Keeping

    def save(self, path: str | os.PathLike[str]) -> None:
        state, centre = self._state, self._trained()
        basis = state.basis
        head = {"kind": self.kind, "d": self.d, "seed": basis.rotation_seed}
        head |= {name: getattr(basis, name) for name in _FACTS}
        arrays = dict(zip(_NAMES, state.held.arrays(), strict=True))
        storage.save(path, head, {"centre": centre, **arrays})

    @classmethod
    def load(cls, path: str | os.PathLike[str], kernels: Sequence[str] = ()) -> Self:
        """The index saved at `path`. Raises `Refusal` for a file that is damaged or not one."""
        head, arrays = storage.load(path)
        if head.get("kind") != cls.kind:
            what = f"{path} holds an index of kind {head.get('kind')!r}, not {cls.kind!r}."
            raise Refusal(what, "Load it with autoresearch.index.load.")
        return cls.restored(head, arrays, kernels)

    @classmethod
    def restored(
        cls, head: dict[str, Any], arrays: dict[str, Any], kernels: Sequence[str] = ()
    ) -> Self:
        """The index of a file; its codes stay in the file until they are read."""
        made = cls(head["d"], head["rerank_factor"], head["seed"], kernels)
        held = tuple(arrays[name] for name in _NAMES)
        made._centre, made._room = arrays["centre"], held
        basis = replace(made._state.basis, **{name: head[name] for name in _FACTS})
        made._state = _State(basis, Snapshot(*held))
        return made


_FACTS = ("rerank_factor", "data_ref", "generation")
_NAMES = ("codes", "squares", "scales", "ones", "vectors")


def _empty(d: int) -> tuple[NDArray[Any], ...]:
    """No vectors: the arrays of a snapshot without rows."""
    factors = (np.empty(0, np.float32) for _ in range(3))
    return np.empty((0, -(-d // 64)), np.uint64), *factors, np.empty((0, d), np.float32)


def _grown(array: NDArray[Any], used: int, n: int) -> NDArray[Any]:
    """Room for n rows. Snapshots keep what they see: rows in use are never written again."""
    if n <= len(array):
        return array
    larger = np.empty((max(n, len(array) * 3 // 2), *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger
