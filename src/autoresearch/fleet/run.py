"""The verbs that a fleet can carry: which jobs they are, and what their results say together.

Knows the project at home and the engine by two functions; measures nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog import discover, find
from ..errors import Refusal
from ..ledger import new_id
from ..prior import sweep as sweeping
from ..session import Project, Session
from ..workspace import Workspace
from . import engine
from .job import LOST, Done, Job, Parcel
from .record import Record

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What a fleet's jobs came to, in the order they were made, and how many rows were new."""

    done: tuple[Done, ...]
    rows: int

    @property
    def lost(self) -> int:
        """Jobs that no post could finish."""
        return sum(one.code == LOST for one in self.done)

    @property
    def portable(self) -> bool:
        """Whether every machine kept: one that was lost has not said so."""
        return bool(self.done) and all(one.kept for one in self.done)


def baseline(root: Path, names: Sequence[str], accept: str, address: str, say: Say) -> Report:
    """A baseline of every target named (none: all of them) on every node."""
    home = _Home.open(root, say)
    more = ("--json", *(("--accept", accept) if accept else ()))
    wanted = [find(home.root, name).name for name in names] or home.targets()
    with engine.cluster(address) as ray:
        jobs = [
            (node, home.job("baseline", name, more, kernel=home.incumbent(name)))
            for name in wanted
            for node in engine.nodes(ray)
        ]
        return home.placed(ray, jobs, say)


def calibrate(root: Path, names: Sequence[str], trials: int, address: str, say: Say) -> Report:
    """`trials` A/A trials shared out over the targets, each on whichever node is free."""
    home = _Home.open(root, say)
    turns = [find(home.root, names[n % len(names)]).name for n in range(trials)]
    jobs = [home.job("calibrate", name, ("-n", "1", "--json")) for name in turns]
    return home.scattered(jobs, address, say)


def peers(root: Path, names: Sequence[str], more: Sequence[str], address: str, say: Say) -> Report:
    """The races of every target named (none: all of them), each on whichever node is free."""
    home = _Home.open(root, say)
    wanted = [find(home.root, name).name for name in names] or home.targets()
    return home.scattered([home.job("peers", name, tuple(more)) for name in wanted], address, say)


def trial(root: Path, name: str, message: str, kernel: bytes, address: str, say: Say) -> Report:
    """`kernel` against every node's own incumbent: each machine has its own verdict."""
    home = _Home.open(root, say)
    more = ("--json", "-m", message)
    with engine.cluster(address) as ray:
        tried = ((node, home.job("trial", name, more, kernel)) for node in engine.nodes(ray))
        return home.placed(ray, list(tried), say)


def sweep(session: Session, budget: int | None, address: str, say: Say) -> Report:
    """The settings of the incumbent in the prior's order, each on whichever node is free. Nothing
    moves at home: what another machine kept is to be tried here as any candidate."""
    home = _Home.open(session.project.root, say)
    name = session.entry.name
    jobs = [
        home.job("trial", name, ("--json", "-m", f"sweep {told}"), kernel=text)
        for told, text in sweeping.undecided(session)[:budget]
    ]
    return home.scattered(jobs, address, say)


@dataclass(slots=True)
class _Home:
    """The project that jobs come from, as a campaign sees it."""

    root: Path
    workspace: Workspace
    project: Project
    run: str
    made: int = 0

    @classmethod
    def open(cls, path: Path, say: Say) -> _Home:
        project = Project.open(path, say)
        return cls(project.root, project.workspace, project, new_id())

    def targets(self) -> list[str]:
        return [entry.name for entry in discover(self.root)]

    def incumbent(self, name: str) -> bytes:
        """The text of the target's incumbent here, else what is committed."""
        entry = find(self.root, name)
        row = self.project.ledger.incumbent(entry.name)
        path = str(entry.kernels.relative_to(self.workspace.root))
        blob = row.candidate if row else self.workspace.blob_at(path)
        if not blob:
            what = f"{path} is not committed, so no post can have it."
            raise Refusal(what, "Commit the target first: posts work on a clone of HEAD.")
        return self.workspace.get_blob(blob)

    def job(self, verb: str, name: str, more: tuple[str, ...], kernel: bytes = b"") -> Job:
        self.made += 1
        first = b"" if verb in ("baseline", "peers") else self.incumbent(name)
        return Job(self.run, self.made, verb, find(self.root, name).name, more, kernel, first)

    def parcel(self) -> Parcel:
        """HEAD with its history. The first commit names the project: its clones share posts."""
        git = self.workspace.git
        first = git.run("rev-list", "--max-parents=0", "HEAD").text.splitlines()[-1]
        bundle = git.run("bundle", "create", "--quiet", "-", "HEAD").out
        return Parcel(first[:16], self.workspace.head(), bundle)

    def scattered(self, jobs: Sequence[Job], address: str, say: Say) -> Report:
        with engine.cluster(address) as ray:
            return self.collected(engine.scatter(ray, jobs, self.parcel()), say)

    def placed(self, ray: Any, jobs: Sequence[tuple[str, Job]], say: Say) -> Report:
        return self.collected(engine.placed(ray, jobs, self.parcel()), say)

    def collected(self, found: Iterator[Done], say: Say) -> Report:
        """Every result, its rows recorded as soon as it comes."""
        record, out, rows = Record(self.root), [], 0
        for done in found:
            rows += record.add(done)
            out.append(done)
            say(f"{len(out)}: {told(done)}")
        return Report(tuple(sorted(out, key=lambda done: done.job.turn)), rows)


def told(done: Done) -> str:
    """One line on a job: where, what, and how it ended."""
    if done.code == LOST:
        return f"{done.job.target}: lost, {done.err}"
    where = f"{done.job.target} on {done.host} ({done.post})"
    if done.row:
        result = done.row["result"]
        return f"{where}: {result['verdict']}, {result['reason']}"
    last = done.err.strip().splitlines()[-1] if done.err.strip() else ""
    return f"{where}: exit {done.code}{', ' * bool(last)}{last if done.code else ''}"
