"""The ledger of a project: every trial in a hash chain, and all that hangs on it.

Knows files under `.autoresearch/` and the table at the root; nothing of git, clocks or kernels.

`trials.jsonl` is the truth; `results.tsv` and `summary.json` are projections that are rebuilt from
it. The incumbent is always read from the chain, never from a projection.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import Refusal
from ..model import KEPT, Evidence, Trial
from . import chain, corpus, disk, journal, pairs, records, summary, table
from .chain import Break
from .corpus import Point
from .journal import Decision, Running
from .summary import Summary

__all__ = ["Break", "Decision", "Ledger", "Point", "Running", "Summary", "new_id"]

FOLDER = ".autoresearch"
PATIENCE_S = 30.0  # appends take milliseconds; who waits longer waits for a stopped process
UNREPEATABLE = ("inconclusive", "timeout", "crash")  # verdicts that a second run may change


def new_id() -> str:
    """A trial id: unique, and sorted by the time of its making."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f") + "-" + secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of the project whose git work tree has its top at `root`."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / FOLDER

    @property
    def trials_path(self) -> Path:
        return self.folder / "trials.jsonl"

    @property
    def table_path(self) -> Path:
        return self.root / "results.tsv"

    @property
    def corpus_path(self) -> Path:
        return self.folder / "corpus.jsonl"

    # Writing

    def append(self, trial: Trial) -> Trial:
        """Add a trial durably, reading the tail only; what was written (texts clean) comes back."""
        tidy = records.tidy(trial)
        with self._locked():
            chain.append(self.trials_path, records.to_json(tidy))
        return tidy

    def ensure(self, trial: Trial) -> bool:
        """Add a trial unless its row is there already; whether it was added. For replays."""
        with self._locked():
            chain.mend(self.trials_path)
            if self.find(trial.id) is not None:
                return False
            chain.append(self.trials_path, records.to_json(records.tidy(trial)))
        return True

    def attach(self, trial: Trial, evidence: Evidence) -> Trial:
        """Store the pairs of a trial that is about to be appended; the trial with their digest."""
        digest = pairs.store(self._pairs(trial.id), evidence)
        return replace(trial, extra={**trial.extra, "pairs": digest})

    def project(self) -> Path | None:
        """Bring results.tsv up to the ledger: nothing lost, nothing twice, however often called.

        A table that someone edited is moved aside and written anew; its new place is returned."""
        with self._locked():
            return table.catch_up(self.trials_path, self.table_path, self.folder / "projected.json")

    def teach(self, points: Iterable[Point]) -> None:
        """Add points of kept kernels to the corpus, each once."""
        with self._locked():
            corpus.add(self.corpus_path, points)

    # Reading

    def trials(self) -> Iterator[Trial]:
        """Every sound row, oldest first."""
        lines = (chain.unseal(raw) for _, raw in chain.forwards(self.trials_path))
        return (t for line in lines if line and (t := records.read(line)) is not None)

    def newest_first(self, holding: str = "") -> Iterator[Trial]:
        """Every sound row from the newest on; `holding` passes over rows without that JSON text."""
        lines = chain.newest_first(self.trials_path, holding.encode())
        return (t for line in lines if (t := records.read(line)) is not None)

    def find(self, trial_id: str) -> Trial | None:
        """The row of a trial."""
        rows = self.newest_first(f'"id":{json.dumps(trial_id)}')
        return next((trial for trial in rows if trial.id == trial_id), None)

    def incumbent(self, target: str) -> Trial | None:
        """The newest baseline, keep or simpler row of `target`, read from the chain itself.

        Blind and calibration rows never count, whatever their verdict."""
        for trial in self.newest_first(f'"target":{json.dumps(target)}'):
            result = trial.result
            if result.target == target and trial.kind in records.SHOWN and result.verdict in KEPT:
                return trial
        return None

    def first_verdict(self, trial: Trial) -> Trial | None:
        """The oldest trial of the same normalised code, digest, machine and incumbent, if any."""
        found = None
        for other in self.newest_first(f'"norm":{json.dumps(trial.norm)}'):
            standing = other.kind == "trial" and other.result.verdict not in UNREPEATABLE
            if standing and _question(other) == _question(trial):
                found = other
        return found

    def evidence(self, trial: Trial) -> Evidence:
        """The pairs behind a trial; Refusal when it has none or they are not the linked ones."""
        digest = trial.extra.get("pairs")
        if not isinstance(digest, str):
            what = f"Trial {trial.id} stored no pairs."
            raise Refusal(what, "Choose a trial that was measured; `autoresearch log` lists them.")
        return pairs.load(self._pairs(trial.id), digest)

    def points(self) -> Iterator[Point]:
        """The corpus, oldest first."""
        return corpus.read(self.corpus_path)

    def summary(self) -> Summary:
        """Newest rows, counts and damage, fast on a long ledger. Never the base of a decision."""
        return summary.read(self.trials_path, self.folder / "summary.json")

    def verify(self) -> tuple[Break, ...]:
        """Every damaged place: chain, table, journal, pairs. Empty when all is sound."""
        with self._locked():
            chained = (*chain.verify(self.trials_path), *self._astray(), *self._misnoted())
        return (*chained, *self._unpaired())

    def _astray(self) -> Iterator[Break]:
        if seen := self.summary().rewritten:
            told = f"The ledger was cut or rewritten after line {seen} had been seen."
            yield Break(seen, "truncated", told)
        if row := table.unexplained(self.trials_path, self.table_path):
            yield Break(row, "table", f"Line {row} of results.tsv is not from the ledger.")
        if count := journal.unreadable(self.folder / "journal"):
            yield Break(0, "journal", f"{count} decision(s) could not be read and were set aside.")

    def _misnoted(self) -> Iterator[Break]:
        for found in chain.verify(self.folder / "integration.jsonl"):
            yield replace(found, told=f"integration.jsonl: {found.told}")

    def _unpaired(self) -> Iterator[Break]:
        for number, (_, raw) in enumerate(chain.forwards(self.trials_path), 1):
            line = chain.unseal(raw) if b'"pairs":' in raw else None
            trial = records.read(line) if line else None
            if trial and "pairs" in trial.extra and not self._linked(trial):
                told = f"The pairs of trial {trial.id} are missing or not the linked ones."
                yield Break(number, "pairs", told)

    def _linked(self, trial: Trial) -> bool:
        return pairs.fits(self._pairs(trial.id), str(trial.extra["pairs"]))

    # End to end

    def note(self, body: Mapping[str, Any]) -> None:
        """Add what was measured end to end to a chain of its own, durably."""
        with self._locked():
            chain.append(self.folder / "integration.jsonl", records.plain(body))

    def notes(self, holding: str = "") -> Iterator[dict[str, Any]]:
        """The sound lines of that chain, newest first."""
        return chain.newest_first(self.folder / "integration.jsonl", holding.encode())

    # Under way

    def begin(self, running: Running) -> None:
        """Mark a trial as running in this process."""
        journal.begin(self.folder / "running", running)

    def interrupted(self) -> tuple[Running, ...]:
        """Trials that died undecided: each is told once and its mark removed. They leave no row."""
        decided = {decision.trial.id for decision in self.pending()}
        dead = tuple(journal.abandoned(self.folder / "running"))
        for running in dead:
            journal.remove(self.folder / "running", running.id)
        return tuple(running for running in dead if running.id not in decided)

    def decide(self, decision: Decision) -> None:
        """Write a decision down before any of it is carried out."""
        journal.write(self.folder / "journal", decision)

    def pending(self) -> tuple[Decision, ...]:
        """Decisions that nobody living carries out, oldest first. Finish them before all else."""
        return tuple(journal.pending(self.folder / "journal"))

    def settle(self, trial_id: str) -> None:
        """Forget a trial that is finished: its mark first, for a mark alone means undecided."""
        journal.remove(self.folder / "running", trial_id)
        journal.remove(self.folder / "journal", trial_id)

    # The rest

    def secret(self) -> bytes:
        """32 random bytes of this project, readable by its owner only; made on first use."""
        path = disk.folder(self.folder) / "secret"
        if not path.exists():
            disk.create(path, secrets.token_bytes(32), 0o600)
        with disk.reading(path) as file:
            text, mode = file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if len(text) != 32 or mode & 0o077:
            what = f"{path} is not a secret: it must hold 32 bytes that only its owner can read."
            raise Refusal(what, "Remove the file; the next command makes a new one.")
        return text

    def _pairs(self, trial_id: str) -> Path:
        return self.folder / "pairs" / f"{trial_id}.npz"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout  # half the cost of `status`, which never writes

        path = disk.folder(self.folder) / "lock"
        lock = FileLock(path, timeout=PATIENCE_S, poll_interval=0.005)
        with disk.faults(path):
            try:
                lock.acquire()
            except Timeout as timeout:
                what = f"Another command has held the ledger for {PATIENCE_S:.0f} seconds."
                raise Refusal(what, f"End the process that holds {path}, then repeat.") from timeout
        try:
            yield
        finally:
            lock.release()


def _question(trial: Trial) -> tuple[str, ...]:
    """What two trials must share for the first one's verdict to answer the second."""
    result = trial.result
    return result.target, trial.norm, trial.digest, result.machine, trial.incumbent, result.data
