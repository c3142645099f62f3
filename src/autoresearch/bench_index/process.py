"""One process of a race, from its first import to its end, and what it tells.

Knows processes and messages; nothing of rows.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import Refusal
from ..runner import wire
from ..runner.bench import clean_environment
from .model import Plan, Told

SILENCE_S = 600.0  # no word from a process: the longest point takes less than a minute
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
Tell = Callable[[str], None]


def heard(plan: Plan, folder: Path, cores: Sequence[int], threads: int, tell: Tell) -> list[Told]:
    """What one process tells until its last word; with no thread it builds and tells nothing."""
    found: list[Told] = []
    at = "building faiss's index"
    request = {"plan": asdict(plan), "folder": str(folder), "threads": threads}
    with _child(cores, folder) as sock:
        wire.send(sock, request)
        while True:
            message = _message(sock, plan, at)
            if "point" in message:
                found.append(_told(message["point"]))
            if "at" in message:
                at = message["at"]
                tell(f"{plan.kind}: {at}")
            if "done" in message:
                return found


def _message(sock: socket.socket, plan: Plan, at: str) -> Mapping[str, Any]:
    trace = "AUTORESEARCH_TRACE=1 shows its last words."
    try:
        message, _ = wire.receive(sock)
    except (EOFError, ConnectionResetError, TimeoutError):
        what = f"The racing process of {plan.kind} says nothing more ({at})."
        raise Refusal(what, f"Check the memory, or try fewer vectors; {trace}") from None
    if "refusal" in message:
        raise Refusal(*message["refusal"])
    if "fault" in message:
        raise Refusal(f"{plan.kind} failed ({at}): {message['fault']}.", trace)
    found: Mapping[str, Any] = message
    return found


def _told(values: Mapping[str, Any]) -> Told:
    lists = {name: tuple(values[name]) for name in ("ours_ns", "faiss_ns", "waited")}
    return Told(**{**values, **lists})


@contextmanager
def _child(cores: Sequence[int], folder: Path) -> Iterator[socket.socket]:
    """A process that has its cores, and pools of as many threads, from its first import on."""
    ours, theirs = socket.socketpair()
    null, trace = subprocess.DEVNULL, os.environ.get("AUTORESEARCH_TRACE")
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", "-m", f"{__package__}.child", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=null,
        stdout=null,
        stderr=None if trace else null,
        env=clean_environment() | dict.fromkeys(_POOLS, str(len(cores))),
        cwd=folder,
        start_new_session=True,
    )
    theirs.close()
    try:
        os.sched_setaffinity(process.pid, cores)
        ours.settimeout(SILENCE_S)
        yield ours
    finally:
        ours.close()
        process.kill()
        process.wait()
