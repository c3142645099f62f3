"""Inverted lists of product-quantised vectors, packed list after list in blocks of 64 rows.

Knows codes, ids and lists; nothing of how lists are chosen or searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .arguments import F32, I64
from .lists import Part, Runs, shown, sort
from .quantizer import U8, Quantizer, aligned

ROWS = 64  # of a block


@dataclass(frozen=True)
class Coded(Runs):
    """Row i, of the list that offsets name as in `Packed`, has the codes
    blocks[i // 64, :, i % 64]; they quantise its vector's gap from the list's centre.

    The last block holds no row: loops take two at a time.

    blocks u8[blocks, M, 64], terms f32[64 * blocks] (see `scan`), ids i64[n],
    offsets i64[nlist + 2], centres f32[nlist, d], centroids f32[M, K, ds].
    """

    blocks: U8
    terms: F32
    ids: I64
    offsets: I64
    centres: F32
    centroids: F32

    @cached_property
    def quantizer(self) -> Quantizer:
        return Quantizer(self.centroids)

    @cached_property
    def middle(self) -> F32:
        """f32[d], from which products are taken: less cancels where data lie far from 0."""
        middle: F32 = self.centres.mean(0, dtype=np.float64).astype(np.float32)
        return middle

    @cached_property
    def state(self) -> tuple[Any, ...]:
        """What `scan` takes; all are read-only, as those of a file are: one compiled form."""
        most = np.float32(np.abs(self.terms).max(initial=0))
        arrays = (self.quantizer.columns, self.blocks, self.terms, self.offsets, self.ids)
        return *map(shown, (*arrays, self.middle)), most

    @property
    def rows(self) -> U8:
        """Codes u8[n, M]."""
        M = len(self.centroids)
        flat = self.blocks.transpose(0, 2, 1).reshape(-1, M)
        return np.ascontiguousarray(flat[: len(self.ids)])

    def holding(self, parts: Sequence[Part]) -> Coded:
        """What these parts, of codes u8[n, M], hold, sorted by list."""
        return self.of(*sort(parts, len(self.centres)))

    def of(self, rows: U8, ids: I64, offsets: I64) -> Coded:
        """These codes u8[n, M] alone, sorted already."""
        from .tables import fill_blocks, fill_terms

        n, M = rows.shape
        blocks = aligned((-(-n // ROWS) + 1, M, ROWS), np.uint8)
        terms = np.zeros(len(blocks) * ROWS, np.float32)
        fill_blocks(rows, blocks)
        quantizer, apart = self.quantizer, self.centres - self.middle
        fill_terms(quantizer.columns, quantizer.halves, apart, offsets, blocks, terms)
        return replace(self, blocks=blocks, terms=terms, ids=ids, offsets=offsets)

    def emptied(self) -> Coded:
        return self.empty(self.centres, self.centroids)

    @classmethod
    def empty(cls, centres: F32, centroids: F32) -> Coded:
        M, none = len(centroids), np.empty(0, np.int64)
        blocks, terms = np.zeros((1, M, ROWS), np.uint8), np.zeros(ROWS, np.float32)
        return cls(blocks, terms, none, np.zeros(len(centres) + 2, np.int64), centres, centroids)
