"""What a pipeline is drawn into: one file that every process maps, laid out as a trial's memory is.

Knows arrays and a folder; nothing of what they mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..runner.layout import DTYPES, Region, from_plan
from .pipeline import Array

_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def save(folder: Path, name: str, arrays: Mapping[str, Array]) -> None:
    """Write arrays where `load` finds them."""
    region = Region()
    for key, array in arrays.items():
        region.add(key, _NAMES[array.dtype], array.shape)
    memory = np.memmap(folder / f"{name}.bin", np.uint8, "w+", shape=max(region.size, 1))
    for key, view in region.views(memory).items():
        view[...] = arrays[key]
    (folder / f"{name}.json").write_text(json.dumps(region.plan(0)))


def load(folder: Path, name: str) -> dict[str, Array]:
    """The arrays, each with slack around it, writable without changing the file: kernels get the
    types and the room that they were written for."""
    memory = np.asarray(np.memmap(folder / f"{name}.bin", np.uint8, "c"))
    extents = from_plan(json.loads((folder / f"{name}.json").read_text()))
    return {extent.name: extent.view(memory) for extent in extents}
