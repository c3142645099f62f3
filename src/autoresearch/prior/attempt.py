"""Advice never stops a trial: whatever goes wrong in a prior becomes a sentence.

Knows nothing of priors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def attempt(do: Callable[[], T], otherwise: Callable[[str], T]) -> T:
    """What `do` returns, or what `otherwise` makes of its failure."""
    try:
        return do()
    except Exception as error:  # noqa: BLE001 - damaged data and missing libraries fail in any way
        return otherwise(f"{type(error).__name__}: {error}")
