"""What the scripts beside it share: scratch projects, the command line in them, stray processes.

Knows where targets live and how to start the real command line; measures nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from autoresearch import baseline as starting
from autoresearch.runner.bench import Stage
from autoresearch.runner.pair import Measured, Runner
from autoresearch.session import Session

ROOT = Path(__file__).resolve().parent.parent
TOY = ROOT / "tests" / "toyroot"
WHO = ("-c", "user.name=scratch", "-c", "user.email=scratch@localhost")


class Deaf(Runner):
    """Lets no pair be void: for projects in which nobody believes a speed."""

    def measure(self, stage: Stage, *rest: Any) -> Measured:
        measured = super().measure(stage, *rest)
        return replace(measured, pair=replace(measured.pair, void=""))


@contextmanager
def project(target: str, copies: int = 1) -> Iterator[list[Path]]:
    """Scratch repositories with `target`: the toy's root, or clones of what is committed here."""
    with tempfile.TemporaryDirectory(prefix="scratch-") as folder:
        roots = [Path(folder) / f"copy{n}" for n in range(copies)]
        for root in roots:
            _copied(target, root)
        yield roots


def _copied(target: str, root: Path) -> None:
    if target != "toy":
        subprocess.run(["git", "clone", "-q", str(ROOT), str(root)], check=True)
        return
    shutil.copytree(TOY, root)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        git(root, *words)


def git(root: Path, *words: str) -> str:
    """What git says in `root`."""
    return subprocess.check_output(["git", *WHO, *words], cwd=root, text=True).strip()


def command(root: Path, *words: str) -> list[str]:
    """The real command line in a scratch project."""
    return [sys.executable, "-m", "autoresearch", "--root", str(root), *words]


def baseline(root: Path, target: str) -> None:
    """Make the present kernel the incumbent, however busy the machine is."""
    row = starting.run(Session.open(root, target, print, runner=Deaf), print, lambda step: None)
    if row.result.verdict != "baseline":
        sys.exit(f"no baseline of {target}: {row.result.reason}")


def left_over(patience_s: float) -> list[str]:
    """What still runs beneath this process after a while; call `adopt_orphans` first, and none of
    them can hide."""
    deadline = time.monotonic() + patience_s
    while True:
        _reap()
        alive = [_told(p) for p in psutil.Process().children(recursive=True)]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.01)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _told(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {process.status()} {' '.join(process.cmdline())[:120]}"
    except psutil.Error:
        return f"{process.pid} ended meanwhile"
