"""Both sides of a point as laps: the same calls on the same arrays, only the index differs.

Knows indexes with faiss's methods; nothing of processes, and nothing of the clock but a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .model import K, Point
from .timing import Lap, Side
from .vectors import F32

CHECKED = 256  # queries answered by both sides before they are timed, at least
WAKING = 64  # queries that find both sides' threads at work, as calls in a row would
LAP_NS = 1e6  # shorter laps hold several calls: a reading of the clock is then nothing


def set_up(index: Any, point: Point) -> None:
    if point.nprobe:
        index.nprobe, index.max_codes = point.nprobe, point.max_codes


def answers(index: Any, q: F32, nq: int, most: int) -> tuple[Any, int]:
    """(ids, calls) of the first queries, asked nq at a time: `CHECKED` at least where there are so
    many, and ids of `most` at most."""
    count = min(len(q), most, -(-CHECKED // nq) * nq)
    parts = [index.search(q[at : at + nq], K)[1] for at in range(0, count, nq)]
    return np.concatenate(parts)[:most], len(parts)


def recall(ids: Any, truth: Any) -> float:
    """The share of true neighbours found, over the queries answered."""
    true = truth[: len(ids)]
    found = (ids[:, :, None] == true[:, None, :]) & (ids[:, :, None] >= 0)
    return float(found.any(1).mean())


def searching(index: Any, q: F32, nq: int, calls: int) -> Side:
    """Laps of `calls` searches, each turn on the next queries of the pool."""
    room = len(q) - nq + 1

    def side(turn: int) -> Lap:
        starts = [(turn * calls + call) * nq % room for call in range(calls)]
        parts = [q[at : at + nq] for at in starts]
        index.search(parts[0][:WAKING], K)

        def lap() -> None:
            for part in parts:
                index.search(part, K)

        return lap

    return side


def training(empty: Callable[[], Any], x: F32) -> Side:
    def side(_: int) -> Lap:
        index = empty()
        return lambda: index.train(x)

    return side


def adding(empty: Callable[[], Any], x: F32, q: F32) -> Side:
    """Until the first query is answered: some indexes arrange vectors when they are first asked."""

    def side(_: int) -> Lap:
        index = empty()

        def lap() -> None:
            index.add(x)
            index.search(q[:1], K)

        return lap

    return side


def loss(faiss_index: Any, x: F32) -> float:
    """What a training is for, of a faiss index with lists: the mean squared distance of x to what
    its codes say of it, or to the nearest centre where vectors are kept whole."""
    if not hasattr(faiss_index, "pq"):
        return float(faiss_index.quantizer.search(x, 1)[0].mean())
    gaps = x - faiss_index.sa_decode(faiss_index.sa_encode(x))
    return float((gaps * gaps).sum(1).mean())
