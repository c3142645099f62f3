"""git as a set of pure object operations: no hook, filter, alias or inherited setting takes part.

Knows how to call git; nothing of kernels or trials.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Refusal

_TIMEOUT_S = 60.0  # a plumbing call takes milliseconds; a dead network disk takes forever
# What a caller may say through GIT_* variables: who commits, and where their configuration lies.
_HEARD = (
    *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
)
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.attributesFile=/dev/null",
    "core.fsync=loose-object,reference",  # the ledger forgets a decision once git has it
    "commit.gpgSign=false",
    "i18n.commitEncoding=UTF-8",
    "gc.auto=0",
)
_FIXED = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
SELF = {
    **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "autoresearch"),
    **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "autoresearch@localhost"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call of git said."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode(errors="surrogateescape").strip()


@dataclass(frozen=True, slots=True)
class Git:
    """Calls of git in `folder`; `env` pins the repository and what a call must not inherit."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def ask(self, *words: str, given: bytes = b"", env: dict[str, str] | None = None) -> Answer:
        """Run git, whatever it answers."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        try:
            done = subprocess.run(
                ["git", *settings, *words],
                input=given,
                capture_output=True,
                cwd=self.folder,
                env=_inherited() | self.env | (env or {}),
                timeout=_TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise _missing() from error
        except subprocess.TimeoutExpired as error:
            what = f"`git {words[0]}` did not answer within {_TIMEOUT_S:.0f} seconds."
            raise Refusal(what, f"Check the disk that holds {self.folder}.") from error
        return Answer(done.returncode, done.stdout, done.stderr.decode(errors="replace").strip())

    def run(self, *words: str, given: bytes = b"", env: dict[str, str] | None = None) -> Answer:
        """Run git; Refusal when it fails."""
        answer = self.ask(*words, given=given, env=env)
        if answer.code:
            raise failed(words[0], answer, self.folder)
        return answer

    def without_filters(self) -> dict[str, str]:
        """Settings under which no configured filter runs.

        Writing the user's index compares files that changed in the same tick as the index; git
        would run their clean filters. Without them such a file is merely compared again later."""
        answer = self.ask("config", "-z", "--name-only", "--get-regexp", r"^filter\.")
        names = {key.rpartition(".")[0] for key in answer.text.split("\0") if key}
        off = {"clean": "", "smudge": "", "process": "", "required": "false"}
        pairs = [(f"{name}.{key}", value) for name in sorted(names) for key, value in off.items()]
        told = {"GIT_CONFIG_COUNT": str(len(pairs))}
        for place, (key, value) in enumerate(pairs):
            told |= {f"GIT_CONFIG_KEY_{place}": key, f"GIT_CONFIG_VALUE_{place}": value}
        return told


def failed(word: str, answer: Answer, folder: Path) -> Refusal:
    """A failed call in git's own last words."""
    said = answer.err.splitlines()[-1] if answer.err else f"exit code {answer.code}"
    remedy = f"Repair what `git status` and `git fsck` tell in {folder}, then repeat the command."
    return Refusal(f"`git {word}` failed: {said}.", remedy)


def _inherited() -> dict[str, str]:
    heard = {k: v for k, v in os.environ.items() if k in _HEARD or not k.startswith("GIT_")}
    return heard | _FIXED


def _missing() -> Refusal:
    if shutil.which("git"):
        return Refusal("The project's folder is gone.", "Name an existing folder with --root.")
    return Refusal("git is not installed, or not on PATH.", "Install git 2.28 or newer.")
