"""The parent of a race: holds the lease, starts the racing process, turns its times into a Race.

Knows sessions and processes; loads no library and draws nothing.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..catalog import discover, root_of
from ..errors import Refusal
from ..model import Fault
from ..runner import lease, wire
from ..runner.bench import clean_environment
from ..runner.screen import screen
from ..session import WAIT_S, Say, Session
from . import page, result
from .result import Entrant, Heat, Race

SILENCE_S = 300.0  # no word from the racing process: a library hangs
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "TOKIO_WORKER_THREADS", "LANCE_CPU_THREADS"),
    *("LANCE_IO_THREADS", "ARROW_IO_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """How to race: rounds, a user's file as `FILE` or `FILE:column`, and whether pages change."""

    rounds: int
    data: str = ""
    write_docs: bool = False


def races(root: Path, names: Sequence[str], asked: Asked, say: Say, tell: Tell) -> list[Race]:
    """Race the targets named, or with no name every one that lists peers; each table goes into its
    page as soon as it is there."""
    found = []
    for name in names or with_peers(root):
        session = Session.open(root, name, say, data=asked.data)
        found.append(run(session, asked.rounds, say, tell))
        if asked.write_docs:
            written = page.write(session.project.root, found[-1])
            say(f"wrote {written}" if written else f"{name}: nothing was measured or written")
    return found


def with_peers(root: Path) -> list[str]:
    """Every target of the project that lists peers."""
    named = [e.name for e in discover(root_of(root)) if (e.path / "peers.py").is_file()]
    if not named:
        raise Refusal("No target here lists peers.", "See peers.py in docs/adding-a-target.md.")
    return named


def run(session: Session, rounds: int, say: Say, tell: Tell) -> Race:
    """Race one target; `tell` hears who is at work."""
    text, champion = _champion(session)
    if not (session.entry.path / "peers.py").is_file():
        say(f"{session.entry.name} has no peers.py: only the reference is raced")
    core, _ = lease.core_set()
    with (
        lease.held(core, f"peers of {session.entry.name}", WAIT_S, say),
        tempfile.TemporaryDirectory(prefix="autoresearch-peers-") as folder,
        _child(core, folder) as sock,
    ):
        wire.send(sock, _request(session, text, rounds, folder))
        heard = _heard(sock, tell)
    return _race(session, champion, rounds, heard)


def _champion(session: Session) -> tuple[str, str]:
    """(text, where it is from): this machine's incumbent, else kernels.py if the screen lets it
    pass, as a race runs it without a sandbox."""
    row = session.ledger.incumbent(session.entry.name)
    if row and row.result.machine == session.machine.id:
        return session.workspace.get_blob(row.candidate).decode(), f"incumbent, row {row.id}"
    text = session.workspace.read_candidate(session.entry.kernels)
    reference = (session.entry.path / "reference.py").read_text()
    screened = text if isinstance(text, Fault) else screen(text, session.target, reference)
    if isinstance(screened, Fault):
        what = f"kernels.py of {session.entry.name} cannot race: {screened.reason}."
        raise Refusal(what, f"Correct it, or run `autoresearch reset {session.entry.name}`.")
    return screened.text, "kernels.py as it is (no baseline on this machine)"


def _request(session: Session, text: str, rounds: int, folder: str) -> dict[str, Any]:
    return {
        "target": str(session.entry.path),
        "champion": text,
        "reference": (session.entry.path / "reference.py").read_text(),
        "vault": str(session.ledger.folder / "static" / session.digest),
        "secret": session.ledger.secret().hex(),
        "seed": secrets.randbits(62),
        "rounds": rounds,
        "folder": folder,
        "data": asdict(session.data) if session.data else None,
    }


@contextmanager
def _child(core: int, folder: str) -> Iterator[socket.socket]:
    """The racing process, alone with the core from before its first import to its end."""
    ours, theirs = socket.socketpair()
    fd, null = theirs.fileno(), subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", "-m", f"{__package__}.child", str(fd)],
        pass_fds=[fd],
        stdin=null,
        stdout=null,
        stderr=None if os.environ.get("AUTORESEARCH_TRACE") else null,
        env=clean_environment() | dict.fromkeys(_THREADS, "1"),
        cwd=folder,
        start_new_session=True,
    )
    theirs.close()
    try:
        os.sched_setaffinity(process.pid, {core})
        ours.settimeout(SILENCE_S)
        yield ours
    finally:
        ours.close()
        process.kill()
        process.wait()


def _heard(sock: socket.socket, tell: Tell) -> dict[str, Any]:
    """Everything the racing process says, until its last word."""
    heard: dict[str, Any] = {"heats": []}
    at = "starting"
    while "empty_call_ns" not in heard:
        try:
            message, _ = wire.receive(sock)
        except (EOFError, ConnectionResetError, TimeoutError) as end:
            hung = isinstance(end, TimeoutError)
            what = f"The racing process {'said nothing more' if hung else 'died'}: {at}."
            remedy = "AUTORESEARCH_TRACE=1 shows its last words; pip uninstall skips a library."
            raise Refusal(what, remedy) from None
        if "refusal" in message:
            raise Refusal(*message["refusal"])
        if "fault" in message:
            raise Refusal(
                f"The race ended: {at}: {message['fault']}.", "Correct the target or its peers.py."
            )
        if "heat" in message:
            heard["heats"].append(Heat(**message["heat"]))
        elif "at" in message:
            at = message["at"]
            tell(at)
        else:
            heard |= message
    return heard


def _race(session: Session, champion: str, rounds: int, heard: Mapping[str, Any]) -> Race:
    entrants = tuple(Entrant(**one) for one in heard["entrants"])
    heats = heard["heats"]
    return Race(
        target=session.entry.name,
        unit=session.target.unit,
        machine=session.machine.id,
        cpu=session.machine.cpu,
        date=datetime.now(UTC).date().isoformat(),
        rounds=rounds,
        champion=champion,
        data=session.data.label if session.data else "",
        empty_call_ns=heard["empty_call_ns"],
        entrants=entrants,
        standings=result.standings(heats),
        best=result.best(heats, entrants),
        lines=result.lines(heats),
    )
