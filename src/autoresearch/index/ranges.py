"""Range search: every vector on the near side of a limit, whole or list by list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .arguments import F32, I64

_ROWS = 1 << 16  # scores made at a time
Near = Callable[[F32], Any]


def in_range(
    q: F32,
    x: F32,
    score: Callable[..., None],
    near: Near,
    spans: Iterable[Sequence[tuple[int, int]]] | None = None,
) -> tuple[I64, F32, I64]:
    """Limits i64[nq + 1], scores and rows of x f32[n, d] that are `near`, by query. `spans` names
    the runs of rows that each query looks at; without it all do."""
    whole = [(0, len(x))]
    found = [_one(one, x, score, near, runs) for one, runs in _asked(q, spans, whole)]
    limits = np.cumsum([0, *(len(rows) for _, rows in found)], dtype=np.int64)
    return limits, *_joined(found)


def _asked(q: F32, spans: Any, whole: Any) -> Iterable[tuple[F32, Any]]:
    return ((one, whole) for one in q) if spans is None else zip(q, spans, strict=True)


def _one(
    q: F32,
    x: F32,
    score: Callable[..., None],
    near: Near,
    runs: Sequence[tuple[int, int]],
) -> tuple[F32, I64]:
    found = []
    for begin, end in _short(runs):
        out = np.empty(end - begin, np.float32)
        score(x, q, begin, end, out)
        places = np.flatnonzero(near(out))
        found.append((out[places], places + begin))
    return _joined(found)


def _joined(parts: Sequence[tuple[F32, I64]]) -> tuple[F32, I64]:
    scores = [np.empty(0, np.float32), *(s for s, _ in parts)]
    rows = [np.empty(0, np.int64), *(r for _, r in parts)]
    return np.concatenate(scores), np.concatenate(rows)


def _short(runs: Sequence[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    for begin, end in runs:
        for at in range(begin, end, _ROWS):
            yield at, min(at + _ROWS, end)
