"""Two sides in turns, in both orders; the clock is passed in, and what runs is unknown here."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from math import sqrt

Lap = Callable[[], object]
Side = Callable[[int], Lap]  # of a turn: sets up, untimed, and returns what is timed
Clock = Callable[[], int]


def blocks(
    ours: Side, theirs: Side, clock: Clock, budget_ns: float, most: int, rest: Lap = lambda: None
) -> Iterator[tuple[float, float]]:
    """(ns of ours, ns of theirs) by block: two turns in opposite orders, each on the same input for
    both sides, as geometric means. At least one block, then more while the budget lasts; `rest`
    goes before every lap."""
    spent, sides = 0.0, (ours, theirs)
    for block in range(most):
        took = [1.0, 1.0]
        for half in (0, 1):
            for side in ((0, 1), (1, 0))[(block + half) % 2]:
                lap = sides[side](2 * block + half)
                rest()
                took[side] *= timed(lap, clock)
        spent += sum(2 * sqrt(product) for product in took)
        yield sqrt(took[0]), sqrt(took[1])
        if spent > budget_ns:
            return


def timed(lap: Lap, clock: Clock) -> int:
    """ns of one lap, without the collector."""
    gc.collect(0)
    gc.disable()
    try:
        begin = clock()
        lap()
        return max(clock() - begin, 1)
    finally:
        gc.enable()
