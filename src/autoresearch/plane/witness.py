"""What an answer rests on, as one hash: equal witnesses promise equal answers.

Knows the index, never who computed: whichever kernel serves, the witness is the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Basis:
    """All that a deterministic answer depends on besides the query."""

    data_ref: str
    dim: int
    rotation_seed: int
    rerank_factor: int
    generation: int

    def witness(self) -> str:
        """sha256 of the fields, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def extended(data_ref: str, block: NDArray[np.float32]) -> str:
    """The reference of data `data_ref` with a block added to it."""
    found = hashlib.sha256(data_ref.encode())
    found.update(np.ascontiguousarray(block).data)
    return found.hexdigest()
