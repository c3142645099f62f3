"""Whether outputs are right: pure comparisons that answer None or one sentence.

Knows no target, process or file. `got` may hold anything at all: nothing here trusts it or raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .model import Op

Array = NDArray[Any]
At = Callable[[Array], tuple[Array, Array]]

RANKED = ("topk", "topk_max", "recall")
TOLERANCE = 1e-5  # of the sum of |terms|; an honest f32 kernel stays below 1e-6
_BLOCK = 1 << 14  # elements: the temporaries of a block stay in cache and below malloc's mmap size


def check(
    op: Op, expected: Mapping[str, Any], got: Mapping[str, Any], truth: Mapping[str, Any]
) -> str | None:
    """Compare all outputs of one operation; the sentence starts with the array and the index.

    `expected` and `got` map every name in `op.out` to an array or scalar; `truth` is what the
    target's `truth(workload, static)(each)` returned for this operation (empty for exact):
    `{"scale": {name: array}}` for the float outputs of close, `{"n": int, "at": at}` for topk and
    topk_max, and the same with `"ids"`, the true ones, for recall. Counts are compared first, then
    the first n entries of a `[~n]`.
    """
    if op.oracle in RANKED:
        return _ranked(op, expected, got, truth)
    for name in sorted(op.out, key=lambda name: op.out[name] != "count"):
        want, have = _prefix(op.out[name], expected, name), _prefix(op.out[name], got, name)
        if op.oracle == "close" and want.dtype.kind == "f":
            told = close(want, have, truth["scale"][name])
        else:
            told = exact(want, have)
        if told:
            return name + told
    return None


def exact(expected: Array, got: Array) -> str | None:
    """Bit for bit: -0.0 is not 0.0, and a NaN equals only the same NaN."""
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return _misfit(expected, got)
    same = _bits(expected) == _bits(got)
    return None if np.all(same) else _told(expected, got, int(np.argmin(same)))


def close(expected: Array, got: Array, scale: Array | float) -> str | None:
    """|expected - got| <= 1e-5 * scale everywhere, scale the sum of |terms| behind each element.

    There is no absolute term. NaN matches only NaN, inf only the same inf, and an element whose
    scale is not finite only its equal. `scale` has the shape of `expected`, or is one number.
    """
    if expected.shape != got.shape:
        return _misfit(expected, got)
    want, have, terms = np.ravel(expected), np.ravel(got), np.ravel(np.asarray(scale))
    with np.errstate(all="ignore"):
        for start in range(0, want.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            slack = (terms if terms.size == 1 else terms[part]) * TOLERANCE
            at = _outside(want[part], have[part], slack)
            if at is not None:
                allowed = float(np.broadcast_to(slack, want[part].shape)[at])
                return _told(expected, got, start + at) + f" within {allowed:.3g}"
    return None


def topk(expected: Array, ids: Array, dists: Array, n: int, at: At, sign: int = 1) -> str | None:
    """The k nearest along the last axis, nearest first: any order among near-ties is right.

    `expected` holds the true sorted distances, inf where fewer than k exist: there ids must be -1
    and dists inf. Elsewhere ids lie in [0, n) and differ, dists rise, each is close to the true
    distance at its own id and no further than the true one of its rank. `at(ids)` returns
    (distances, scale) with the shape of its valid ids. With `sign` -1 the best are the largest:
    scores fall, and -inf stands where there is nothing. The sentence says ids and dists.
    """
    if expected.shape != ids.shape or expected.shape != dists.shape:
        return "ids or dists" + _misfit(expected, ids)
    return _ordered(expected * sign != np.inf, ids, dists, n, at, sign, expected)


def _ordered(
    real: Array, ids: Array, dists: Array, n: int, at: At, sign: int, expected: Array | None
) -> str | None:
    """Whether `ids` and `dists` may be an answer where `real` says there is something to find."""
    told = _invalid(real, ids, n)
    if told or not real.any():
        return told or _pad(real, dists, sign)
    with np.errstate(all="ignore"):
        return _pad(real, dists, sign) or _misplaced(expected, ids, dists, at, real, sign)


def found(true: Array, ids: Array) -> tuple[int, int]:
    """How many of the true ids (those that are not -1) are among as many first ids of an answer,
    whatever their order, and how many there are: the parts of recall@k, which pools them."""
    first = np.asarray(ids)[..., : np.shape(true)[-1]]
    hit = (np.asarray(true)[..., :, None] == first[..., None, :]).any(-1)
    real = np.asarray(true) >= 0
    return int(hit[real].sum()), int(real.sum())


def ranked(op: Op, expected: Mapping[str, Any]) -> tuple[str, str]:
    """The outputs of a ranking by name: the ids are the integers, the distances the floats."""
    ids, dists = sorted(op.out, key=lambda name: np.asarray(expected[name]).dtype.kind != "i")
    return ids, dists


def _ranked(
    op: Op, expected: Mapping[str, Any], got: Mapping[str, Any], truth: Mapping[str, Any]
) -> str | None:
    """A lossy answer may miss ids, but each must be possible and its distance its own. How many
    it misses is a mean over many operations: the caller pools what was `found`."""
    ids, dists = ranked(op, expected)
    want, have, far = np.asarray(expected[dists]), np.asarray(got[ids]), np.asarray(got[dists])
    if op.oracle != "recall":
        sign = -1 if op.oracle == "topk_max" else 1
        return topk(want, have, far, truth["n"], truth["at"], sign)
    if want.shape != have.shape or want.shape != far.shape:
        return "ids or dists" + _misfit(want, have)
    return _ordered(have != -1, have, far, truth["n"], truth["at"], 1, None)


def _invalid(real: Array, ids: Array, n: int) -> str | None:
    """Ids out of range, twice in a row, or not -1 where there is nothing."""
    wrong = np.where(real, (ids < 0) | (ids >= n), ids != -1)
    if wrong.any():
        at = _place(wrong)
        return f"ids{_index(at)} is {_text(ids[at])}, expected " + (
            f"an id in [0, {n})" if real[at] else "-1, as fewer exist"
        )
    order = np.argsort(ids, axis=-1, kind="stable")
    ranked = np.take_along_axis(ids, order, axis=-1)
    twice = (ranked[..., 1:] == ranked[..., :-1]) & (ranked[..., 1:] != -1)
    if twice.any():
        at = _place(twice)
        later = (*at[:-1], int(order[(*at[:-1], at[-1] + 1)]))
        return f"ids{_index(later)} is {_text(ids[later])}, expected an id not returned before"
    return None


def _pad(real: Array, dists: Array, sign: int) -> str | None:
    nothing = sign * np.inf
    wrong = ~real & (dists != nothing)
    if not wrong.any():
        return None
    at = _place(wrong)
    return f"dists{_index(at)} is {_text(dists[at])}, expected {nothing}, as fewer exist"


def _misplaced(
    expected: Array | None, ids: Array, dists: Array, at: At, real: Array, sign: int
) -> str | None:
    """A distance that is not the one at its id, is further than its rank allows, or falls."""
    true, scale = (np.where(real, part, np.inf) for part in at(np.where(real, ids, 0)))
    slack = TOLERANCE * scale
    off = real & ~((np.abs(dists - true) <= slack) | (dists == true))
    if off.any():
        i = _place(off)
        return f"dists{_index(i)} is {_text(dists[i])}, expected {_text(true[i])} at id {ids[i]}"
    told = "" if expected is None else _lost(expected, dists, slack, real, sign)
    return told or _disordered(dists, sign)


def _lost(expected: Array, dists: Array, slack: Array, real: Array, sign: int) -> str:
    far = real & (sign * (dists - expected) > slack)
    if not far.any():
        return ""
    i = _place(far)
    return f"dists{_index(i)} is {_text(dists[i])}, expected {_text(expected[i])}: a better is lost"


def _disordered(dists: Array, sign: int) -> str | None:
    falls = sign * dists[..., 1:] < sign * dists[..., :-1]
    if not falls.any():
        return None
    i = _place(falls)
    later = (*i[:-1], i[-1] + 1)
    word = "less" if sign > 0 else "more"
    return (
        f"dists{_index(later)} is {_text(dists[later])}, expected no {word} than {_text(dists[i])}"
    )


def _prefix(spec: str, arrays: Mapping[str, Any], name: str) -> Array:
    """The checked part of an output. Counts came first, hence expected and got agree on n."""
    whole = np.asarray(arrays[name])
    count = re.search(r"\[~(\w+)\]", spec)
    return whole[: int(arrays[count.group(1)])] if count else whole


def _bits(array: Array) -> Array:
    return array.view(f"u{array.itemsize}") if array.dtype.kind == "f" else array


def _outside(want: Array, have: Array, slack: Array) -> int | None:
    """The first index out of tolerance; the first line decides alone when all is well."""
    gap = np.abs(have - want)
    if np.all(gap <= slack) and np.max(slack) < np.inf:
        return None
    right = (want == have) | (np.isnan(want) & np.isnan(have))
    right |= (gap <= slack) & np.isfinite(slack)
    return None if right.all() else int(np.argmin(right))


def _place(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))


def _index(at: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, at))}]" if at else ""


def _told(expected: Array, got: Array, flat: int) -> str:
    at = tuple(int(i) for i in np.unravel_index(flat, expected.shape))
    return f"{_index(at)} is {_text(got[at])}, expected {_text(expected[at])}"


def _misfit(expected: Array, got: Array) -> str:
    return f" is {got.dtype}{list(got.shape)}, expected {expected.dtype}{list(expected.shape)}"


def _text(value: Any) -> str:
    return f"{value:.9g}" if np.asarray(value).dtype.kind == "f" else str(value)
