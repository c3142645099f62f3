"""The project's git repository, never used destructively: snapshots, keeps, restores.

Knows commits, blobs and one file at a time; nothing of verdicts. It moves the current branch only
forwards, by one commit of one file, and touches no other file and no other entry of the index.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import Refusal
from ..model import Fault
from . import files, plumbing
from .plumbing import Git

__all__ = ["Kept", "Workspace"]

TRAILER = "Autoresearch-Trial"
_RECENT = 200  # commits searched for a keep that a crash left half told
_TRIES = 8  # times a keep starts again because somebody else moved the branch
_PAUSE_S = 0.05
_IGNORED = ("/.autoresearch/", "/results.tsv")
_UNDER_WAY = {  # what git leaves in its folder in the middle of an operation
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

Path_ = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """A keep in git: `new` unless an earlier attempt had made it; `index` whether the user's index
    follows (it cannot while another git holds it; `git status` then shows the file as staged)."""

    commit: str
    new: bool
    index: bool


@dataclass(frozen=True, slots=True)
class Workspace:
    """The work tree with its top at `root`; its own git folder and the one shared by all trees."""

    root: Path
    git_folder: Path
    common_folder: Path
    git: Git

    @classmethod
    def open(cls, path: Path) -> Workspace:
        """The work tree around `path`; Refusal unless commits can be made in it now."""
        space = cls.around(path)
        space.check_idle()
        space.head()
        return space

    @classmethod
    def around(cls, path: Path) -> Workspace:
        """The work tree around a folder, whatever state it is in; Refusal where there is none."""
        asked = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        answer = Git(path).ask("rev-parse", *asked)
        if answer.code:
            raise _no_tree(path, answer.err)
        top, own, common = (Path(line) for line in answer.text.split("\n"))
        pins = {"GIT_DIR": str(own), "GIT_WORK_TREE": str(top)}
        return cls(top, own, (path / common).resolve(), Git(top, pins))

    def check_idle(self) -> None:
        """Refusal while a merge, rebase, cherry-pick, revert or bisect is under way."""
        for name, what in _UNDER_WAY.items():
            if (self.git_folder / name).exists():
                remedy = (
                    f"Finish it, or run `git {what} {_way_out(what)}`, then repeat the command."
                )
                raise Refusal(f"A {what} is in progress in {self.root}.", remedy)

    def head(self) -> str:
        """The commit the work tree stands on."""
        answer = self.git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if answer.code:
            what = f"The repository in {self.root} has no commit on its current branch."
            raise Refusal(what, "Commit once first: `git add -A && git commit -m start`.")
        return answer.text

    # The kernel's file and its bytes

    def read_candidate(self, path: Path_) -> bytes | Fault:
        """The text of the kernel's file, read once; the fault it earns if it is no honest file."""
        return files.read(self.root, self._name(path))

    def put_blob(self, data: bytes) -> str:
        """Store `data` as it is, past all filters; its blob id."""
        return self.git.run("hash-object", "-w", "--stdin", "--no-filters", given=data).text

    def get_blob(self, blob: str) -> bytes:
        """The bytes of a blob."""
        return self.git.run("cat-file", "blob", blob).out

    def blob_at(self, path: Path_, revision: str = "HEAD") -> str | None:
        """The blob id that a commit holds at `path`."""
        entry = self._entry(self._name(path), revision)
        return entry[1] if entry else None

    def restore(self, path: Path_, candidate: bytes, incumbent: str) -> str:
        """Put the blob `incumbent` back at `path` if its bytes are still the candidate's.

        "restored", "already" (it was there) or "left" (somebody changed the file meanwhile)."""
        return files.swap(self.root, self._name(path), candidate, self.get_blob(incumbent))

    # Refs of our own

    def snapshot(self, target: str, trial: str, path: Path_, blob: str, note: str = "") -> str:
        """Commit HEAD with `blob` at `path` under the trial's own ref; the commit id."""
        head = self.head()
        tree = self._tree(head, self._name(path), blob)
        commit = self._commit(tree, head, note or "candidate", trial, plumbing.SELF)
        self.git.run("update-ref", _ref(target, "trials", trial), commit)
        return commit

    def recover(self, target: str, trial: str, path: Path_) -> bytes | None:
        """The text of a trial's candidate, from its snapshot."""
        ref = f"{_ref(target, 'trials', trial)}:{self._name(path)}"
        answer = self.git.ask("cat-file", "blob", ref)
        return None if answer.code else answer.out

    def incumbent(self, target: str) -> str | None:
        """The mirrored incumbent blob. For people: a decision asks the ledger."""
        answer = self.git.ask("rev-parse", "--verify", "--quiet", _ref(target, "incumbent"))
        return None if answer.code else answer.text

    def mirror_incumbent(self, target: str, blob: str) -> None:
        """Point the target's incumbent ref at `blob`."""
        self.git.run("update-ref", _ref(target, "incumbent"), blob)

    # The user's branch

    def unsaved(self, path: Path_) -> bool:
        """Whether a file differs from what HEAD holds there."""
        return bool(self.git.run("status", "--porcelain", "--", self._name(path)).text)

    def commit_files(self, paths: Sequence[Path_], message: str) -> str:
        """Commit these files as they lie in the work tree (or are gone), all in one, past whatever
        else is changed or staged; the commit id."""
        self.check_idle()
        names, who = [self._name(path) for path in paths], self._identity()
        there = [name for name in names if (self.root / name).exists()]
        if there:
            self.git.run("add", "--force", "--", *there)
        self.git.run("commit", "--only", "--quiet", "-m", message, "--", *names, env=who)
        return self.head()

    def keep(self, path: Path_, blob: str, message: str, trial: str) -> Kept:
        """Commit exactly `blob` at `path` on top of HEAD, once per trial however often it is asked.

        Other staged or changed files stay as they are. When HEAD holds the blob already (the agent
        committed by itself) the commit is still made: it carries the figure and the trial's id."""
        name = self._name(path)
        self.check_idle()
        commit = self.kept(trial, name, blob)
        new = commit is None
        if commit is None:
            commit = self._advance(name, blob, message, trial)
        return Kept(commit, new, self._enter(name, blob))

    def kept(self, trial: str, path: Path_, blob: str) -> str | None:
        """The recent commit that keeps this trial's blob, if the current branch has it."""
        answer = self.git.run("rev-list", f"--max-count={_RECENT}", "--format=%x00%H%n%B", "HEAD")
        for told in answer.text.split("\0")[1:]:
            commit, *lines = told.splitlines()
            if f"{TRAILER}: {trial}" in lines and self.blob_at(path, commit) == blob:
                return commit
        return None

    def _advance(self, name: str, blob: str, message: str, trial: str) -> str:
        """Compare-and-swap of HEAD: what others commit meanwhile becomes the parent."""
        identity = self._identity()
        answer = plumbing.Answer(1, b"", "HEAD keeps moving")
        for attempt in range(_TRIES):
            head = self.head()
            commit = self._commit(self._tree(head, name, blob), head, message, trial, identity)
            why = f"autoresearch: keep {trial}"
            answer = self.git.ask("update-ref", "-m", why, "HEAD", commit, head, env=identity)
            if not answer.code:
                return commit
            time.sleep(_PAUSE_S * attempt)  # the first retry at once: a moved HEAD needs no wait
            if (done := self.kept(trial, name, blob)) is not None:
                return done
        raise plumbing.failed("update-ref", answer, self.root)

    def _commit(self, tree: str, parent: str, message: str, trial: str, who: dict[str, str]) -> str:
        text = f"{message.strip()}\n\n{TRAILER}: {trial}\n".replace("\0", "")
        words = ("commit-tree", tree, "-p", parent, "-F", "-")
        return self.git.run(*words, given=text.encode(errors="replace"), env=who).text

    def _identity(self) -> dict[str, str]:
        """Nothing where git knows who commits, our own name where it would have to guess."""
        answer = self.git.ask("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
        return plumbing.SELF if answer.code else {}

    def _tree(self, commit: str, name: str, blob: str) -> str:
        """The tree of `commit` with one entry changed, built in an index of its own."""
        with _private_index() as env:
            plain = ("-c", "core.splitIndex=false", "-c", "index.sparse=false")
            self.git.run(*plain, "read-tree", commit, env=env)
            add = ("update-index", "--add", "--replace", "--cacheinfo")
            self.git.run(*plain, *add, self._line(name, commit, blob), env=env)
            return self.git.run("write-tree", env=env).text

    def _line(self, name: str, revision: str, blob: str) -> str:
        """An index entry for `blob` that is as executable as the file is in a commit."""
        entry = self._entry(name, revision)
        mode = "100755" if entry and entry[0] == "100755" else "100644"  # never a link
        return f"{mode},{blob},{name}"

    def _entry(self, name: str, revision: str) -> tuple[str, str] | None:
        """(mode, blob id) of a file in a commit."""
        answer = self.git.run("ls-tree", "-z", "--full-tree", revision, "--", name)
        fields = answer.out.partition(b"\t")[0].decode().split()
        return (fields[0], fields[2]) if fields[1:2] == ["blob"] else None

    def _enter(self, name: str, blob: str) -> bool:
        """Follow a keep in the user's index: this entry and no other."""
        line = self._line(name, "HEAD", blob)
        deaf = self.git.without_filters()
        for attempt in range(_TRIES):
            if not self.git.ask("update-index", "--add", "--cacheinfo", line, env=deaf).code:
                return True
            time.sleep(_PAUSE_S * attempt)
        return False

    def ignore_state(self) -> None:
        """Have git pass over the ledger and the table in every work tree of this repository."""
        path = self.common_folder / "info" / "exclude"
        try:
            path.parent.mkdir(exist_ok=True)
            text = path.read_text(errors="surrogateescape") if path.exists() else ""
            missing = [line for line in _IGNORED if line not in text.splitlines()]
            if missing:
                gap = "" if text.endswith("\n") or not text else "\n"
                with path.open("a") as file:
                    file.write(gap + "".join(f"{line}\n" for line in missing))
        except OSError as error:
            what = f"{path} cannot be written ({error.strerror})."
            raise Refusal(what, "Make it writable, then repeat the command.") from error

    def _name(self, path: Path_) -> str:
        return files.relative(self.root, path)


@contextmanager
def _private_index() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="autoresearch-") as folder:
        yield {"GIT_INDEX_FILE": str(Path(folder) / "index")}


def _ref(target: str, *rest: str) -> str:
    if not all(_NAME.fullmatch(part) for part in (target, *rest)):
        what = f"{target!r} cannot name a target: git could not hold its trials under that name."
        raise Refusal(what, "Use letters, digits and dashes.")
    return "/".join(("refs/autoresearch", target, *rest))


def _way_out(what: str) -> str:
    return "reset" if what == "bisect" else "--abort"


def _no_tree(path: Path, said: str) -> Refusal:
    if "dubious ownership" in said:
        remedy = f"Run `git config --global --add safe.directory {path}` if you trust it."
        return Refusal(f"git does not trust {path}: somebody else owns it.", remedy)
    if "work tree" in said:
        what = f"{path} is inside a git folder or a bare repository, which has no work tree."
        return Refusal(what, "Check out a work tree: `git worktree add ../tree`, then go there.")
    what = f"{path} is not in a git repository."
    return Refusal(what, "Run `git init` and commit once, or name the project with --root.")
