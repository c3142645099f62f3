"""What all indexes of inverted lists share: centres, adding, probing, limits.

Knows which lists a query reads; nothing of what lists hold or how they are searched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import Refusal
from . import arguments, engine
from .arguments import F32, I64
from .clusters import default_lists, kmeans
from .lists import Lists
from .probing import Probes, limited

CHUNK = 1 << 22  # probes held at once: 48 MB of numbers and distances

WORTH_NS = 700_000  # of work from which another thread pays: waking one takes some 200,000
COARSE_NS = 0.1  # a component of a centre: so many that a guess will do


@dataclass(frozen=True, slots=True)
class Route:
    """How to search some lists under some settings: made anew when either changes, since checking
    settings takes as long as choosing a list. `step` queries at most go to `call` at once."""

    held: Any
    settings: tuple[Any, ...]
    call: Callable[..., None]
    step: int


class Inverted(ABC, arguments.Threaded):
    """An index of lists; subclasses say what a list holds."""

    kind = ""
    _told: tuple[str, ...] = ("d", "nlist", "nprobe", "ntotal")
    missing = np.float32(np.inf)

    def __init__(self, d: int, nlist: int | None, seed: int) -> None:
        self.d = arguments.components(d)
        self.nlist = 0 if nlist is None else arguments.count(nlist, "nlist")
        self.seed = seed
        self.nprobe, self._max_codes = 1, 0
        self._lists: Lists | None = None
        self._coarse: engine.Centres | None = None
        self._route: Route | None = None

    @property
    def max_codes(self) -> int:
        """Lists are read until so many vectors were; 0 is no limit."""
        return self._max_codes

    @max_codes.setter
    def max_codes(self, most: Any) -> None:
        self._max_codes = arguments.count(most, "max_codes", least=0)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: a route holds compiled loops, and is made when it is needed."""
        return vars(self) | {"_route": None}

    # What it holds

    @property
    def is_trained(self) -> bool:
        return self._lists is not None

    @property
    def ntotal(self) -> int:
        return self._lists.total if self._lists else 0

    @property
    def lists(self) -> Any:
        """All lists, packed."""
        arguments.trained(self.is_trained)
        assert self._lists
        return self._lists.ready()

    def _place_of(self, i: Any) -> int:
        """The first place of the id `i`."""
        places = np.flatnonzero(self.lists.ids == i)
        if not len(places):
            what = f"No vector has the id {i!r}."
            raise Refusal(what, "Ask for an id that was added.")
        return int(places[0])

    # Filling

    def _centres(self, x: F32) -> F32:
        """Centres of the lists, learnt from x f32[n, d]."""
        if self.ntotal:
            raise Refusal("The index holds vectors.", "Call reset() before training anew.")
        nlist = self.nlist or default_lists(len(x))
        return kmeans(x, nlist, self.seed, threads=self.num_threads)

    def _hold(self, lists: Any) -> None:
        """Take packed lists as they are."""
        self.nlist = len(lists.centres)
        self._lists, self._coarse = Lists(lists), engine.Centres(lists.centres)

    def add(self, x: Any) -> None:
        """Vectors f32[n, d], with ids from ntotal on."""
        x = arguments.shaped(x, self.d, "x")
        self.add_with_ids(x, np.arange(self.ntotal, self.ntotal + len(x)))

    def add_with_ids(self, x: Any, ids: Any) -> None:
        """Vectors f32[n, d] with ids i64[n]; an id may stand for several. Many are packed at once,
        few when next searched or saved, in one pass over all."""
        arguments.trained(self.is_trained)
        assert self._lists and self._coarse
        x = arguments.shaped(x, self.d, "x")
        ids = arguments.names(ids, len(x))
        try:
            labels = self._coarse.labels(x, self.num_threads)
        except FloatingPointError:
            arguments.vectors(x, self.d)  # says where
            raise
        self._route = None  # nor the lists that it holds
        self._lists.add((self._rows(x, labels), ids, labels))

    @abstractmethod
    def _rows(self, x: F32, labels: I64) -> Any:
        """What lists hold of x f32[n, d]."""

    def reset(self) -> None:
        """Forget all vectors; what was learnt stays."""
        self._route = None
        if self._lists:
            self._lists = Lists(self._lists.packed.emptied())

    # Searching

    def search(self, q: Any, k: int) -> tuple[F32, I64]:
        """Squared distances f32[nq, k] and ids i64[nq, k] of q f32[nq, d], nearest first; inf and
        -1 where the lists hold fewer."""
        q, k, held = arguments.shaped(q, self.d, "q"), arguments.count(k), self.lists
        dists, ids = np.empty((len(q), k), np.float32), np.empty((len(q), k), np.int64)
        try:
            self._search(self._routed(held), q, ids, dists)
        except FloatingPointError:
            arguments.vectors(q, self.d, "q")  # says where
            raise
        return dists, ids

    @abstractmethod
    def _search(self, route: Route, q: F32, ids: I64, dists: F32) -> None:
        """Leaves the nearest; FloatingPointError where q is not finite."""

    @abstractmethod
    def _call(self, held: Any) -> Callable[..., None]:
        """What searches these lists, settings checked and bound."""

    def _routed(self, held: Any) -> Route:
        route, settings = self._route, self._settings()
        if route is None or route.held is not held or route.settings != settings:
            step = max(1, CHUNK // self._probed())
            route = self._route = Route(held, settings, self._call(held), step)
        return route

    def _settings(self) -> tuple[Any, ...]:
        """Those that a route depends on."""
        return self.nprobe, self.max_codes

    # Probing

    def _probes(self, q: F32, held: Any, most: int, threads: int) -> Probes:
        """The lists that each query reads, nearest first, until `most` vectors were read."""
        assert self._coarse
        dists, lists = self._coarse.search(q, self._probed(), threads)
        return limited(held, Probes(lists, dists), most)

    def _threads(self, nq: int, row_ns: float, own_ns: float = 0.0) -> int:
        """As many as get enough to do, at most `num_threads`; a row of a list takes `row_ns`, and a
        query `own_ns` before the first."""
        if self.num_threads < 2:
            return 1
        rows = self._probed() * self.ntotal / self.nlist
        work = nq * (COARSE_NS * self.nlist * self.d + row_ns * rows + own_ns)
        return min(self.num_threads, 1 + int(work / WORTH_NS))

    def _probed(self) -> int:
        return min(arguments.count(self.nprobe, "nprobe"), self.nlist)
