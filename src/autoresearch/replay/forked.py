"""A function in a process of its own: what crashes or hangs there is a sentence here.

Knows nothing of what it runs. For code of this project only: what a child says is unpickled.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LIMIT = 60.0  # seconds


def child(do: Callable[[], T], limit: float | None = None) -> tuple[T | None, str]:
    """What `do` returns in a forked process, or what became of it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        _live(do, writing)
    os.close(writing)
    said = _heard(reading, time.monotonic() + (limit or LIMIT))
    if said is None:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if said is None:
        return None, "timeout"
    if not said:
        return None, f"crash: ended with {os.waitstatus_to_exitcode(status)}"
    done: tuple[T | None, str] = pickle.loads(said)
    return done


def _live(do: Callable[[], T], writing: int) -> None:
    """A child's life."""
    try:
        try:
            said = pickle.dumps((do(), ""))
        except Exception as error:  # noqa: BLE001 - whatever a setting does is its result
            said = pickle.dumps((None, f"{type(error).__name__}: {error}".splitlines()[0][:200]))
        with os.fdopen(writing, "wb") as file:
            file.write(said)
    finally:
        os._exit(0)


def _heard(reading: int, until: float) -> bytes | None:
    """All that a child writes; None when it takes too long."""
    parts: list[bytes] = []
    with os.fdopen(reading, "rb", buffering=0) as file:
        while select.select([file], [], [], max(0.0, until - time.monotonic()))[0]:
            part = file.read(1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
    return None
