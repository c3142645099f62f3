"""Makes a new target's folder from templates: a small example that already passes the contract.

Knows names and files; runs nothing of what it writes.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from . import catalog
from .catalog import Entry
from .errors import Refusal
from .workspace import Workspace

_CAPSULE = "capsule.md"  # the only template that does not go into the folder
_SEED = ("reference.py", "kernels.py")  # the kernel begins as the reference
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 40  # of a name: it stands in tables and in file names


@dataclass(frozen=True, slots=True)
class Made:
    """A new target: its files, relative to the project, and the next step."""

    name: str
    files: tuple[str, ...]
    next: str


def run(path: Path, name: str) -> Made:
    """Write `targets/<name>/` and its page below the project around `path`, all or nothing."""
    _check(name)
    root = catalog.root_of(path)
    Workspace.around(root)
    if not (root / "targets").is_dir():
        raise Refusal(
            f"There is no folder targets in {root}.",
            "Make it with `mkdir targets`, or name the project with --root.",
        )
    entry = Entry(root, name)
    page = root / "docs" / "targets" / f"{name}.md"
    for there in (entry.path, page):
        if there.exists() or there.is_symlink():
            told = f"{there.relative_to(root)} exists already."
            raise Refusal(told, "Choose another name, or edit what is there.")
    _write(entry, page, texts(entry))
    made = sorted([page, *entry.path.iterdir()])
    step = f"edit these files, then run `autoresearch check {name}`"
    return Made(name, tuple(str(file.relative_to(root)) for file in made), step)


def texts(entry: Entry) -> dict[str, str]:
    """The text of every file by name, filled in for a target."""
    home = files(__package__).joinpath("templates")
    words = {"name": entry.name, "folder": entry.folder}
    made = {
        file.name.removesuffix(".txt"): Template(file.read_text()).substitute(words)
        for file in home.iterdir()
        if file.name.endswith(".txt")
    }
    reference, kernels = _SEED
    return {**made, kernels: made[reference]}


def _check(name: str) -> None:
    if _NAME.fullmatch(name) and len(name) <= _LONGEST:
        return
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower())
    near = "-".join(words).lstrip("-0123456789")[:_LONGEST].rstrip("-") or "my-target"
    raise Refusal(
        f"{name!r} is no name of a target: lower-case words joined by dashes, such as pq-l2.",
        f"Run `autoresearch new {near}`, or choose another.",
    )


def _write(entry: Entry, page: Path, made: dict[str, str]) -> None:
    """The folder appears whole, under its name, after its page: a target is never half there."""
    part = entry.path.with_name(f".{entry.folder}.new")
    try:
        shutil.rmtree(part, ignore_errors=True)  # what a killed command left
        part.mkdir()
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(made.pop(_CAPSULE))
        for name, text in made.items():
            (part / name).write_text(text)
        part.rename(entry.path)
    except OSError as error:
        page.unlink(missing_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        what = f"{entry.path} could not be written ({error.strerror})."
        raise Refusal(
            what, "Make room and its folders writable, then repeat the command."
        ) from error
