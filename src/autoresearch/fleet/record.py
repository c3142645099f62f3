"""What the fleet measured, at home: every row of every post once, whoever brings it how often.

A chain of its own beside the ledger, which stays this machine's alone: incumbents, noise and
verdicts are per machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..ledger import Ledger, chain, disk
from .job import Done


@dataclass(frozen=True, slots=True)
class Record:
    """The fleet's rows of the project at `root`."""

    root: Path

    @property
    def path(self) -> Path:
        return Ledger(self.root).folder / "fleet" / "rows.jsonl"

    def add(self, done: Done) -> int:
        """Add the rows of one job that are not there yet; how many were added.

        A row is named by the hash its post sealed it with. A job that two posts finished (the first
        one died before it could say so) counts once: the rows that came first stay.
        """
        with self._locked():
            there = list(self._of(done.job.id))
            if any((line["host"], line["post"]) != (done.host, done.post) for line in there):
                return 0
            known = {line["row"]["hash"] for line in there}
            new = [row for row in done.rows if row["hash"] not in known]
            for row in new:
                self._keep_pairs(done, row)
                chain.append(self.path, _line(done, row))
            return len(new)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every sound line, oldest first: host, post, job, core, start, end and the row itself."""
        lines = (chain.unseal(raw) for _, raw in chain.forwards(self.path))
        return (line for line in lines if line is not None)

    def _of(self, job: str) -> Iterator[dict[str, Any]]:
        lines = chain.newest_first(self.path, json.dumps(job).encode())
        return (line for line in lines if line["job"] == job)

    def _keep_pairs(self, done: Done, row: Mapping[str, Any]) -> None:
        if row["id"] in done.pairs:
            folder = disk.folder(self.path.parent / "pairs")
            disk.replace(folder / f"{row['id']}.npz", done.pairs[row["id"]])

    def _locked(self) -> Any:
        from filelock import FileLock

        return FileLock(disk.folder(self.path.parent) / "lock")


def _line(done: Done, row: Mapping[str, Any]) -> dict[str, Any]:
    start, end = row["stamps"]
    place = {"host": done.host, "post": done.post, "core": row["core"]}
    return {**place, "start_ns": start, "end_ns": end, "job": done.job.id, "row": dict(row)}
