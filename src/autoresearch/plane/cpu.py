"""The kernels for processors: `cpu`, which serves everything, and `cpu-simd`."""

from __future__ import annotations

import numpy as np

from .model import KernelCaps, ScanRequest, ScanResponse


class Cpu:
    """Plain loops: the definition of every answer, on any processor."""

    id = "cpu"

    def caps(self) -> KernelCaps:
        return KernelCaps()

    def scan(self, request: ScanRequest) -> ScanResponse:
        from . import plain

        index, response = request.index, request.blank()
        none = np.empty((0, 64 * index.codes.shape[1]), np.float32)
        state = index.layouts.get(self.id, lambda: plain.prepare(index.codes, none))
        plain.answer(
            state,
            (index.squares, index.scales, index.ones, index.vectors),
            (request.queries, request.planes, request.coefs),
            (response.candidates, response.ids, response.dists),
        )
        return response


class CpuSimd:
    """The promoted scan of rabitq, a tile at a time for all queries, and vectors around it."""

    id = "cpu-simd"

    def caps(self) -> KernelCaps:
        return KernelCaps(accelerator="simd")

    def scan(self, request: ScanRequest) -> ScanResponse:
        from . import vector

        index, response = request.index, request.blank()
        factors = index.squares, index.scales, index.ones
        asked = request.planes, request.coefs
        estimates = np.full(response.candidates.shape, np.inf)
        for number, tile in enumerate(index.layouts.get(self.id, lambda: vector.tiles(index))):
            first = number * vector.TILE
            vector.scan(tile, first, *factors, *asked, response.candidates, estimates)
        candidates, ids, dists = response.candidates, response.ids, response.dists
        vector.rerank(index.vectors, request.queries, candidates, ids, dists)
        return response
