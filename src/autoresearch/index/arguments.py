"""What an index may be given, checked once at its door; knows arrays, nothing of indexes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Refusal

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
_F32 = np.dtype(np.float32)
_WHOLE = (int, np.integer)

MOST_COMPONENTS = 1 << 16


def components(d: Any) -> int:
    """`d` as the number of components of a vector."""
    if not isinstance(d, _WHOLE) or not 0 < d <= MOST_COMPONENTS:
        what = f"d is {d!r}, which is no number of components."
        raise Refusal(what, f"Give a whole number from 1 to {MOST_COMPONENTS}.")
    return int(d)


def vectors(x: Any, d: int, name: str = "x") -> F32:
    """`x` as f32[n, d], contiguous; Refusal for another type, shape, NaN or infinity."""
    found = shaped(x, d, name)
    if not np.isfinite(found).all():
        row = int(np.argmin(np.isfinite(found).all(1)))
        what = f"Row {row} of {name} holds a NaN or an infinity, to which nothing is near."
        raise Refusal(what, "Drop or mend such rows first.")
    return found


def shaped(x: Any, d: int, name: str) -> F32:
    """As `vectors`, but a NaN or an infinity is left for others to find: looking for one takes
    longer than all else that a search of one query does before it is compiled."""
    found: F32 = np.asarray(x)
    if found.dtype != _F32:
        what = f"{name} holds {found.dtype}, an index holds float32."
        raise Refusal(what, f"Convert it: {name}.astype('float32').")
    if found.ndim != 2 or found.shape[1] != d:
        what = f"{name} has the shape {found.shape}, the index wants (n, {d})."
        raise Refusal(what, f"Reshape it to rows of {d} components.")
    return np.ascontiguousarray(found)


def count(k: Any, name: str = "k", least: int = 1) -> int:
    """`k` as a whole number of at least `least`."""
    if not isinstance(k, _WHOLE) or isinstance(k, bool) or k < least:
        raise Refusal(f"{name} is {k!r}.", f"Give a whole number of at least {least}.")
    return int(k)


def limit(radius: Any) -> np.float32:
    """`radius` as the number that scores are held against."""
    if not isinstance(radius, (*_WHOLE, float, np.floating)) or radius != radius:
        what = f"radius is {radius!r}, which no distance can be held against."
        raise Refusal(what, "Give a number: of L2 it is squared, as distances are.")
    return np.float32(radius)


class Told:
    """An index that says in one line what it is, as far as `_told` names it."""

    _told: tuple[str, ...] = ("d", "ntotal")

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={getattr(self, name)}" for name in self._told)
        return f"{type(self).__name__}({facts})"


class Threaded(Told):
    """An index whose calls may use several threads: `num_threads` is checked when it is set."""

    _num_threads = 1

    @property
    def num_threads(self) -> int:
        return self._num_threads

    @num_threads.setter
    def num_threads(self, n: Any) -> None:
        self._num_threads = count(n, "num_threads")


def names(ids: Any, n: int) -> I64:
    """`ids` as i64[n], one for each vector; -1 and below mean nothing and are refused."""
    ids = np.asarray(ids)
    if ids.shape != (n,) or not np.issubdtype(ids.dtype, np.integer):
        what = f"ids has the shape {ids.shape} and holds {ids.dtype}."
        raise Refusal(what, f"Give {n} whole numbers, one for each vector.")
    if n and ids.min() < 0:
        raise Refusal("An id is negative, which means `missing`.", "Number from 0 on.")
    return np.array(ids, np.int64)


def row(i: Any, n: int) -> int:
    """`i` as the place of one of `n` vectors."""
    if not isinstance(i, _WHOLE) or not 0 <= i < n:
        raise Refusal(f"There is no vector {i!r}.", f"The index holds {n}: 0 to {n - 1}.")
    return int(i)


def trained(is_trained: bool) -> None:
    if not is_trained:
        raise Refusal("The index is not trained.", "Call train(x) with typical vectors first.")
