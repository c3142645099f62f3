"""In which order to try settings: learnt from every earlier trial, losers and failures among them.

Pure; the answer is an order and a reason: what is expected to be fast first, or where nothing shows
that the past knows better, the default with one knob changed. Knows rows; nothing of kernels, files
or clocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import FloatArray
from ..runner.knobs import Setting
from . import features
from .attempt import attempt
from .past import Past
from .process import Process, Rows, Space
from .shape import Shape

Ints = NDArray[np.int64]

LEAST = 10  # usable rows: about as many as single changes of a few knobs
MOST = 600  # newest rows: all are compared with all
HOPE = 2.0  # standard deviations by which a setting is taken to be better than expected
CLIP = math.log(4)  # as slow as a failure; slower teaches no more
TRUST = 0.0  # a model that predicts unseen rows better than a lottery; 1.6 cost a sixth more trials


@dataclass(frozen=True, slots=True)
class Ranking:
    """Indices of the candidates, best first, what ordered them (`none`, `process`), why."""

    order: tuple[int, ...]
    model: str
    why: str


def rank(
    candidates: Sequence[Mapping[str, Setting]],
    past: Sequence[Past],
    shapes: tuple[Shape, ...] = (),
    machine: str = "",
) -> Ranking:
    """The order in which to try `candidates` on these shapes and this machine. Never raises."""
    listed = tuple(range(len(candidates)))

    def failed(told: str) -> Ranking:
        return Ranking(listed, "none", f"as listed: the prior failed ({told})")

    return attempt(lambda: _ranked(candidates, past, shapes, machine), failed)


def _ranked(
    candidates: Sequence[Mapping[str, Setting]],
    past: Sequence[Past],
    shapes: tuple[Shape, ...],
    machine: str,
) -> Ranking:
    rows = _usable(candidates, past)
    if not candidates:
        return Ranking((), "none", "nothing to order")
    known, new, space = _encoded(candidates, rows, shapes, machine)
    if len(rows) < LEAST:
        why = f"one knob at a time: {len(rows)} usable rows, {LEAST} are needed"
        return Ranking(_beside(known, new), "none", why)
    model = _model(space, known, _slowness(rows, known.groups), int(new.places[0]))
    basis = f"{len(rows)} rows in {len(np.unique(known.groups))} groups"
    z = _trust(model, new.places[0])
    if z is None or z < TRUST:
        found = "could not be computed" if z is None else f"found no order (z {z:.1f})"
        why = f"one knob at a time: cross-validation on {basis} {found}"
        return Ranking(_beside(known, new), "none", why)
    mean, spread = model.expected(new)
    order = np.argsort(mean - HOPE * spread, kind="stable")
    why = f"process on {basis}, z {z:.1f} in cross-validation"
    return Ranking(tuple(order.tolist()), "process", why)


def _encoded(
    candidates: Sequence[Mapping[str, Setting]],
    rows: Sequence[Past],
    shapes: tuple[Shape, ...],
    machine: str,
) -> tuple[Rows, Rows, Space]:
    """The rows and the candidates in numbers, and the distances of what the numbers stand for."""
    every = [*(row.knobs for row in rows), *candidates]
    places: dict[features.Place, int] = {}
    at = [places.setdefault((r.machine, r.shapes), len(places)) for r in rows]
    here = places.setdefault((machine, shapes), len(places))
    settings, apart = [], []
    for name in candidates[0]:
        values: dict[tuple[type, Setting], int] = {}
        found = [values.setdefault((type(k[name]), k[name]), len(values)) for k in every]
        settings.append(found)
        apart.append(features.apart([value for _, value in values]))
    table = np.array(settings, np.int64).T
    groups = np.unique([r.group for r in rows], return_inverse=True)[1]
    known = Rows(table[: len(rows)], np.array(at, np.int64), groups)
    new = Rows(table[len(rows) :], np.full(len(candidates), here), np.full(len(candidates), -1))
    return known, new, Space(tuple(apart), features.traits(list(places)), len(places))


def _model(space: Space, known: Rows, y: FloatArray, here: int) -> Process:
    """Of all rows, or of those from here alone once these foretell each other better: what other
    places teach may be wrong here."""
    every, own = Process.of(space, known, y, here), np.flatnonzero(known.places == here)
    if not LEAST <= len(own) < len(y):
        return every
    alone = Process.of(space, known.part(own), y[own], here)
    missed = [
        float(
            (
                (model.y[at] - model.unseen([np.arange(len(model.y)) == i for i in at])[at]) ** 2
            ).sum()
        )
        for model, at in ((every, own), (alone, np.arange(len(own))))
    ]
    return every if missed[0] <= missed[1] else alone


def _beside(known: Rows, new: Rows) -> tuple[int, ...]:
    """What differs in the fewest knobs from what was tried here first, the default, then as listed:
    authors know their kernels, and a knob at a time beat settings spread far from each other."""
    here = known.settings[known.places == new.places[0]]
    default = here[-1] if len(here) else new.settings[0]  # rows are newest first
    changed = (new.settings != default).sum(axis=1)
    return tuple(np.argsort(changed, kind="stable").tolist())


def _usable(candidates: Sequence[Mapping[str, Setting]], past: Sequence[Past]) -> list[Past]:
    """Raced or failed rows with the same knobs: those of other kernels are other questions."""
    names = set(candidates[0]) if candidates else set()
    rows = [r for r in past if set(r.knobs) == names and _sound(r)]
    return rows[:MOST]


def _sound(row: Past) -> bool:
    values = [row.ratio, *row.knobs.values()]
    numbers = [v for v in values if isinstance(v, int | float)]
    return all(map(math.isfinite, numbers)) and (row.ratio is None or row.ratio > 0)


def _slowness(rows: Sequence[Past], groups: Ints) -> FloatArray:
    """ln(t / best) within each group, whose incumbent has ratio 1; failures are clipped."""
    gain = np.array([-np.inf if r.ratio is None else math.log(r.ratio) for r in rows])
    best = np.zeros(groups.max() + 1)
    np.maximum.at(best, groups, gain)
    clipped: FloatArray = np.minimum(best[groups] - gain, CLIP)
    return clipped


def _trust(model: Process, here: int) -> float | None:
    """z of the rank correlation, within groups, of left-out rows with what is expected of them;
    None when no group can tell. Groups of other places are left out whole, others row by row."""
    rows = model.rows
    groups = [rows.groups == g for g in np.unique(rows.groups)]
    elsewhere = [g for g in groups if len(groups) > 1 and rows.places[g][0] != here]
    single = ~np.logical_or.reduce([np.zeros(len(rows.groups), bool), *elsewhere])
    alone = [np.arange(len(single)) == i for i in np.flatnonzero(single)]
    expected = model.unseen([*elsewhere, *alone])
    parts = [_correlation(expected[g], model.y[g]) for g in groups]
    told = [(weight, r) for weight, r in parts if weight]
    if not told:
        return None
    weights, rs = np.array(told).T
    return float((weights * rs).sum() / math.sqrt(weights.sum()))


def _correlation(predicted: FloatArray, y: FloatArray) -> tuple[float, float]:
    """(weight, Spearman's r); weight 0 when the outcomes do not differ. 1 / weight is the variance
    of r under a random order."""
    a, b = _ranks(predicted), _ranks(y)
    if len(y) < 3 or np.ptp(b) == 0:
        return 0.0, 0.0
    r = 0.0 if np.ptp(a) == 0 else float(np.corrcoef(a, b)[0, 1])
    return len(y) - 1.0, r


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from 0, equal values at their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: FloatArray = ends - (counts + 1) / 2
    return means[place]
