"""The whole loop shown on pq-l2 in a scratch clone: a baseline, then five prepared candidates.

Nothing of the user's project is touched; the clone is removed at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from .. import baseline, check, trial
from ..catalog import find, root_of
from ..errors import Refusal
from ..model import Trial
from ..session import Session

Say = Callable[[str], None]
TARGET = "pq-l2"
# The candidates in order, and what the harness should say of each.
CANDIDATES = {
    "faster": "keep",
    "slower": "revert",
    "wrong": "incorrect",
    "cheating": "incorrect",
    "crashing": "crash",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One candidate and what became of it; `as_promised` when it is what the demo announces."""

    name: str
    verdict: str
    speedup: str
    seconds: str
    reason: str
    as_promised: bool


def run(path: Path, say: Say) -> list[Scene]:
    """Play every scene; the project around `path` must hold pq-l2."""
    root = find(root_of(path), TARGET).root
    with tempfile.TemporaryDirectory(prefix="autoresearch-demo-") as scratch:
        clone = _clone(root, Path(scratch) / "clone")
        session = Session.open(clone, TARGET, say)
        check.reset(session)
        say("baseline: the reference against itself, to learn this machine's noise")
        row = _baseline(session, say)
        scenes = [_scene("baseline", "baseline", row)]
        for name, promised in CANDIDATES.items():
            say(f"trial: the {name} candidate")
            session.entry.kernels.write_bytes(candidate(name))
            done = trial.run(
                Session.open(clone, TARGET, say), f"the {name} candidate", say, _silent
            )
            scenes.append(_scene(name, promised, done.trial))
    return scenes


def _baseline(session: Session, say: Say) -> Trial:
    """The recorded baseline; without one there is nothing to race against."""
    row = baseline.run(session, say, _silent)
    if row.result.verdict != "baseline":
        what = f"The demo's baseline was not recorded ({row.result.verdict}: {row.result.reason})."
        remedy = "Run `autoresearch doctor`, end what else runs here, and start the demo again."
        raise Refusal(what, remedy)
    return row


def candidate(name: str) -> bytes:
    """The text of a prepared candidate."""
    return files(__package__).joinpath(f"{name}.py.txt").read_bytes()


def _clone(root: Path, to: Path) -> Path:
    """A clone of what is committed; works from a linked work tree too."""
    import git

    try:
        git.Repo.clone_from(
            str(git.Repo(root, search_parent_directories=True).working_dir), str(to)
        )
    except git.GitError as error:
        what = (
            f"The project could not be cloned for the demo: {str(error).strip().splitlines()[-1]}."
        )
        raise Refusal(what, "Run it inside a git checkout with at least one commit.") from error
    return root_of(to)


def _scene(name: str, promised: str, row: Trial) -> Scene:
    result = row.result
    speedup = f"{result.speedup:.3f}x" if result.speedup else ""
    seconds = f"{result.total_seconds:.1f}" if result.total_seconds else ""
    return Scene(name, result.verdict, speedup, seconds, result.reason, result.verdict == promised)


def _silent(step: object) -> None:
    """No live line inside the demo: its news are the scenes."""
