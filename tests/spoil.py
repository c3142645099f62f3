"""Bad kernels made from any reference: a right entry point, and one thing that is wrong about it.

Each function wraps an entry point: `place` is the argument it spoils, `counted` whether only as
many entries count as the entry point returns. Knows no target and no oracle.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from autoresearch.model import Op, Target
from autoresearch.runner import driver, layout

Kernel = Callable[..., Any]
Spoil = Callable[[Kernel, int, bool], Kernel]


def off_by_one(function: Kernel, place: int, counted: bool) -> Kernel:
    """The last element is one too many; floats are far off, as a tolerance follows the terms."""

    def spoil(flat: Any, last: int, before: Any) -> None:
        flat[last] = flat[last] + flat.dtype.type(1 if flat.dtype.kind != "f" else 1e30)

    return _at_the_end(function, place, counted, spoil)


def dropped_tail(function: Kernel, place: int, counted: bool) -> Kernel:
    """The last element is never written."""

    def spoil(flat: Any, last: int, before: Any) -> None:
        flat[last] = before[last]

    return _at_the_end(function, place, counted, spoil)


def nan(function: Kernel, place: int, counted: bool) -> Kernel:
    """The last element is no number; for outputs that are floats."""

    def spoil(flat: Any, last: int, before: Any) -> None:
        flat[last] = float("nan")

    return _at_the_end(function, place, counted, spoil)


def stale(function: Kernel, place: int, counted: bool) -> Kernel:
    """The answer is found, and not written."""

    def call(*args: Any) -> Any:
        return function(*args[:place], args[place].copy(), *args[place + 1 :])

    return call


def remembered(function: Kernel, place: int, counted: bool) -> Kernel:
    """The first answer is given to every later operation."""
    first: list[Any] = []

    def call(*args: Any) -> Any:
        result, flat = function(*args), args[place].reshape(-1)
        if not first:
            first.append(flat.copy())
        same = min(flat.size, first[0].size)
        flat[:same] = first[0][:same]
        return result

    return call


def behind_the_slack(function: Kernel, place: int, counted: bool) -> Kernel:
    """One element more than vector code may touch is written behind the output."""
    return _touching(function, place, lambda a: a.ctypes.data + a.nbytes + layout.SLACK)


def ahead_of_the_slack(function: Kernel, place: int, counted: bool) -> Kernel:
    """The same at the other end."""
    return _touching(function, place, lambda a: a.ctypes.data - layout.SLACK - a.itemsize)


def its_input(function: Kernel, place: int, counted: bool) -> Kernel:
    """The first element of an input is written, if only with what it holds."""

    def call(*args: Any) -> Any:
        args[place].reshape(-1)[:1] += args[place].dtype.type(0)
        return function(*args)

    return call


SPOILED: Mapping[str, Spoil] = {
    spoil.__name__.replace("_", " "): spoil
    for spoil in (
        *(off_by_one, dropped_tail, nan, stale, remembered),
        *(behind_the_slack, ahead_of_the_slack),
    )
}


def with_output(target: Target, op: Op, points: Mapping[str, Kernel], name: str, how: Spoil) -> Any:
    """The entry points of an op, spoiled wherever its steps name the output."""
    counted = bool(layout.declared(op.out[name]).count)
    return dict(points) | _spoiled(op.steps, points, name, how, counted)


def with_input(target: Target, op: Op, points: Mapping[str, Kernel], name: str) -> Any:
    """The entry points of an op which write into what they are given to read."""
    given = (*op.steps, *(s for s in (target.prepare, target.scratch) if s))
    return dict(points) | _spoiled(given, points, name, its_input, False)


def with_count(op: Op, points: Mapping[str, Kernel], name: str) -> Any:
    """The entry points of an op which return one more than they found."""
    more = {
        driver.entry_point(step): partial(_one_more, points[driver.entry_point(step)])
        for step in op.steps
        if step.startswith(f"{name} =")
    }
    return dict(points) | more


def _one_more(function: Kernel, *args: Any) -> Any:
    return function(*args) + 1


def _spoiled(
    steps: Any, points: Mapping[str, Kernel], name: str, how: Spoil, counted: bool
) -> dict[str, Kernel]:
    named = {driver.entry_point(step): driver.arguments(step) for step in steps}
    return {
        point: how(points[point], arguments.index(name), counted)
        for point, arguments in named.items()
        if name in arguments
    }


def _at_the_end(
    function: Kernel, place: int, counted: bool, spoil: Callable[[Any, int, Any], None]
) -> Kernel:
    """Spoil the last entry that counts, given its index and what lay there before the call."""

    def call(*args: Any) -> Any:
        flat = args[place].reshape(-1)
        before = flat.copy()
        result = function(*args)
        last = (int(result) if counted else flat.size) - 1
        if last >= 0:
            spoil(flat, last, before)
        return result

    return call


def _touching(function: Kernel, place: int, where: Callable[[Any], int]) -> Kernel:
    """Write one element at an address: the same twice, as two steps may name the output."""

    def call(*args: Any) -> Any:
        result, array = function(*args), args[place]
        ctypes.memset(where(array), 0xA5, array.itemsize)
        return result

    return call
