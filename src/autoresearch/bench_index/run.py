"""The parent of a race: lays data down, starts pinned processes, turns what they tell into rows.

Knows processes and files; loads no library and times nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data
from ..errors import Refusal
from ..policy import POLICY
from ..runner import lease
from . import grid, origin, process, ratio, store, vectors
from .model import SCHEMA, K, Origin, Plan, Point, Row, Told
from .sides import CHECKED

WAIT_S = 1800.0
SAME = 0.002  # of recall: five neighbours of CHECKED queries, as ties fall
SAME_LOSS = 1.02  # times faiss's: beyond that time was saved by training less
Mask = NDArray[np.bool_]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to race: one kind or all, sizes (None: the usual ones), a user's file, processes."""

    only: str = ""
    n: int | None = None
    d: int | None = None
    data: str = ""
    quick: bool = False
    spawns: int = 5


def race(root: Path, asked: Asked, say: Say, tell: Say) -> list[Row]:
    """Race and record; `tell` hears what is at work. Rows are written kind by kind and thread
    number by thread number, so an interruption costs one of these."""
    kinds = grid.chosen(asked.only)
    needs_faiss()
    cores = _cores(say)
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="autoresearch-bench-index-") as name:
        folder = Path(name)
        label, x, q = _laid(folder, asked)
        with lease.held(cores[0], "bench-index", WAIT_S, say):
            made = origin.origin()
            about = origin.environment(made, cores)
            for kind in kinds:
                nlist = grid.lists(kind, len(x))
                plan = Plan(kind, len(x), x.shape[1], nlist, len(q), label, asked.quick)
                spawns = 1 if asked.quick else asked.spawns
                for rows in _raced(plan, folder, cores, spawns, made, tell):
                    store.describe(root, made.machine, about)  # no row without, and none before
                    store.add(root, rows)
                    found += rows
    return found


def needs_faiss() -> None:
    if find_spec("faiss") is None:
        what = "faiss is not installed."
        remedy = "Install it: ./scripts/install --peers here, or pip install faiss-cpu elsewhere."
        raise Refusal(what, remedy)


def _cores(say: Say) -> tuple[int, ...]:
    """The cores of a race, the measuring one first; of two threads each has its own."""
    first, others = lease.core_set()
    cores = tuple(dict.fromkeys((first, *others)))[: max(grid.THREADS)]
    for threads in grid.THREADS:
        if threads > len(cores):
            say(f"{threads} threads are left out: this process may use {len(cores)} core")
    return cores


def _laid(folder: Path, asked: Asked) -> tuple[str, Any, Any]:
    """(label, x, queries), also as files for the processes."""
    size = grid.QUICK if asked.quick else grid.FULL
    pool = max(CHECKED, *size.nqs)
    if asked.data:
        if asked.d is not None:
            raise Refusal("A file has its own d.", "Leave --d out beside --data.")
        where = data.origin(asked.data, "vectors")
        label, (x, q) = where.label, vectors.held_out(data.load(where), asked.n, pool)
    else:
        n, d = asked.n or size.n, asked.d or size.d
        label, (x, q) = vectors.CLUSTERED, vectors.drawn(n, d, pool)
    np.save(folder / "x.npy", x)
    np.save(folder / "q.npy", q)
    return label, x, q


def _raced(
    plan: Plan, folder: Path, cores: Sequence[int], spawns: int, made: Origin, tell: Say
) -> Iterator[list[Row]]:
    """The rows of one kind, for each number of threads."""
    tell(f"{plan.kind}: building faiss's index")
    process.build(plan, folder, cores)
    size = grid.QUICK if plan.quick else grid.FULL
    for threads in grid.THREADS[: len(cores)]:
        told = [process.raced(plan, folder, cores[:threads], size, tell) for _ in range(spawns)]
        points = grid.points(plan, threads, size)
        pairs = zip(points, zip(*told, strict=True), strict=True)
        yield [row(plan, point, own, made) for point, own in pairs]


def row(plan: Plan, point: Point, told: Sequence[Told], made: Origin) -> Row:
    """What all processes measured of a point. There is no ratio where ours did the work worse, nor
    where the machine was busy: threads that wait for each other lose far more by that."""
    quiet = [np.asarray(one.waited) <= POLICY.wait_share for one in told]
    void = 1 - float(np.concatenate(quiet).mean())
    logs = [_logs(one, kept) for one, kept in zip(told, quiet, strict=True) if kept.any()]
    recall, faiss_recall = _mean(told, "recall"), _mean(told, "faiss_recall")
    note = _worse(recall, faiss_recall, _mean(told, "loss"), _mean(told, "faiss_loss"))
    note = note or ("the machine was busy" if void > POLICY.void_share else "")
    found = (None,) * 3 if note else ratio.interval(logs, np.random.default_rng(len(logs)))
    shown = [None if value is None else round(value, 4) for value in found]
    about = {name: getattr(plan, name) for name in ("kind", "n", "d", "data", "nlist", "quick")}
    return Row(
        schema=SCHEMA,
        k=K,
        ours_ns=_median(told, quiet, "ours_ns"),
        faiss_ns=_median(told, quiet, "faiss_ns"),
        ratio=shown[0],
        low=shown[1],
        high=shown[2],
        recall=recall,
        faiss_recall=faiss_recall,
        loss=_mean(told, "loss"),
        faiss_loss=_mean(told, "faiss_loss"),
        void=round(void, 4),
        note=note,
        logs=tuple(map(tuple, logs)),
        **about,
        **asdict(point),
        **asdict(made),
    )


def _worse(
    recall: float | None, faiss_recall: float | None, loss: float | None, faiss_loss: float | None
) -> str:
    """In what ours fell behind; empty where it did not."""
    if (faiss_recall or 0) - (recall or 0) > SAME:
        return "ours finds fewer neighbours"
    return "ours trains to a greater loss" if (loss or 0) > SAME_LOSS * (faiss_loss or 0) else ""


def _mean(told: Sequence[Told], name: str) -> float | None:
    values = [getattr(one, name) for one in told]
    return None if None in values else round(float(np.mean(values)), 6)


def _logs(told: Told, kept: Mask) -> list[float]:
    logs = np.log(np.divide(told.faiss_ns, told.ours_ns))[kept]
    return [float(value) for value in logs.round(5)]


def _median(told: Sequence[Told], quiet: Sequence[Mask], name: str) -> float:
    """Over the blocks that were not disturbed, or over all when every one was."""
    every, kept = np.concatenate([getattr(one, name) for one in told]), np.concatenate(quiet)
    return round(float(np.median(every[kept] if kept.any() else every)), 1)
