"""What both sides index and are asked: drawn in clusters from a seed, or a user's file.

Knows arrays; nothing of indexes or processes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..data.source import Source
from ..errors import Refusal

F32 = NDArray[np.float32]
SEED = 20_251
CLUSTERED = "clustered"
# Vectors of real models fill far fewer dimensions than they have components: clusters that overlap
# in 16 of them, and a little noise in all. In all of them neighbours would never leave a cluster.
INNER = 16
# With lists of 100,000 vectors, recall@10 is 0.61, 0.94 and 0.99 at 1, 8 and 32 of 316 lists.
SPREAD = np.float32(0.8)
LEAST = 300  # vectors: 256 centroids need as many


def drawn(n: int, d: int, pool: int) -> tuple[F32, F32]:
    """x f32[n, d] and queries f32[pool, d] from the same clusters; the same every time."""
    rng = np.random.default_rng(SEED)
    clusters = max(4, int(n**0.5) // 2)
    centres = rng.standard_normal((clusters, INNER), np.float32)
    spread = rng.standard_normal((INNER, d), np.float32)
    latent = rng.standard_normal((n + pool, INNER), np.float32) * SPREAD
    latent += centres[rng.integers(0, clusters, n + pool)]
    both = np.asarray(latent @ spread, np.float32)
    both += rng.standard_normal(both.shape, np.float32) * np.float32(0.3)
    return both[:n], both[n:]


def held_out(source: Source, n: int | None, pool: int) -> tuple[F32, F32]:
    """x and queries of a file: queries are rows that are not indexed, a fifth of it at most."""
    rng = np.random.default_rng(SEED)
    order = rng.permutation(source.rows)
    pool = min(pool, source.rows // 5)
    rest = order[pool:] if n is None else order[pool : pool + n]
    if len(rest) < LEAST:
        what = f"The file leaves {len(rest)} vectors to index."
        raise Refusal(what, f"Name one with at least {LEAST * 5 // 4} vectors.")
    x, q = (np.ascontiguousarray(source.values[rows], np.float32) for rows in (rest, order[:pool]))
    return x, q
