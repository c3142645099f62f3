"""One job on the host it was sent to: a clone of its own, the ordinary command in it, its rows.

A job leaves its mark before it runs, so a retry finds what a killed attempt had finished instead of
measuring again. Knows git and the command line; nothing of engines. Exclusive measuring is left to
the host's own lease, whoever else measures there.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog import find
from ..errors import Refusal
from ..ledger import Ledger, chain, disk
from ..workspace.plumbing import Git
from .job import Done, Job, Parcel, code_of, ending

_PR_SET_PDEATHSIG = 1
_LAST_WORDS = 4000  # characters of stderr that travel home
_BASELINES = 3  # tries at one: a noisy minute must not cost a job that came from far


def home() -> Path:
    """Where posts live on this host; `AUTORESEARCH_POSTS` names another place."""
    named = os.environ.get("AUTORESEARCH_POSTS")
    return Path(named) if named else Path.home() / ".cache" / "autoresearch" / "posts"


def run(job: Job, parcel: Parcel) -> Done:
    """Do `job` here exactly once, however often it is sent: in the post that has begun it, else in
    the first that is free. Raises `Refusal` where the project cannot be laid out."""
    base = home() / parcel.project
    with _begun(base, job) or _free(base) as post:
        done = post.finished(job)
        if done is None:
            post.lay_out(parcel)
            post.begin(job)
            done = post.carry_out(job)
        return done


@dataclass(frozen=True, slots=True)
class _Post:
    """A clone of the project on this host, locked by `fd` for as long as anything works in it."""

    path: Path
    fd: int

    @property
    def root(self) -> Path:
        return self.path / "project"

    @property
    def rows_path(self) -> Path:
        return Ledger(self.root).trials_path

    def lay_out(self, parcel: Parcel) -> None:
        """The project at the parcel's commit; its own ledger stays."""
        bundle = self.path / "bundle"
        bundle.write_bytes(parcel.bundle)
        if not (self.root / ".git").exists():
            shutil.rmtree(self.root, ignore_errors=True)  # a clone that a kill cut short
            Git(self.path).run("clone", "--quiet", "--no-checkout", str(bundle), "project")
        git = Git(self.root)
        git.run("fetch", "--quiet", str(bundle), "HEAD")
        git.run("checkout", "--quiet", "--force", "-B", "post", parcel.commit)
        bundle.unlink()

    def begin(self, job: Job) -> None:
        """Note where the ledger ends: what follows is this job's, as a post does one at a time."""
        order = 1 + max((mark["order"] for mark in self._marks()), default=0)
        self._note(job, {"order": order, "from": self._length()})

    def finished(self, job: Job) -> Done | None:
        """What an earlier attempt finished; None when it has to run (again)."""
        if not self._mark(job).exists():
            return None
        told = json.loads(self._mark(job).read_text())
        rows = self._rows(told)
        if "code" in told:
            return self._done(job, told, rows)
        last = ending(job, rows)  # killed between its row and its last word
        return (
            self._done(job, {"code": code_of(last), "out": "", "err": ""}, rows) if last else None
        )

    def carry_out(self, job: Job) -> Done:
        """Baseline if need be, then the command; what it said is noted before it travels."""
        kernels = find(self.root, job.target).kernels
        for _ in range(_BASELINES):
            if not job.incumbent or Ledger(self.root).incumbent(job.target) is not None:
                break
            kernels.write_bytes(job.incumbent)
            ready = self._command("baseline", job.target, "--json")
        else:
            return self._settled(job, ready)
        if job.kernel:
            kernels.write_bytes(job.kernel)
        return self._settled(job, self._command(job.verb, job.target, *job.arguments))

    def _settled(self, job: Job, told: subprocess.CompletedProcess[str]) -> Done:
        said = {"code": told.returncode, "out": told.stdout, "err": told.stderr[-_LAST_WORDS:]}
        mark = json.loads(self._mark(job).read_text()) | said
        self._note(job, mark)
        return self._done(job, mark, self._rows(mark))

    def _command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The ordinary command line; it dies with this process, and holds the post until then."""
        command = [sys.executable, "-m", "autoresearch", "--root", str(self.root), *words]
        return subprocess.run(
            command,
            pass_fds=[self.fd],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            preexec_fn=_die_with_parent,
        )

    def _mark(self, job: Job) -> Path:
        return disk.folder(self.path / "jobs") / f"{job.id}.json"

    def _marks(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (self.path / "jobs").glob("*.json")]

    def _note(self, job: Job, mark: Mapping[str, Any]) -> None:
        disk.replace(self._mark(job), json.dumps(mark).encode())

    def _length(self) -> int:
        return self.rows_path.stat().st_size if self.rows_path.exists() else 0

    def _rows(self, told: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """The ledger lines between a mark and the next one, damaged ones left out."""
        later = [mark["from"] for mark in self._marks() if mark["order"] > told["order"]]
        end = min(later, default=self._length())
        lines = (
            (at, chain.unseal(raw)) for at, raw in chain.forwards(self.rows_path, told["from"])
        )
        return tuple(line for at, line in lines if line is not None and at < end)

    def _done(self, job: Job, told: Mapping[str, Any], rows: tuple[dict[str, Any], ...]) -> Done:
        folder = Ledger(self.root).folder / "pairs"
        linked = {row["id"]: folder / f"{row['id']}.npz" for row in rows if "pairs" in row["extra"]}
        pairs = {name: path.read_bytes() for name, path in linked.items() if path.exists()}
        said = told["code"], told["out"], told["err"]
        return Done(job, socket.gethostname(), self.path.name, *said, rows, pairs)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[_Post]:
    """Hold a post; BlockingIOError where another holds it and `wait` is not asked. The lock is the
    kernel's and inherited by the command, so it outlasts a killed engine until that has died."""
    with (disk.folder(path) / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield _Post(path, lock.fileno())


def _begun(base: Path, job: Job) -> AbstractContextManager[_Post] | None:
    """The post that has begun `job`, waiting for what still works there; None where none has."""
    marks = sorted(base.glob(f"*/jobs/{job.id}.json"))
    return _locked(marks[0].parent.parent, wait=True) if marks else None


@contextmanager
def _free(base: Path) -> Iterator[_Post]:
    """The first post that nobody works in; a host has as many as ever worked side by side."""
    for number in range(1000):
        try:
            with _locked(base / f"post-{number}", wait=False) as post:
                yield post
                return
        except BlockingIOError:
            continue
    what = f"All posts below {base} are busy."
    raise Refusal(what, "End what works there, or name another place in AUTORESEARCH_POSTS.")
