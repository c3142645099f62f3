"""In which order to try settings: learnt from every earlier trial, losers and failures among them.

Pure; the answer is an order and a reason, and the order given when nothing shows that the past
knows better. Knows rows; nothing of kernels, files or clocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import FloatArray
from ..runner.knobs import Setting
from . import features
from .attempt import attempt
from .past import Past
from .shape import Shape

Ints = NDArray[np.int64]
Model = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]  # known X, their y, X to predict

LEAST = 6  # usable rows
ENOUGH = 40  # rows, and two groups, for trees
MOST = 2000  # newest rows: k-NN compares each with each
SEEDS = 3
FOLDS = 5
CLIP = math.log(4)  # as slow as a failure; slower teaches no more
TRUST = 1.645  # one-sided 5 %: below, cross-validation cannot tell the model from a lottery
_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Ranking:
    """Indices of the candidates, best first, what ordered them (`none`, `k-NN`, `trees`), why."""

    order: tuple[int, ...]
    model: str
    why: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What the model learns from: f64[n, f], its ln(t / best in the group), and the groups."""

    X: FloatArray
    y: FloatArray
    groups: Ints

    @property
    def many(self) -> bool:
        return len(self.y) >= ENOUGH and len(np.unique(self.groups)) >= 2


def rank(
    candidates: Sequence[Mapping[str, Setting]],
    past: Sequence[Past],
    shapes: tuple[Shape, ...] = (),
    machine: str = "",
    caches: Sequence[int] = (),
) -> Ranking:
    """The order in which to try `candidates` on these shapes and this machine. Never raises."""
    listed = tuple(range(len(candidates)))

    def failed(told: str) -> Ranking:
        return Ranking(listed, "none", f"as listed: the prior failed ({told})")

    return attempt(lambda: _ranked(candidates, past, shapes, machine, caches), failed)


def _ranked(
    candidates: Sequence[Mapping[str, Setting]],
    past: Sequence[Past],
    shapes: tuple[Shape, ...],
    machine: str,
    caches: Sequence[int],
) -> Ranking:
    listed = tuple(range(len(candidates)))
    rows = _usable(candidates, past)
    if len(rows) < LEAST:
        return Ranking(listed, "none", f"as listed: {len(rows)} usable rows, {LEAST} are needed")
    told = [features.described(r.knobs, r.shapes, caches, r.machine == machine) for r in rows]
    told += [features.described(knobs, shapes, caches, True) for knobs in candidates]
    table = features.matrix(told)
    groups = np.unique([r.group for r in rows], return_inverse=True)[1]
    known, new = _Known(table[: len(rows)], _slowness(rows, groups), groups), table[len(rows) :]
    name, model = _trees() if known.many else ("k-NN", neighbours)
    z = _trust(known, model)
    basis = f"{len(rows)} rows in {len(np.unique(groups))} groups"
    if z is None or z < TRUST:
        found = "could not be computed" if z is None else f"found no order (z {z:.1f})"
        return Ranking(listed, "none", f"as listed: cross-validation of {name} on {basis} {found}")
    first = [] if known.many else _seeds(candidates, rows)
    later = np.argsort(model(known.X, known.y, new), kind="stable").tolist()
    order = tuple(dict.fromkeys([*first, *later]))
    return Ranking(order, name, f"{name} on {basis}, z {z:.1f} in cross-validation")


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


def _seeds(candidates: Sequence[Mapping[str, Setting]], rows: Sequence[Past]) -> list[int]:
    """The best setting of each group, where it is a candidate: what won elsewhere goes first."""
    best: dict[str, Past] = {}
    for row in rows:
        if (row.ratio or 0.0) > (best[row.group].ratio or 0.0 if row.group in best else 0.0):
            best[row.group] = row
    winners = sorted(best.values(), key=lambda r: -(r.ratio or 0.0))
    places = {tuple(sorted(c.items())): i for i, c in enumerate(candidates)}
    found = [places.get(tuple(sorted(r.knobs.items()))) for r in winners]
    return list(dict.fromkeys(i for i in found if i is not None))[:SEEDS]


def neighbours(X: FloatArray, y: FloatArray, new: FloatArray) -> FloatArray:
    """The mean of the nearest rows, near ones heavier."""
    k = min(_NEIGHBOURS, len(y))
    square = (new**2).sum(1)[:, None] + (X**2).sum(1)[None, :] - 2 * new @ X.T
    away = np.sqrt(np.maximum(square, 0.0))
    nearest = np.argpartition(away, k - 1, axis=1)[:, :k]
    weight = 1 / (0.1 + np.take_along_axis(away, nearest, axis=1))
    mean: FloatArray = (weight * y[nearest]).sum(1) / weight.sum(1)
    return mean


def _trees() -> tuple[str, Model]:
    """Boosted and random trees, averaged by rank, where scikit-learn is installed."""
    try:
        from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits
    except ImportError:
        return "k-NN", neighbours

    def predicted(X: FloatArray, y: FloatArray, new: FloatArray) -> FloatArray:
        # 5: with scikit-learn's own 20 a small set has one leaf and every prediction is the mean
        boosted = HistGradientBoostingRegressor(min_samples_leaf=5, random_state=0)
        random = ExtraTreesRegressor(100, random_state=0)
        with threadpool_limits(1):  # idle threads would spin on into the next measurement
            one, other = (_ranks(m.fit(X, y).predict(new)) for m in (boosted, random))
        return one + other

    return "trees", predicted


def _trust(known: _Known, model: Model) -> float | None:
    """z of the rank correlation, within groups, of left-out rows with what is predicted for them;
    None when no group can tell."""
    predicted = np.empty_like(known.y)
    folds = _folds(known.groups)
    for fold in np.unique(folds):
        out = folds == fold
        predicted[out] = model(known.X[~out], known.y[~out], known.X[out])
    parts = [_correlation(predicted[g], known.y[g]) for g in _members(known.groups)]
    told = [(weight, r) for weight, r in parts if weight]
    if not told:
        return None
    weights, rs = np.array(told).T
    return float((weights * rs).sum() / math.sqrt(weights.sum()))


def _members(groups: Ints) -> list[NDArray[np.bool_]]:
    return [groups == g for g in np.unique(groups)]


def _folds(groups: Ints) -> Ints:
    """Whole groups are left out where two can tell; single rows where there is one."""
    large = sum(int(g.sum()) > 2 for g in _members(groups))
    return groups % FOLDS if large >= 2 else np.arange(len(groups))


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
