"""The `cuda` kernel, and the scan of inverted lists beside it.

It runs on numba's simulator too (NUMBA_ENABLE_CUDASIM=1), where only its answers mean anything.
Knows how work is laid out on a device; what runs there is in `device.py`.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Refusal
from .model import F32, I64, KernelCaps, ScanRequest, ScanResponse

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOM = 1 << 30  # bytes of estimates at once: 134 queries over a million codes
_LOCK = Lock()  # one search at a time has the device


class Cuda:
    """RaBitQ's scan and rerank on one GPU, which holds the whole index."""

    id = "cuda"

    def caps(self) -> KernelCaps:
        return KernelCaps(min_batch=8, accelerator="cuda")

    def scan(self, request: ScanRequest) -> ScanResponse:
        response, n = request.blank(), len(request.index.codes)
        step = max(1, ROOM // max(8 * n, 1))
        with _LOCK:
            held = request.index.layouts.get(self.id, lambda: _sent(request.index.arrays()))
            for at in range(0, len(request.queries) if n else 0, step):
                self._part(held, request, response, slice(at, at + step))
        return response

    def _part(
        self, held: tuple[Any, ...], request: ScanRequest, response: ScanResponse, rows: slice
    ) -> None:
        from . import device

        *coded, vectors = held
        n, nq = len(request.index.codes), len(request.queries[rows])
        values = device.cuda.device_array((nq, n), np.float64)
        asked = _sent((request.planes[rows], request.coefs[rows]))
        device.estimates[device.grid(n, nq)](*coded, *asked, values)
        found = device.least(values, min(request.kept, n))
        response.candidates[rows, : found.shape[1]] = found
        ids, dists = _nearest(vectors, request.queries[rows], found, request.k)
        response.ids[rows, : ids.shape[1]], response.dists[rows, : ids.shape[1]] = ids, dists


class IvfScan:
    """Exact search of inverted lists on one GPU: the lists and answers of the target ivf-flat.

    List l holds vectors[offsets[l]] to vectors[offsets[l + 1] - 1]; vector v is known as rows[v].
    """

    def __init__(self, vectors: F32, rows: I64, offsets: I64) -> None:
        self._rows, self._offsets = rows, offsets
        self._vectors = _sent((vectors,))[0]

    def search(self, q: F32, probes: I64, k: int) -> tuple[I64, F32]:
        """(ids i64[nq, k], distances f32[nq, k]) of q f32[nq, d] in the lists of probes
        i64[nq, nprobe], all different, nearest first; -1 at inf where fewer exist."""
        at = self._candidates(probes)
        ids = np.full((len(q), k), -1, np.int64)
        dists = np.full((len(q), k), np.inf, np.float32)
        if at.size:
            with _LOCK:
                found, near = self._least(q, at, min(k, at.shape[1]))
            ids[:, : found.shape[1]] = np.where(found >= 0, self._rows[found], -1)
            dists[:, : found.shape[1]] = near
        return ids, dists

    def _candidates(self, probes: I64) -> I64:
        """Positions in the lists of each row, -1 behind them."""
        begins, ends = self._offsets[probes], self._offsets[probes + 1]
        totals = (ends - begins).sum(1)
        at = np.full((len(probes), totals.max(initial=0)), -1, np.int64)
        for row, spans in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
            parts = [np.arange(*span) for span in zip(*spans, strict=True)]
            at[row, : totals[row]] = np.concatenate(parts) if parts else 0
        return at

    def _least(self, q: F32, at: I64, k: int) -> tuple[I64, F32]:
        from . import device

        values = device.cuda.device_array(at.shape, np.float64)
        blocks = device.grid(at.shape[1] * device.LANES, len(q))
        device.distances[blocks](self._vectors, *_sent((q, at)), values)
        best = np.take_along_axis(at, device.least(values, k), 1)
        return _nearest(self._vectors, q, best, k)


def _nearest(vectors: Any, q: F32, candidates: I64, k: int) -> tuple[I64, F32]:
    """The k nearest of candidates i64[nq, c], by (distance, place); -1 at inf."""
    from . import device

    out = device.cuda.device_array(candidates.shape, np.float32)
    blocks = device.grid(candidates.shape[1] * device.LANES, len(q))
    device.distances[blocks](vectors, *_sent((q, candidates)), out)
    dists = out.copy_to_host()
    order = np.argsort(dists, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(candidates, order, 1), np.take_along_axis(dists, order, 1)


def _sent(arrays: tuple[NDArray[Any], ...]) -> tuple[Any, ...]:
    """Copies on the device."""
    from . import device

    return tuple(device.cuda.to_device(np.ascontiguousarray(array)) for array in arrays)


def make() -> Cuda:
    """The kernel. Raises `Refusal` where no GPU can be reached."""
    from numba import cuda

    if not cuda.is_available():
        what = "Kernel cuda needs an NVIDIA GPU, and numba finds none that it can use."
        raise Refusal(what, "Ask `numba -s` what it lacks, or leave the kernel out.")
    return Cuda()
