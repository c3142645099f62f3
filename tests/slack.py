"""Arrays as kernels get them, with bytes on either side that vector code may touch.

Knows no target.
"""

from typing import Any

import numpy as np

from autoresearch.runner.layout import SLACK


def roomy(array: Any) -> Any:
    """A copy of the array that has its slack."""
    whole = np.zeros(array.nbytes + 2 * SLACK, np.uint8)
    copy = whole[SLACK : SLACK + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def roomy_all(arrays: dict[str, Any]) -> dict[str, Any]:
    """The same dictionary, its arrays with slack; scalars as they are."""
    return {n: roomy(a) if isinstance(a, np.ndarray) else a for n, a in arrays.items()}
