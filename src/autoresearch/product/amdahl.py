"""What a faster op can do for the whole it is a part of (Amdahl 1967). Pure arithmetic."""

from __future__ import annotations

from math import inf


def whole(share: float, speedup: float) -> float:
    """The speed-up of a whole of which `share` (0 to 1) becomes `speedup` times faster."""
    left = 1.0 - share + share / speedup
    return 1.0 / left if left > 0 else inf


def ceiling(share: float) -> float:
    """What no kernel can exceed: the op takes no time at all."""
    return whole(share, inf)
