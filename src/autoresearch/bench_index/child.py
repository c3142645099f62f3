"""A process of a race: builds faiss's index once, or is one side of a kind, on so many threads.

Started as `python -I -B -m autoresearch.bench_index.child FD`, pinned to as many cores as it has
threads before it loads any library. Trusted: its side shares this process with the clock. It sleeps
while the other side has its turn.
"""

from __future__ import annotations

import gc
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Refusal
from ..index.convert import from_faiss, to_faiss
from ..runner import wire
from ..runner.sandbox import linux
from ..runner.sealed import raw_clock
from ..runner.worker import complaint
from . import grid, sides, timing
from .model import BUILD, OURS, SEARCH, TRAIN, K, Plan, Point
from .timing import Side, Watch
from .waits import Waits

TRUTH = 1024  # queries with known neighbours
SAMPLE = 10_000  # vectors by which a training is judged
REST_S = 0.01  # a precaution: OpenMP's idle threads may spin on for a while


def build(plan: Plan, folder: Path) -> None:
    """Files of faiss's index, trained and filled, and of the true neighbours."""
    import faiss

    x, q = np.load(folder / "x.npy"), np.load(folder / "q.npy")
    index = faiss.index_factory(plan.d, grid.factory(plan))
    index.train(x)
    faiss.write_index(index, str(folder / "trained"))
    index.add(x)
    faiss.write_index(index, str(folder / "filled"))
    exact = faiss.IndexFlatL2(plan.d)
    exact.add(x)
    np.save(folder / "truth.npy", exact.search(q[:TRUTH], K)[1])


class Half:
    """One side of a kind, open: faiss's index, or ours made from it, with its centres and lists."""

    def __init__(self, plan: Plan, folder: Path, threads: int, ours: bool) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.faiss, self.plan, self.folder = faiss, plan, folder
        self.threads, self.ours = threads, ours
        self.x, self.q, self.truth = (np.load(folder / f"{n}.npy") for n in ("x", "q", "truth"))
        self.index = self._read("filled")
        self.watch = Watch(raw_clock, Waits(), self._rest)

    def _read(self, name: str) -> Any:
        return self._own(self.faiss.read_index(str(self.folder / name)))

    def _own(self, theirs: Any) -> Any:
        if not self.ours:
            return theirs
        made = from_faiss(theirs)
        made.num_threads = self.threads
        return made

    def facts(self, point: Point) -> dict[str, float]:
        """What is said of a point beside its times; warms up for it."""
        gc.collect()
        self.point = point
        if point.op == SEARCH:
            return self._warmed(point)
        if point.op == TRAIN:
            return {"loss": self._loss()}
        self._adding()(0)()
        return {}

    def turn(self, number: int, calls: int) -> tuple[int, int]:
        """(ns, ns waited) of one turn at the last point, in `calls` calls."""
        return timing.turn(self._side(calls), number, self.watch)

    def _side(self, calls: int) -> Side:
        if self.point.op == SEARCH:
            return sides.searching(self.index, self.q, self.point.nq, calls)
        return sides.training(self._empty, self.x) if self.point.op == TRAIN else self._adding()

    def _warmed(self, point: Point) -> dict[str, float]:
        """Recall, and ns of one call, of the queries that warm an index up; the first compiles."""
        sides.set_up(self.index, point)
        self.index.search(self.q[:1], K)
        begin = raw_clock()
        ids, calls = sides.answers(self.index, self.q, point.nq, len(self.truth))
        took = (raw_clock() - begin) / calls
        return {"recall": sides.recall(ids, self.truth), "took": took}

    def _loss(self) -> float:
        trained = self._empty()
        trained.train(self.x)
        return sides.loss(to_faiss(trained) if self.ours else trained, self.x[:SAMPLE])

    def _empty(self) -> Any:
        return self._own(self.faiss.index_factory(self.plan.d, grid.factory(self.plan)))

    def _adding(self) -> Side:
        return sides.adding(lambda: self._read("trained"), self.x, self.q)

    def _rest(self) -> None:
        if self.threads > 1:
            time.sleep(REST_S)


def serve(sock: socket.socket) -> None:
    """Build, or answer for one side until the other end is closed."""
    request, _ = wire.receive(sock)
    plan, folder = Plan(**request["plan"]), Path(request["folder"])
    if request["role"] == BUILD:
        build(plan, folder)
        return wire.send(sock, {"done": True})
    half = Half(plan, folder, request["threads"], request["role"] == OURS)
    while True:
        try:
            asked, _ = wire.receive(sock)
        except EOFError:
            return None
        if "point" in asked:
            wire.send(sock, {"facts": half.facts(Point(**asked["point"]))})
        else:
            wire.send(sock, {"turn": half.turn(asked["turn"], asked["calls"])})


def main(fd: int) -> None:
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_THP_DISABLE, 1)
    sock = socket.socket(fileno=fd)
    try:
        serve(sock)
    except Refusal as refusal:
        wire.send(sock, {"refusal": [refusal.what, refusal.remedy]})
    except Exception as error:  # noqa: BLE001 - a library may raise anything; told as it is
        wire.send(sock, {"fault": complaint(error)})


if __name__ == "__main__":
    main(int(sys.argv[1]))
