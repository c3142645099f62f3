"""In which order to try settings: learnt from every earlier trial, losers and failures among them.

Pure; the answer is an order and a reason: what is expected to improve most first, and where
nothing is known, the default and what differs from it least. Knows rows; nothing of kernels, files
or clocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import FloatArray
from ..runner.knobs import Setting
from . import features, process
from .attempt import attempt
from .past import Past
from .process import Belief, Rows
from .shape import Shape

Ints = NDArray[np.int64]
Values = Mapping[tuple[type, Setting], int]  # of a knob, and their places in its table

LEAST = 10  # rows of one place: about as many as single changes of a few knobs
MOST = 256  # newest rows of a place: all are compared with all
WIDE = 500  # candidates that are ordered: a night of trials
CLIP = math.log(4)  # as slow as a failure; slower teaches no more
FEW = 0.6  # the same where no other place says anything: one failure would bend all that is known
HOPE = 1.5  # times the standard deviation, which is that of a model that was fitted
ALIKE = 0.1  # added to a place's distance: one just like here does not count infinitely more
AGAIN = 1.25  # times as many rows, and which knobs matter is asked again
FAR = 1.5  # what is usual of any kernel counts less than any place with the same knobs


@dataclass(frozen=True, slots=True)
class Ranking:
    """Indices of the candidates, best first, what ordered them (`none`, `process`), why."""

    order: tuple[int, ...]
    model: str
    why: str


@dataclass(frozen=True)
class Learnt:
    """What other places teach of some settings here, to be asked before each trial. `table` is
    i64[n, knobs], the settings as places in each knob's values; `places` are those that teach."""

    knobs: process.Knobs
    values: tuple[tuple[str, Values], ...]
    table: Ints
    at: Mapping[tuple[int, ...], int]  # of each row of the table its place
    belief: Belief
    places: int
    elsewhere: str

    def place(self, knobs: Mapping[str, Setting]) -> int:
        """Where a setting stands in the table."""
        return self.at[tuple(v[type(knobs[n]), knobs[n]] for n, v in self.values)]

    def ranking(self, own: Sequence[Past], left: Sequence[int]) -> Ranking:
        """In which order to try the places `left`, after these rows from here, the newest first;
        indices of `left`."""
        tried = np.array([self.place(row.knobs) for row in own], np.int64)
        wanted = np.array(left, np.int64)
        groups, y = _groups(own), self._slowness(own)
        enough = not self.places and len(own) >= LEAST
        belief = self._alone(own, tried) if enough else self.belief
        mean, spread = belief.told(tried, groups, y)
        model = "process" if len(own) or self.places else "none"
        why = f"{model} on {len(own)} rows from here and {self.elsewhere}"
        if not len(own):  # one setting is to win: what wins elsewhere, not what would teach most
            return Ranking(_listed(mean[wanted]), model, why)
        best = float(mean[tried].min())
        gain = process.improvement(mean[wanted], HOPE * spread[wanted], best)
        return Ranking(_listed(-gain), model, why)

    def _slowness(self, own: Sequence[Past]) -> FloatArray:
        clipped: FloatArray = np.minimum(_slowness(own), CLIP if self.places else FEW)
        return clipped

    def _alone(self, own: Sequence[Past], tried: Ints) -> Belief:
        """From the first rows of this place; asked again when there are a quarter more."""
        some = LEAST * AGAIN ** math.floor(math.log(len(own) / LEAST, AGAIN) + 1e-9)
        first = slice(len(own) - int(some), None)
        rows = Rows(self.table[tried[first]], _groups(own[first]))
        return process.unknown(self.knobs, self.table, rows, self._slowness(own)[first])


