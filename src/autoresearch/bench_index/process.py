"""The processes of a race, from their first import to their end, and what they tell.

One builds; then each side has its own, so that threads of neither library are in the other's way.
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
from ..index.engine import BIND
from ..runner import wire
from ..runner.bench import clean_environment
from . import grid, timing
from .grid import Size
from .model import BUILD, OURS, THEIRS, Plan, Point, Told
from .sides import LAP_NS
from .timing import Turn

SILENCE_S = 600.0  # no word from a process: the longest point takes less than a minute
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
Tell = Callable[[str], None]


class Child:
    """A process that answers; `at` is what it is asked for, should it fail."""

    def __init__(self, plan: Plan, sock: socket.socket) -> None:
        self.plan, self.sock, self.at = plan, sock, ""

    def ask(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        trace = "AUTORESEARCH_TRACE=1 shows its last words."
        try:
            wire.send(self.sock, message)
            reply, _ = wire.receive(self.sock)
        except (EOFError, BrokenPipeError, ConnectionResetError, TimeoutError):
            what = f"A racing process of {self.plan.kind} says nothing more ({self.at})."
            raise Refusal(what, f"Check the memory, or try fewer vectors; {trace}") from None
        if "refusal" in reply:
            raise Refusal(*reply["refusal"])
        if "fault" in reply:
            raise Refusal(f"{self.plan.kind} failed ({self.at}): {reply['fault']}.", trace)
        found: Mapping[str, Any] = reply
        return found


def build(plan: Plan, folder: Path, cores: Sequence[int]) -> None:
    """Files of faiss's index, for all that follow."""
    with _child(plan, folder, cores, BUILD) as child:
        child.at = "building faiss's index"
        child.ask({"plan": asdict(plan), "folder": str(folder), "role": BUILD})


def raced(plan: Plan, folder: Path, cores: Sequence[int], size: Size, tell: Tell) -> list[Told]:
    """Every point of a kind, one thread a core, by a fresh process for each side."""
    request = {"plan": asdict(plan), "folder": str(folder), "threads": len(cores)}
    with (
        _child(plan, folder, cores, OURS) as ours,
        _child(plan, folder, cores, THEIRS) as theirs,
    ):
        for child, role in ((ours, OURS), (theirs, THEIRS)):
            wire.send(child.sock, {**request, "role": role})
        found = []
        for point in grid.points(plan, len(cores), size):
            ours.at = theirs.at = " ".join(map(str, asdict(point).values()))
            tell(f"{plan.kind}: {ours.at}")
            found.append(_told(ours, theirs, point, size))
        return found


def _told(ours: Child, theirs: Child, point: Point, size: Size) -> Told:
    """A point, warmed up and timed."""
    mine, other = (dict(c.ask({"point": asdict(point)})["facts"]) for c in (ours, theirs))
    took = min(facts.pop("took", LAP_NS) for facts in (mine, other))
    calls = max(1, round(LAP_NS / took))

    def turn(child: Child) -> Turn:
        return lambda number: child.ask({"turn": number, "calls": calls})["turn"]

    found = [*timing.blocks(turn(ours), turn(theirs), size.budget_ns, size.blocks)]
    return Told(
        tuple(block.ours_ns / calls for block in found),
        tuple(block.faiss_ns / calls for block in found),
        tuple(block.waited for block in found),
        **mine,
        **{f"faiss_{name}": value for name, value in other.items()},
    )


def pools(cores: Sequence[int], role: str) -> dict[str, str]:
    """How many threads libraries start. Those of both sides have a core each: two that meet on one
    stop for a time slice of 4 ms, thirty short searches long. faiss, which reads the index for ours
    too, must not bind the thread there that starts them."""
    counts = dict.fromkeys(_POOLS, str(len(cores)))
    if role == OURS:
        return counts | {BIND: "1"}
    return counts | {"OMP_PROC_BIND": "true", "OMP_PLACES": ",".join(f"{{{c}}}" for c in cores)}


@contextmanager
def _child(plan: Plan, folder: Path, cores: Sequence[int], role: str) -> Iterator[Child]:
    """A process that has its cores, and pools of as many threads, from its first import on."""
    ours, theirs = socket.socketpair()
    null, trace = subprocess.DEVNULL, os.environ.get("AUTORESEARCH_TRACE")
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", "-m", f"{__package__}.child", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=null,
        stdout=null,
        stderr=None if trace else null,
        env=clean_environment() | pools(cores, role),
        cwd=folder,
        start_new_session=True,
    )
    theirs.close()
    try:
        os.sched_setaffinity(process.pid, cores)
        ours.settimeout(SILENCE_S)
        yield Child(plan, ours)
    finally:
        ours.close()
        process.kill()
        process.wait()
