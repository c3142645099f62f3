"""What values must be before a target may draw them. Knows arrays; nothing of files.

Every check takes `where`, which names the place of a row in words, and raises ValueError with the
rest of a sentence that begins with the file's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Where = Callable[[int], str]
LARGEST = (1 << 32) - 1


def vectors(block: Array, where: Where) -> NDArray[np.float32]:
    """f32[n, d] of any numbers; NaN, infinity and what f32 cannot hold are faults."""
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(block, np.float32)
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        at = int(bad.argmax())
        column = int((~np.isfinite(rows[at])).argmax())
        raise ValueError(
            f"has {block[at, column]} in component {column} of {where(at)}, expected finite f32"
        )
    return rows


def integers(values: Array, where: Where) -> NDArray[np.uint32]:
    """u32[n] of whole numbers of any type that lie in its range."""
    with np.errstate(invalid="ignore"):
        bad = ~((values >= 0) & (values <= LARGEST) & (np.floor(values) == values))
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(
            f"has {values[at]} in {where(at)}, expected a whole number from 0 to {LARGEST}"
        )
    return values.astype(np.uint32)


def utf8(text: bytes, where: Where) -> None:
    """Whether `text` decodes; `where` names the place of a byte."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 in {where(error.start)}: {error.reason}") from error
