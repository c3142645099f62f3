"""What travels between a home and its posts: one whole command, the project, what came of it.

Plain values only, so that any engine can carry them; knows nothing of hosts or engines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model import EXIT_CODES, KEPT

LOST = -1  # the exit code of a job that no post could finish
# The kind of the row that ends a verb; a verb that records nothing has none.
ENDED_BY = {"trial": "trial", "calibrate": "calibrate", "baseline": "baseline", "peers": ""}


@dataclass(frozen=True, slots=True)
class Job:
    """One command: `verb target *arguments`, with `kernel` in kernels.py (empty: as committed).

    A post that has no baseline of the target measures one of `incumbent` first. `run` names the
    campaign and `turn` the place in it: jobs that are alike otherwise are different jobs.
    """

    run: str
    turn: int
    verb: str
    target: str
    arguments: tuple[str, ...] = ()
    kernel: bytes = b""
    incumbent: bytes = b""

    @property
    def id(self) -> str:
        """The same for every retry, on whatever post."""
        told = [self.run, self.turn, self.verb, self.target, *self.arguments]
        text = json.dumps(told).encode() + b"\0" + self.kernel + b"\0" + self.incumbent
        return hashlib.sha256(text).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Parcel:
    """The project as a post needs it: a git bundle of the commit to work on. `project` names it
    among others on the same host; posts keep a clone and a ledger of their own."""

    project: str
    commit: str
    bundle: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job: exit code and words of the command, and the ledger lines it left, each
    with its hash, on `host` in `post`. `pairs` holds the files that lines link to, by trial id."""

    job: Job
    host: str
    post: str
    code: int
    out: str = ""
    err: str = ""
    rows: tuple[Mapping[str, Any], ...] = ()
    pairs: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def row(self) -> Mapping[str, Any] | None:
        """The row that ends the verb, None where nothing was recorded."""
        return ending(self.job, self.rows)

    @property
    def kept(self) -> bool:
        return self.row is not None and self.row["result"]["verdict"] in KEPT


def ending(job: Job, rows: tuple[Mapping[str, Any], ...]) -> Mapping[str, Any] | None:
    """The last of `rows` that ends the job's verb on its target."""
    own = (r for r in reversed(rows) if r["kind"] == ENDED_BY[job.verb])
    return next((r for r in own if r["result"]["target"] == job.target), None)


def code_of(row: Mapping[str, Any]) -> int:
    return EXIT_CODES[row["result"]["verdict"]]
