"""Static data of the declared workloads, kept between trials under a message authentication code.

The code's key is the ledger's secret: a file that was edited is drawn again, not believed.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..model import Workload
from .layout import Array

_TAG = 32
Draw = Callable[[np.random.Generator], Mapping[str, Array]]


class Vault:
    """Arrays by spec in `folder`, which is named by the digest they belong to."""

    def __init__(self, folder: Path, secret: bytes) -> None:
        self.folder, self.secret = folder, secret
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, workload: Workload, draw: Draw) -> dict[str, Array]:
        """The stored arrays if they are intact, else drawn and stored. Ops share by spec."""
        key = repr(sorted(workload.spec.items())).encode()
        seed = hashlib.blake2b(key, key=self.secret).digest()
        path = self.folder / f"{hashlib.sha256(key).hexdigest()[:24]}.npz"
        stored = self._read(path)
        if stored is None:
            stored = dict(draw(np.random.default_rng(list(seed))))
            self._write(path, stored)
        return stored

    def _read(self, path: Path) -> dict[str, Array] | None:
        try:
            data = memoryview(path.read_bytes())
        except OSError:
            return None
        if data[:_TAG] != self._tag(data[_TAG:]):
            return None
        return dict(np.load(io.BytesIO(data[_TAG:]), allow_pickle=False))

    def _write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        body = io.BytesIO()
        np.savez(body, **arrays)  # type: ignore[arg-type]
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(self._tag(body.getbuffer()) + body.getbuffer())
        part.replace(path)

    def _tag(self, body: memoryview) -> bytes:
        return hashlib.blake2b(body, key=self.secret, digest_size=_TAG).digest()
