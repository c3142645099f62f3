"""Who serves a request: a pure choice among kernels by their caps, and a memory of who did."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from ..errors import Refusal
from .model import Consistency, KernelCaps, VectorKernel

REMEMBERED = 1000  # queries


@dataclass(frozen=True, slots=True)
class Ask:
    """What an index knows of a search before it is served."""

    batch: int
    dim: int
    consistency: Consistency


def failed(caps: KernelCaps, ask: Ask) -> str:
    """The first cap that forbids a kernel to serve, in words; empty when none does."""
    if ask.batch < caps.min_batch:
        return f"its min_batch is {caps.min_batch} and the batch has {ask.batch}"
    if ask.dim > caps.max_dim:
        return f"its max_dim is {caps.max_dim} and the index has {ask.dim}"
    if ask.consistency != Consistency.EVENTUAL and not caps.deterministic:
        return f"it is not deterministic, which {ask.consistency} requires"
    return ""


def choose(kernels: Sequence[VectorKernel], ask: Ask, name: str = "") -> VectorKernel:
    """The first kernel that may serve; with a `name`, that one or a `Refusal` naming the cap.

    The last kernel is the default one: it serves whatever no other may."""
    if not name:
        return next((one for one in kernels if not failed(one.caps(), ask)), kernels[-1])
    for one in kernels:
        if one.id == name:
            if told := failed(one.caps(), ask):
                what = f"Kernel {name} cannot serve this search: {told}."
                raise Refusal(what, "Change the search, or leave the choice to the index.")
            return one
    what = f"Kernel {name} is not enabled: it is experimental or unknown."
    raise Refusal(what, f"Enable it by name, as in IndexRaBitQ(d, kernels=({name!r},)).")


class Served:
    """Which kernels answered the last thousand queries. Safe under threads."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=REMEMBERED)
        self._lock = Lock()

    def add(self, name: str, queries: int) -> None:
        with self._lock:
            self._last.extend([name] * min(queries, REMEMBERED))

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(Counter(self._last))
