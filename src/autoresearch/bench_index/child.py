"""A process of a race: builds faiss's index once, or times one kind with one number of threads.

Started as `python -I -B -m autoresearch.bench_index.child FD`, pinned to as many cores as it has
threads before it loads any library. Trusted: both sides share this process with the clock.
"""

from __future__ import annotations

import gc
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
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
from .model import SEARCH, TRAIN, K, Plan, Point, Told
from .timing import Side, Watch
from .waits import Waits

TRUTH = 1024  # queries with known neighbours
SAMPLE = 10_000  # vectors by which a training is judged
REST_S = 0.01  # a precaution: OpenMP's idle threads may spin on for a while
Tell = Callable[[dict[str, Any]], None]


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


class Stage:
    """Both sides of one kind, open: ours is made from faiss's, with its centres and lists."""

    def __init__(self, plan: Plan, folder: Path, threads: int, size: grid.Size) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.faiss, self.plan, self.folder = faiss, plan, folder
        self.threads, self.size = threads, size
        self.x, self.q, self.truth = (np.load(folder / f"{n}.npy") for n in ("x", "q", "truth"))
        self.theirs = self._read("filled")
        self.ours = self._ours(self.theirs)

    def _read(self, name: str) -> Any:
        return self.faiss.read_index(str(self.folder / name))

    def _ours(self, theirs: Any) -> Any:
        made = from_faiss(theirs)
        made.num_threads = self.threads
        return made

    def told(self, point: Point) -> Told:
        """A point, warmed up and timed."""
        if point.op == SEARCH:
            return self._search(point)
        return self._train() if point.op == TRAIN else self._add()

    def _search(self, point: Point) -> Told:
        both = (self.ours, self.theirs)
        recalls, took = zip(*(self._warmed(index, point) for index in both), strict=True)
        calls = max(1, round(sides.LAP_NS / min(took)))
        ours, theirs = (sides.searching(index, self.q, point.nq, calls) for index in both)
        return self._timed(ours, theirs, calls, recall=recalls[0], faiss_recall=recalls[1])

    def _warmed(self, index: Any, point: Point) -> tuple[float, float]:
        """(recall, ns of one call) of the queries that warm an index up; the first one compiles."""
        sides.set_up(index, point)
        index.search(self.q[:1], K)
        begin = raw_clock()
        ids, calls = sides.answers(index, self.q, point.nq, len(self.truth))
        return sides.recall(ids, self.truth), (raw_clock() - begin) / calls

    def _train(self) -> Told:
        def theirs() -> Any:
            return self.faiss.index_factory(self.plan.d, grid.factory(self.plan))

        def ours() -> Any:
            untrained = theirs()
            return self._ours(untrained)

        mine, other = ours(), theirs()
        mine.train(self.x)
        other.train(self.x)
        sample = self.x[:SAMPLE]
        losses = sides.loss(to_faiss(mine), sample), sides.loss(other, sample)
        both = sides.training(ours, self.x), sides.training(theirs, self.x)
        return self._timed(*both, 1, loss=losses[0], faiss_loss=losses[1])

    def _add(self) -> Told:
        def theirs() -> Any:
            return self._read("trained")

        def ours() -> Any:
            trained = theirs()
            return self._ours(trained)

        mine, other = (sides.adding(empty, self.x, self.q) for empty in (ours, theirs))
        mine(0)()
        other(0)()
        return self._timed(mine, other, 1)

    def _timed(self, ours: Side, theirs: Side, calls: int, **more: float) -> Told:
        size = self.size
        watch = Watch(raw_clock, Waits(), self._rest)
        found = [*timing.blocks(ours, theirs, watch, size.budget_ns, size.blocks)]
        mine = tuple(block.ours_ns / calls for block in found)
        other = tuple(block.faiss_ns / calls for block in found)
        return Told(mine, other, tuple(block.waited for block in found), **more)

    def _rest(self) -> None:
        if self.threads > 1:
            time.sleep(REST_S)


def serve(sock: socket.socket) -> None:
    request, _ = wire.receive(sock)
    plan, folder = Plan(**request["plan"]), Path(request["folder"])
    if not request["threads"]:
        build(plan, folder)
        return wire.send(sock, {"done": True})
    size = grid.QUICK if plan.quick else grid.FULL
    stage = Stage(plan, folder, request["threads"], size)
    for point in grid.points(plan, request["threads"], size):
        wire.send(sock, {"at": " ".join(map(str, asdict(point).values()))})
        wire.send(sock, {"point": asdict(stage.told(point))})
        gc.collect()
    return wire.send(sock, {"done": True})


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
