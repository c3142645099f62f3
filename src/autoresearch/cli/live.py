"""What a person sees while something runs: one line on stderr, and only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..gate import Step


def say(text: str) -> None:
    """One line of news on stderr."""
    sys.stderr.write(f"{text}\n")


@contextmanager
def news(first: str = "starting") -> Iterator[Callable[[str], None]]:
    """A function that shows who is at work; `first` stands there until it is called."""
    if not sys.stderr.isatty():
        yield lambda told: None
        return
    from rich.console import Console

    with Console(stderr=True).status(first) as line:
        yield lambda told: line.update(told)


@contextmanager
def progress() -> Iterator[Callable[[Step], None]]:
    """A function that shows phase, pairs and the running interval of a measurement."""
    with news("starting workers") as tell:
        yield lambda step: tell(f"{step.phase}: {step.look or 'measuring'}")
