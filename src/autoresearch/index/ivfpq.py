"""Distances to product-quantised vectors of the lists near a query: faiss's IndexIVFPQ.

L2, codes of the gaps from the lists' centres (faiss's `by_residual`). Knows lists and codes; `scan`
does the looking.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np

from ..errors import Refusal
from . import arguments, engine, storage
from .arguments import F32, I64
from .coded import Coded
from .inverted import Inverted, Route
from .quantizer import U8, Quantizer

SETTINGS = ("nprobe", "max_codes")
CODE_NS = 0.3  # a code: so many that a guess will do
ENTRY_NS = 0.6  # an entry of a query's table


class IndexIVFPQ(Inverted):
    """Squared L2 distances to what M codes of `nbits` bits say of each vector of the `nprobe`
    lists nearest to a query.

    `nlist` is min(1024, sqrt(n)) of the training vectors unless given; M divides d, and nbits is at
    most 8. `max_codes` as in IndexIVFFlat. Searching is thread-safe and releases the GIL; adding is
    neither.
    """

    kind = "ivf-pq"
    _told = ("d", "nlist", "nprobe", "M", "nbits", "ntotal")

    def __init__(
        self, d: int, nlist: int | None = None, M: int = 16, nbits: int = 8, seed: int = 0
    ) -> None:
        super().__init__(d, nlist, seed)
        self.M, self.nbits = arguments.count(M, "M"), arguments.count(nbits, "nbits")
        if self.d % self.M:
            what = f"M is {M}, which does not divide {d} components."
            raise Refusal(what, "Choose M so that each slice has as many components.")
        if self.nbits > 8:
            what = f"nbits is {nbits}: codes are bytes here."
            raise Refusal(what, "Choose 1 to 8, and a larger M for finer codes.")

    def reconstruct(self, i: int) -> F32:
        """What the codes say of a vector with the id `i`."""
        place = self._place_of(i)
        held: Coded = self.lists
        block, row = divmod(place, held.blocks.shape[2])
        gap = held.quantizer.decode(held.blocks[block, :, row][None])[0]
        found: F32 = held.centres[held.labels[place]] + gap
        return found

    # Filling

    def train(self, x: Any) -> None:
        """Learn centres of lists and centroids of slices from x f32[n, d]."""
        x = arguments.vectors(x, self.d)
        centres = self._centres(x)
        some = np.random.default_rng(self.seed).permutation(len(x))[: 256 << self.nbits]
        labels = engine.labels(x[some], centres, self.num_threads)
        gaps = x[some] - centres[labels]
        learnt = Quantizer.learnt(gaps, self.M, 1 << self.nbits, self.seed, self.num_threads)
        self.place(centres, learnt.centroids)

    def place(self, centres: Any, centroids: Any) -> None:
        """Take centres f32[nlist, d] and centroids f32[M, 2**nbits, d / M] as they are, with empty
        lists."""
        centres = arguments.vectors(centres, self.d, "centres").copy()
        shape = (self.M, 1 << self.nbits, self.d // self.M)
        if np.shape(centroids) != shape:
            what = f"centroids have the shape {np.shape(centroids)}, the index wants {shape}."
            raise Refusal(what, "Give those of each slice for themselves.")
        flat = arguments.vectors(np.reshape(centroids, (-1, shape[2])), shape[2], "centroids")
        self._hold(Coded.empty(centres, flat.reshape(shape).copy()))

    def _rows(self, x: F32, labels: I64) -> U8:
        assert self._lists
        old: Coded = self._lists.packed
        return old.quantizer.encode(x - old.centres[labels], self.num_threads)

    # Searching

    def _call(self, held: Coded) -> Callable[..., None]:
        from . import bounds

        assert self._coarse
        bounded = bounds.BOUNDED and self.M <= bounds.MOST
        asked = bounded, self._probed(), self.max_codes
        return partial(engine.coded(), self._coarse.state, held.state, *asked)

    def _search(self, route: Route, q: F32, ids: I64, dists: F32) -> None:
        threads = self._threads(len(q), CODE_NS * self.M, ENTRY_NS * 256 * self.M)
        engine.share(route.call, (q, ids, dists), threads, route.step)

    def range_search(self, q: Any, radius: float) -> tuple[I64, F32, I64]:
        """All vectors of the lists probed at a squared distance below `radius`: limits
        i64[nq + 1], then distances and ids, those of query i from limits[i] on."""
        q, near = arguments.vectors(q, self.d, "q"), arguments.limit(radius)
        held = self.lists
        probes = self._probes(q, held, self.max_codes, self.num_threads)
        rows = zip(q, probes.lists, probes.dists, strict=True)
        found = [_within(held, *row, near) for row in rows]
        limits = np.cumsum([0, *(len(ids) for _, ids in found)], dtype=np.int64)
        dists, ids = zip((np.empty(0, np.float32), np.empty(0, np.int64)), *found, strict=True)
        return limits, np.concatenate(dists), np.concatenate(ids)

    # Keeping

    def save(self, path: str | os.PathLike[str]) -> None:
        held, settings = self.lists, {name: getattr(self, name) for name in SETTINGS}
        names = ("centres", "centroids", "offsets", "ids", "blocks", "terms")
        arrays = {name: getattr(held, name) for name in names}
        storage.save(path, {"kind": self.kind, "d": self.d} | settings, arrays)

    @classmethod
    def restored(cls, head: dict[str, Any], arrays: dict[str, Any]) -> Self:
        """The index of a file; its codes stay in the file until they are read."""
        M, K, _ = arrays["centroids"].shape
        made = cls(head["d"], None, M, K.bit_length() - 1)
        made._hold(Coded(**arrays))
        for name in SETTINGS:
            setattr(made, name, head[name])
        return made


def _within(held: Coded, q: F32, probes: I64, bases: F32, radius: Any) -> tuple[F32, I64]:
    """Distances and ids of one query's rows at less than `radius`."""
    from .scan import distances

    n = int(held.sizes[probes].sum())
    places, dists = np.empty(n, np.int64), np.empty(n, np.float32)
    distances(held.state, q, probes, bases, places, dists)
    near = dists < radius
    return dists[near], held.ids[places[near]]