def learn(
    settings: Sequence[Mapping[str, Setting]],
    past: Iterable[Past],
    shapes: tuple[Shape, ...] = (),
    machine: str = "",
    target: str = "",
) -> Learnt:
    """What rows of other places teach of these settings, the default first, on these shapes and
    this machine. Those of another target are of another place, however alike."""
    here, places = (machine, shapes), dict[tuple[str, features.Place], list[Past]]()
    for row in _usable(settings, past):
        if not _from(row, target, here):
            places.setdefault((row.target, (row.machine, row.shapes)), []).append(row)
    told = {at: rows[:MOST] for at, rows in places.items() if _tells(rows[:MOST])}
    names, every = list(settings[0]), [r.knobs for rows in told.values() for r in rows]
    values = [_values([k[name] for k in (*settings, *every)]) for name in names]
    knobs = tuple(features.apart([value for _, value in found]) for found in values)
    table = _table(names, values, settings)
    beliefs = [
        process.taught(
            knobs,
            table,
            Rows(_table(names, values, [r.knobs for r in rows]), _groups(rows)),
            _slowness(rows),
        )
        for rows in told.values()
    ]
    apart = [*features.away([place for _, place in told], here), FAR]
    counts = (ALIKE + np.array(apart)) ** -2.0  # Shepard, 1968
    belief = process.pooled([*beliefs, process.usual(knobs, table)], counts / counts.sum())
    elsewhere = f"{len(every)} rows from {len(told)} other places"
    at = {tuple(row): n for n, row in enumerate(table.tolist())}
    named = tuple(zip(names, values, strict=True))
    return Learnt(knobs, named, table, at, belief, len(told), elsewhere)


def rank(
    candidates: Sequence[Mapping[str, Setting]],
    past: Sequence[Past],
    shapes: tuple[Shape, ...] = (),
    machine: str = "",
    target: str = "",
) -> Ranking:
    """The order in which to try `candidates` of a target, on these shapes and this machine. Never
    raises."""
    listed = tuple(range(len(candidates)))

    def failed(told: str) -> Ranking:
        return Ranking(listed, "none", f"as listed: the prior failed ({told})")

    return attempt(lambda: _ranked(candidates, past, shapes, machine, target), failed)


def _ranked(
    candidates: Sequence[Mapping[str, Setting]],
    past: Sequence[Past],
    shapes: tuple[Shape, ...],
    machine: str,
    target: str,
) -> Ranking:
    if not candidates:
        return Ranking((), "none", "nothing to order")
    wide = candidates[:WIDE]
    own = [r for r in _usable(wide, past) if _from(r, target, (machine, shapes))][:MOST]
    first = (row.knobs for row in reversed(own))  # the oldest row is the default's
    learnt = learn([*first, *wide], past, shapes, machine, target)
    found = learnt.ranking(own, [learnt.place(setting) for setting in wide])
    return Ranking((*found.order, *range(WIDE, len(candidates))), found.model, found.why)


def _from(row: Past, target: str, here: features.Place) -> bool:
    return (row.target, row.machine, row.shapes) == (target, *here)


def _usable(settings: Sequence[Mapping[str, Setting]], past: Iterable[Past]) -> list[Past]:
    """Raced or failed rows with the same knobs: those of other kernels are other questions."""
    names = settings[0].keys()
    return [r for r in past if r.knobs.keys() == names and _sound(r)]


def _sound(row: Past) -> bool:
    values = [row.ratio, *row.knobs.values()]
    numbers = [v for v in values if isinstance(v, int | float)]
    return all(map(math.isfinite, numbers)) and (row.ratio is None or row.ratio > 0)


def _tells(rows: Sequence[Past]) -> bool:
    """Whether a place has rows enough, and they differ."""
    return len(rows) >= LEAST and bool(np.ptp(_slowness(rows)))


def _values(found: Sequence[Setting]) -> dict[tuple[type, Setting], int]:
    places: dict[tuple[type, Setting], int] = {}
    for value in found:
        places.setdefault((type(value), value), len(places))
    return places


def _table(
    names: Sequence[str], values: Sequence[Values], settings: Sequence[Mapping[str, Setting]]
) -> Ints:
    rows = [[v[type(s[n]), s[n]] for n, v in zip(names, values, strict=True)] for s in settings]
    return np.array(rows, np.int64).reshape(len(settings), len(names))


def _listed(worth: FloatArray | Ints) -> tuple[int, ...]:
    """The least first, equals as listed."""
    return tuple(np.argsort(worth, kind="stable").tolist())


def _groups(rows: Sequence[Past]) -> Ints:
    places: dict[str, int] = {}
    return np.array([places.setdefault(r.group, len(places)) for r in rows], np.int64)


def _slowness(rows: Sequence[Past]) -> FloatArray:
    """ln(t / best) within each group, whose incumbent has ratio 1; failures are clipped."""
    gain = np.array([-np.inf if r.ratio is None else math.log(r.ratio) for r in rows])
    groups = _groups(rows)
    best = np.zeros(len(set(groups.tolist())))
    np.maximum.at(best, groups, gain)
    clipped: FloatArray = np.minimum(best[groups] - gain, CLIP)
    return clipped
