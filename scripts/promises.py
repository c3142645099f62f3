"""What ledger, git and work tree promise to each other when no command runs, put to the test.

For chaos.py; knows what one command after a crash must have restored, nothing of crashes.
"""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import scratch
from filelock import FileLock, Timeout

from autoresearch.catalog import Entry
from autoresearch.ledger import Ledger
from autoresearch.ledger.records import SHOWN
from autoresearch.model import KEPT, Trial

TRAILERS = "--format=%(trailers:key=Autoresearch-Trial,valueonly,separator=)"


def broken(entry: Entry, incumbent: Trial, tried: str, own: Sequence[Trial]) -> Iterator[str]:
    """Every promise that does not hold after a trial of the text `tried` with the rows `own`."""
    rows = list(Ledger(entry.root).trials())
    yield from _ledger(Ledger(entry.root), rows)
    yield from _repository(entry, incumbent, rows)
    yield from _file(entry, incumbent, tried, own)


def blob(root: Path, name: str) -> str:
    """The text of a blob."""
    return subprocess.check_output(["git", "cat-file", "blob", name], cwd=root).decode()


def git_complaints(root: Path) -> Iterator[str]:
    """git's own opinion, which takes a while."""
    command = ["git", "fsck", "--strict"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        yield f"git fsck: {done.stderr}"


def _ledger(ledger: Ledger, rows: Sequence[Trial]) -> Iterator[str]:
    yield from (f"ledger: {found}" for found in ledger.verify())
    if len({row.id for row in rows}) != len(rows):
        yield "a trial id stands in the ledger twice"
    lines = ledger.table_path.read_text().splitlines()[1:]
    shown = [row.description for row in rows if row.kind in SHOWN]
    if [line.split("\t")[-1] for line in lines] != shown:
        yield f"results.tsv has {len(lines)} rows, the ledger {len(shown)}, or they differ"
    for name in ("journal", "running"):
        yield from (f"left: {path}" for path in (ledger.folder / name).glob("*.json"))
    try:
        FileLock(ledger.folder / "lock", timeout=0).acquire().lock.release()
    except Timeout:
        yield "the ledger's lock is held"


def _repository(entry: Entry, incumbent: Trial, rows: Sequence[Trial]) -> Iterator[str]:
    root, path = entry.root, _path(entry)
    mirrored = scratch.git(root, "rev-parse", f"refs/autoresearch/{entry.name}/incumbent")
    if mirrored != incumbent.candidate:
        yield f"git holds {mirrored} as incumbent, the ledger {incumbent.candidate}"
    if scratch.git(root, "rev-parse", f"HEAD:{path}") != incumbent.candidate:
        yield "HEAD does not hold the incumbent"
    told = scratch.git(root, "log", "--reverse", TRAILERS).splitlines()
    if [line for line in told if line] != [row.id for row in rows if _moved_the_branch(row)]:
        yield "the commits of the branch are not the kept trials, each once"
    changes = scratch.git(root, "status", "--porcelain")
    if changes not in ("", f"M {path}"):  # stripped
        yield f"git status: {changes}"
    if len(scratch.git(root, "worktree", "list").splitlines()) != 1:
        yield "a stray work tree"
    yield from (f"left: {lock}" for lock in (root / ".git").rglob("*.lock"))


def _moved_the_branch(row: Trial) -> bool:
    return row.kind == "trial" and row.result.verdict in KEPT


def _file(entry: Entry, incumbent: Trial, tried: str, own: Sequence[Trial]) -> Iterator[str]:
    """kernels.py is the incumbent once a row says what became of the candidate."""
    now, kept = entry.kernels.read_text(), blob(entry.root, incumbent.candidate)
    if len(own) > 1:
        yield f"{len(own)} rows of one trial"
    if not own:
        if now != tried:
            yield "the candidate of an undecided trial was removed"
        return
    if now != kept:
        yield "kernels.py is not the incumbent" + " but the candidate" * (now == tried)
    ref = f"refs/autoresearch/{entry.name}/trials/{own[0].id}:{_path(entry)}"
    if blob(entry.root, ref) != tried:
        yield "the candidate's text cannot be recovered from its ref"


def _path(entry: Entry) -> str:
    return str(entry.kernels.relative_to(entry.root))
