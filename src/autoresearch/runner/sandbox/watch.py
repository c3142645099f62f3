"""What a process has mapped and runs, read from /proc: the parent's check of a worker.

Knows nothing of how the worker was locked down, so it also holds where nothing could be.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


def mapped_code(pid: int | str) -> set[str]:
    """The files behind the executable mappings of a process; compiled kernels are anonymous."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as maps:
        rows = [line.rstrip("\n").split(maxsplit=5) for line in maps]
    return {row[5] for row in rows if "x" in row[1] and len(row) > 5 and row[5][0] == "/"}


def _beneath(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def maps_ok(pid: int, allowed: Iterable[str], threads: int = 1) -> str | None:
    """None, or one sentence: a library from outside `allowed`, a surplus thread, no process."""
    roots = [os.path.realpath(path) for path in allowed]
    try:
        strange = sorted(path for path in mapped_code(pid) if not _beneath(path, roots))
        running = len(os.listdir(f"/proc/{pid}/task"))
    except PermissionError:
        return f"The mappings of worker {pid} cannot be read."
    except (FileNotFoundError, ProcessLookupError):
        return f"Worker {pid} is gone."
    if strange:
        return f"Worker {pid} runs code from {strange[0]}, which no kernel needs."
    if running > threads:
        return f"Worker {pid} runs {running} threads where {threads} may run."
    return None
