"""Exact distances within the lists near a query, with the names of faiss's IndexIVFFlat.

Knows lists and when to look at which; the kernel of ivf-flat (`engine`) does the looking.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from ..errors import Refusal
from . import arguments, engine, storage
from .arguments import F32, I64
from .inverted import Inverted, Route
from .lists import Packed
from .probing import Probes, surely_farther

MODES = ("auto", "matrix", "csr")
# Queries a list gets on average, at 512 lists, from which `auto` takes `csr`: any number, as it was
# at most 2 % behind and up to 1.9 times as fast (scripts/routes.py).
THRESHOLD = 0.0
VECTOR_NS = 0.05  # a component of a vector: so many that a guess will do
FIRST = 4  # one probe in four is searched before radii may spare the others


@dataclass(frozen=True, slots=True)
class Profile:
    """`prune`: skip lists that cannot hold a nearer vector, exactly; `share`: of the vectors that
    `nprobe` lists hold on average, how many are read (1 is no limit)."""

    prune: bool = False
    share: float = 1.0


PROFILES = {
    "exact": Profile(),
    "speed": Profile(prune=True),
    "approx_quality": Profile(share=0.75),
    "approx_balanced": Profile(share=0.5),
    "approx_fast": Profile(share=0.25),
}


class IndexIVFFlat(Inverted):
    """Squared L2 distances to all vectors of the `nprobe` lists nearest to a query.

    `nlist` is min(1024, sqrt(n)) of the training vectors unless given. `search_mode`: `matrix` goes
    query by query, `csr` list by list with all queries that probe it, `auto` as is faster: `csr`.
    `max_codes` reads lists in order of nearness until so many vectors were read, the first always
    and each to its end; 0 is no limit. `profile` names one of `PROFILES`; a `max_codes` stands
    above its share. Searching is thread-safe and releases the GIL; adding is neither.
    """

    kind = "ivf-flat"

    def __init__(self, d: int, nlist: int | None = None, seed: int = 0) -> None:
        super().__init__(d, nlist, seed)
        self.search_mode, self.profile = "auto", "exact"

    def reconstruct(self, i: int) -> F32:
        """A copy of a vector with the id `i`."""
        place = self._place_of(i)
        return np.array(self.lists.vectors[place])

    # Filling

    def train(self, x: Any) -> None:
        """Learn the centres of the lists from x f32[n, d]."""
        self.place(self._centres(arguments.vectors(x, self.d)))

    def place(self, centres: Any) -> None:
        """Take centres f32[nlist, d] as they are, with empty lists."""
        self._hold(Packed.empty(arguments.vectors(centres, self.d, "centres").copy()))

    def _rows(self, x: F32, labels: I64) -> F32:
        del labels
        return x

    # Searching

    def _settings(self) -> tuple[Any, ...]:
        return self.nprobe, self.max_codes, self.profile, self.search_mode

    def _call(self, held: Packed) -> Callable[..., None]:
        """All lists probed, up to a limit, and nothing to decide in between; or, where radii may
        spare some, what decides."""
        assert self._coarse
        nprobe, most, few = self._probed(), self._most(held), self._few(self._probed())
        if self._profile().prune:
            return partial(self._pruned, held)
        fixed = self._coarse.state, held.state, *held.named
        return partial(engine.inverted(), *fixed, nprobe, most, few)

    def _search(self, route: Route, q: F32, ids: I64, dists: F32) -> None:
        threads = self._threads(len(q), VECTOR_NS * self.d)
        engine.share(route.call, (q, ids, dists), threads, route.step)

    def _pruned(self, held: Packed, q: F32, ids: I64, dists: F32) -> None:
        """The lists that limits and radii leave."""
        if not np.isfinite(q).all():
            raise FloatingPointError
        probes = self._read(q, held, 1)
        first = max(1, probes.lists.shape[1] // FIRST)
        self._scan(held, q, probes.lists[:, :first], ids, dists)
        rest = surely_farther(held, q, probes.after(first), dists[:, -1])
        if (rest == held.nowhere).all():
            return
        from .loops import merge_nearest

        more_ids, more = np.empty_like(ids), np.empty_like(dists)
        self._scan(held, q, rest, more_ids, more)
        merge_nearest(ids, dists, more_ids, more)

    def _scan(self, held: Packed, q: F32, probes: I64, ids: I64, dists: F32) -> None:
        """Leaves the nearest of the lists probed, as ids."""
        _, run = engine.listed()
        few = self._few(probes.shape[1])
        run(held.state, *held.named, few, q, np.ascontiguousarray(probes), ids, dists)

    def _few(self, nprobe: int) -> float:
        """The number of queries from which to go list by list."""
        if self.search_mode not in MODES:
            what = f"search_mode is {self.search_mode!r}."
            raise Refusal(what, f"Choose one of {', '.join(MODES)}.")
        if self.search_mode == "auto":
            return THRESHOLD * self.nlist / 512 * self.nlist / nprobe
        return math.inf if self.search_mode == "matrix" else 0.0

    def range_search(self, q: Any, radius: float) -> tuple[I64, F32, I64]:
        """All vectors of the lists probed at a squared distance below `radius`: limits
        i64[nq + 1], then distances and ids, those of query i from limits[i] on."""
        from .loops import distances
        from .ranges import in_range

        q, near = arguments.vectors(q, self.d, "q"), arguments.limit(radius)
        held = self.lists
        bounds = np.stack([held.offsets[:-1], held.offsets[1:]], 1)
        spans = (bounds[row].tolist() for row in self._read(q, held, self.num_threads).lists)
        limits, found, places = in_range(q, held.vectors, distances, lambda s: s < near, spans)
        return limits, found, held.ids[places]

    def _read(self, q: F32, held: Packed, threads: int) -> Probes:
        """The lists that each query reads."""
        return self._probes(q, held, self._most(held), threads)

    def _most(self, held: Packed) -> int:
        """How many vectors a query reads at most, to the end of a list; 0 is no limit."""
        share = self._profile().share
        if self.max_codes or share == 1:
            return self.max_codes
        return max(1, round(share * self._probed() * len(held.ids) / self.nlist))

    def _profile(self) -> Profile:
        if self.profile not in PROFILES:
            what = f"profile is {self.profile!r}."
            raise Refusal(what, f"Choose one of {', '.join(PROFILES)}.")
        return PROFILES[self.profile]

    # Keeping

    def save(self, path: str | os.PathLike[str]) -> None:
        held = self.lists
        settings = {name: getattr(self, name) for name in ("nprobe", "max_codes", "profile")}
        head = {"kind": self.kind, "d": self.d} | settings
        names = ("centres", "offsets", "ids", "vectors")
        storage.save(path, head, {name: getattr(held, name) for name in names})

    @classmethod
    def restored(cls, head: dict[str, Any], arrays: dict[str, Any]) -> Self:
        """The index of a file; its vectors stay in the file until they are read."""
        made = cls(head["d"])
        made._hold(Packed(**arrays))
        for name in ("nprobe", "max_codes", "profile"):
            setattr(made, name, head[name])
        return made
