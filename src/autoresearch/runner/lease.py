"""One measurement at a time per core set on this machine, whoever starts it.

Knows a lock file and who holds it; nothing of what is measured.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import Refusal

_POLL_S = 0.1


def core_set() -> tuple[int, tuple[int, ...]]:
    """The core measured on (the last one allowed) and those that serve the oracle.

    `AUTORESEARCH_CORES=2,3` names them: first the measuring core, then the others.
    """
    named = os.environ.get("AUTORESEARCH_CORES", "")
    try:
        cores = (
            [int(c) for c in named.split(",")] if named else sorted(os.sched_getaffinity(0))[::-1]
        )
        if not set(cores) <= os.sched_getaffinity(0):
            raise ValueError
    except ValueError:
        what = f"AUTORESEARCH_CORES={named!r} does not name cores this process may use."
        raise Refusal(
            what, "Write core numbers such as AUTORESEARCH_CORES=2,3, or unset it."
        ) from None
    return cores[0], tuple(cores[1:]) or (cores[0],)


@contextmanager
def held(core: int, who: str, wait_s: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the lease of the core set around `core`; `tell` for whom we wait while it is taken.

    The lock is the kernel's (flock): it dies with its holder. Raises `Refusal` after `wait_s`.
    """
    from filelock import FileLock, Timeout

    path = _path(core)
    lock = FileLock(path, mode=0o666)
    told, deadline = "", time.monotonic() + wait_s
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            holder = _holder(path)
            if holder != told:
                tell(f"waiting for {holder} to finish measuring")
                told = holder
            if time.monotonic() > deadline:
                raise Refusal(
                    f"{holder} has held the measuring lease for over {wait_s:.0f} s.",
                    "Wait for it to end, or stop that process.",
                ) from None
            time.sleep(_POLL_S)
    try:
        _note(path, who)
        yield
    finally:
        lock.release()


def _path(core: int) -> Path:
    """The same file whatever TMPDIR says: two agents must meet here."""
    folder = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    return folder / f"autoresearch-core{core}.lock"


def _note(path: Path, who: str) -> None:
    with suppress(OSError):  # the note is a courtesy; the lock is what counts
        path.with_suffix(".json").write_text(json.dumps({"who": who, "pid": os.getpid()}))


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.with_suffix(".json").read_text())
        return f"{str(note['who'])[:80]} (process {int(note['pid'])})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another command"
