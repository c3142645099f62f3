"""Which of the lists probed are really read; knows lists and distances to their centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arguments import F32, I64
from .lists import Packed, Runs

# Of |q|^2 + |c|^2: ten times what the kernels may err by, on both sides of the comparison.
MARGIN = np.float32(1e-4)


@dataclass(frozen=True, slots=True)
class Probes:
    """Lists i64[nq, nprobe], nearest first, and squared distances f32[nq, nprobe] to their centres;
    a dropped one is the list `nowhere`."""

    lists: I64
    dists: F32

    def after(self, first: int) -> Probes:
        return Probes(self.lists[:, first:], self.dists[:, first:])


def limited(held: Runs, probes: Probes, most: int) -> Probes:
    """The lists that begin before `most` vectors were read, the others dropped; 0 is no limit."""
    from .loops import limit

    if most <= 0:
        return probes
    lists = probes.lists.copy()
    limit(lists, held.offsets, most)
    return Probes(lists, probes.dists)


def surely_farther(held: Packed, q: F32, probes: Probes, kth: F32) -> I64:
    """`probes.lists` without those whose every vector is farther than kth f32[nq], squared: by the
    triangle inequality a vector is at least |q - c| - radius away."""
    scale = (q * q).sum(1)[:, None] + _squares(held)[probes.lists]
    apart = np.sqrt(np.maximum(probes.dists - MARGIN * scale, 0))
    least = np.maximum(apart - held.radii[probes.lists], 0)
    farther = least * least > kth[:, None] + MARGIN * scale
    return np.where(farther, held.nowhere, probes.lists)


def _squares(held: Packed) -> F32:
    squares = (held.centres * held.centres).sum(1)
    return np.append(squares, np.float32(0))
