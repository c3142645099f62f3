"""Processes that run pipelines, one for each arm: drawn data, laid down kernels, and questions.

Knows texts of kernels, folders and a core; nothing of the ledger, of statistics or of verdicts.
"""

from __future__ import annotations

import hashlib
import os
import runpy
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..catalog import find
from ..errors import Refusal
from ..runner.bench import clean_environment
from . import store
from .pipeline import Arrays, Pipeline, Request, Share, Size

SILENCE_S = 300.0  # no word from an arm: a kernel hangs, or compiles for ever
Texts = Mapping[str, Mapping[str, str]]  # arm -> target -> the text of its kernel


@dataclass(frozen=True, slots=True)
class Arm:
    """One process, waiting for a question."""

    name: str
    line: Connection

    def run(self, pipeline: str, batch: int) -> tuple[int, Arrays]:
        """(ns, answers) of one batch."""
        took, answers = self.asked("run", pipeline, batch)
        return took, answers

    def share(self, pipeline: str) -> Share:
        """What the op takes of all batches."""
        share: Share = self.asked("share", pipeline)
        return share

    def asked(self, *question: Any) -> Any:
        try:
            self.line.send(question)
            heard = self.line.poll(SILENCE_S)
            verb, said = self.line.recv() if heard else ("fault", "the process says nothing more")
        except (EOFError, OSError):
            verb, said = "fault", "the process died"
        if verb == "fault":
            what = f"The {self.name}'s kernel failed end to end ({question[0]}): {said}."
            raise Refusal(what, "Correct the kernel; AUTORESEARCH_TRACE=1 shows its last words.")
        return said


@dataclass(frozen=True, slots=True)
class Place:
    """The project, a folder for all that is made, and the core to measure on."""

    root: Path
    folder: Path
    core: int


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything drawn, and every kernel laid down: for each arm the file of each target's."""

    target: str
    pipelines: tuple[Pipeline, ...]
    drawn: Mapping[str, Arrays]
    kernels: Texts
    size: Size
    where: Place

    @contextmanager
    def arm(self, name: str, moved: int) -> Iterator[Arm]:
        """A fresh process, ready, its machine code moved by `moved` bytes; dead at the end."""
        ours, theirs = Pipe()
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-m", f"{__package__}.child", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stderr=None if os.environ.get("AUTORESEARCH_TRACE") else subprocess.DEVNULL,
            env=clean_environment(),
            cwd=self.where.folder,
            start_new_session=True,
        )
        theirs.close()
        names = tuple(pipeline.name for pipeline in self.pipelines)
        batches = self.size.batches - 1
        try:
            os.sched_setaffinity(process.pid, {self.where.core})
            given = (self.target, self.kernels[name], names, self.where.folder, batches, moved)
            arm = Arm(name, ours)
            arm.asked("open", Request(*given))
            yield arm
        finally:
            ours.close()
            process.kill()
            process.wait()


def prepared(
    target: str, pipelines: tuple[Pipeline, ...], texts: Texts, size: Size, where: Place
) -> Bench:
    """Draw the pipelines and lay down `texts` in a folder. Of `size.batches` the last warms up."""

    def inputs(name: str) -> SimpleNamespace:
        return SimpleNamespace(**runpy.run_path(str(find(where.root, name).path / "inputs.py")))

    drawn = {}
    for pipeline in pipelines:
        rng = np.random.default_rng(zlib.crc32(pipeline.name.encode()))
        drawn[pipeline.name] = pipeline.draw(inputs, rng, size)
        store.save(where.folder, pipeline.name, drawn[pipeline.name])
    kernels = {
        arm: {name: _laid(where.folder, name, text) for name, text in own.items()}
        for arm, own in texts.items()
    }
    return Bench(target, pipelines, drawn, kernels, size, where)


def _laid(folder: Path, target: str, text: str) -> str:
    """The path of kernels.py in a directory of its own, named by what is in it."""
    digest = hashlib.sha256(f"{target}\0{text}".encode()).hexdigest()[:16]
    file = folder / "kernels" / digest / "kernels.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return str(file)
