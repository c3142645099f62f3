"""Centres of clusters by mini-batch k-means; knows vectors and the engine, nothing of lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import Refusal
from . import arguments, engine
from .arguments import F32, I64

PER_CENTRE = 256  # vectors that a centre is learnt from at most, as in faiss
LEAST_BATCH = 4096
# With them errors are at most those of faiss's 10 over all of IVF and 25 over slices, on five kinds
# of data; with 8 they are another 0.1 to 0.7 % smaller.
PASSES = 6
MOST_LISTS = 1024
Near = Callable[[F32, F32, int], I64]  # vectors, centres, threads -> numbers of centres


def default_lists(n: int) -> int:
    """min(1024, sqrt(n)), at least 1."""
    return max(1, min(MOST_LISTS, int(n**0.5)))


def kmeans(
    x: Any,
    k: int,
    seed: int = 0,
    passes: int = PASSES,
    threads: int = 1,
    near: Near = engine.labels,
) -> F32:
    """Centres f32[k, d] of x f32[n, d]: mini-batches, each centre the mean of what a pass gave it
    (Sculley, "Web-scale k-means clustering", WWW 2010).

    A sample of 256 vectors a centre is used where there are more. A centre that a pass left empty
    is set beside the fullest. The same seed gives the same centres. Refusal where n < k. `near` is
    what finds the nearest centres.
    """
    x = np.asarray(x)
    x = arguments.vectors(x, x.shape[-1] if x.ndim else 0)
    k = arguments.count(k)
    if len(x) < k:
        what = f"{len(x)} vectors cannot make {k} clusters."
        raise Refusal(what, f"Train with at least {k}, better {39 * k} vectors, or make fewer.")
    rng = np.random.default_rng(seed)
    sample = rng.permutation(len(x))[: PER_CENTRE * k]
    centres: F32 = x[sample[:k]]
    for _ in range(passes):
        centres = _passed(x, rng.permutation(sample), centres, rng, near, threads)
    return centres


def _passed(
    x: F32, order: I64, centres: F32, rng: np.random.Generator, near: Near, threads: int
) -> F32:
    """Centres after one look at x in this order, moved after every batch."""
    from .loops import add_up

    k, d = centres.shape
    sums, counts = np.zeros((k, d)), np.zeros(k, np.int64)
    size = max(LEAST_BATCH, 16 * k)
    for at in range(0, len(order), size):
        batch = x[order[at : at + size]]
        add_up(batch, near(batch, centres, threads), sums, counts)
        some = counts > 0
        centres[some] = sums[some] / counts[some, None]
    return _split(centres, counts, rng)


def _split(centres: F32, counts: I64, rng: np.random.Generator) -> F32:
    """Sets each centre without vectors beside the fullest, which gives it half."""
    for empty in np.flatnonzero(counts == 0):
        full = int(counts.argmax())
        push = rng.standard_normal(centres.shape[1], np.float32) / 1024
        scale = np.abs(centres[full]).mean() + np.float32(1e-6)
        centres[empty] = centres[full] + push * scale
        centres[full] -= push * scale
        counts[empty] = counts[full] // 2
        counts[full] -= counts[empty]
    return centres
