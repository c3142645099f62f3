"""Two sides in turns, in both orders; clocks are passed in, and what runs is unknown here."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt

Lap = Callable[[], object]
Side = Callable[[int], Lap]  # of a turn: sets up, untimed, and returns what is timed
Turn = Callable[[int], tuple[int, int]]  # of its number: ns, and ns that threads waited
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Watch:
    """A clock, ns that this process's threads have waited for a core, and a pause before a side
    is set up."""

    clock: Clock
    waited: Clock = lambda: 0
    rest: Lap = lambda: None


@dataclass(frozen=True, slots=True)
class Block:
    """ns of both sides, and how long threads waited over how long the laps took."""

    ours_ns: float
    faiss_ns: float
    waited: float


def blocks(ours: Turn, theirs: Turn, budget_ns: float, most: int) -> Iterator[Block]:
    """Two turns in opposite orders, each on the same input for both sides, as geometric means.
    At least one block, then more while the budget lasts."""
    spent, turns = 0, (ours, theirs)
    for block in range(most):
        laps: tuple[list[int], list[int]] = ([], [])
        waited = 0
        for half in (0, 1):
            for side in ((0, 1), (1, 0))[(block + half) % 2]:
                took, wait = turns[side](2 * block + half)
                laps[side].append(took)
                waited += wait
        whole = sum(map(sum, laps))
        mine, other = (sqrt(first * second) for first, second in laps)
        yield Block(mine, other, waited / whole)
        spent += whole
        if spent > budget_ns:
            return


def turn(side: Side, number: int, watch: Watch) -> tuple[int, int]:
    """(ns, ns waited) of one turn of a side, after a rest."""
    watch.rest()
    return timed(side(number), watch)


def timed(lap: Lap, watch: Watch) -> tuple[int, int]:
    """(ns, ns waited) of one lap, without the collector."""
    gc.collect(0)
    gc.disable()
    try:
        before = watch.waited()
        begin = watch.clock()
        lap()
        took = watch.clock() - begin
        return max(took, 1), watch.waited() - before
    finally:
        gc.enable()
