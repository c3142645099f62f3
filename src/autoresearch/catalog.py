"""Finds targets under `<root>/targets` and fingerprints everything that may not change in a loop.

Knows folders and digests; runs nothing but a target's own declaration of facts.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import platform
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Refusal
from .model import Target
from .policy import Policy

if TYPE_CHECKING:
    from .data import Origin

IMMUTABLE = ("reference.py", "inputs.py", "run_experiment.py")
# What measures and decides: a change here makes every stored number incomparable.
_HARNESS = (
    *(
        "model.py",
        "draw.py",
        "data",
        "oracle.py",
        "block.py",
        "gate.py",
        "policy.py",
        "phases.py",
        "experiment.py",
    ),
    *("stats", "runner", "simd"),
)
_NEAR = 0.5  # of difflib: below it a guess is a joke; ivf is as near to ivf-flat as 0.55
_VERSIONED = ("numpy", "numba", "llvmlite")


@dataclass(frozen=True, slots=True)
class Entry:
    """One target on disk: `pq-l2` in folder `pq_l2` of `root`."""

    root: Path
    name: str

    @property
    def folder(self) -> str:
        return self.name.replace("-", "_")

    @property
    def path(self) -> Path:
        return self.root / "targets" / self.folder

    @property
    def kernels(self) -> Path:
        return self.path / "kernels.py"

    def facts(self) -> Target:
        """The `TARGET` that run_experiment.py declares."""
        file = self.path / "run_experiment.py"
        try:
            target = runpy.run_path(str(file))["TARGET"]  # unlike an import it leaves no byte-code
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise Refusal(f"{file} does not declare a target ({told}).", "Correct it.") from error
        if not isinstance(target, Target):
            raise Refusal(f"TARGET in {file} is no Target.", "Write TARGET = Target(...).")
        return target

    def origin(self, text: str) -> Origin:
        """What `FILE` or `FILE:column` names, checked for what this target takes: the `DATA` of its
        inputs.py, which is read here and not run."""
        from . import data  # and with it numpy, which `status` does without

        kind = _literal(self.path / "inputs.py", "DATA")
        if kind not in data.KINDS:
            what = f"Target {self.name} takes no data: inputs.py has no DATA of {data.KINDS}."
            raise Refusal(what, "Leave --data out, or see docs/adding-a-target.md.")
        return data.origin(text, str(kind))

    def digests(self, policy: Policy) -> dict[str, str]:
        """Hashes of all that may not change in a loop, by name: reference, inputs, run_experiment,
        the policy, the versions that compile, and the harness's sources that measure and decide."""
        versions = " ".join([platform.python_version(), *(version(p) for p in _VERSIONED)])
        named = {name: (self.path / name).read_bytes() for name in IMMUTABLE}
        named |= {"policy": repr(policy).encode(), "versions": versions.encode()}
        named["harness"] = b"\0".join(f.name.encode() + f.read_bytes() for f in _harness_files())
        return {name: hashlib.sha256(data).hexdigest()[:16] for name, data in named.items()}


def _literal(file: Path, name: str) -> object:
    """The literal that a module binds to `name`, None where there is none or the text is broken."""
    try:
        for node in ast.parse(file.read_bytes()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return ast.literal_eval(node.value)
    except (SyntaxError, ValueError):
        return None
    return None


def joined(digests: Mapping[str, str]) -> str:
    """One digest for all of `Entry.digests`."""
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()[:16]


def _harness_files() -> Iterator[Path]:
    home = Path(__file__).parent
    for name in _HARNESS:
        path = home / name
        if path.is_dir():
            yield from sorted(path.rglob("*.py"))
        elif path.exists():
            yield path


def root_of(path: Path) -> Path:
    """The project around `path`: the nearest folder upwards with targets in it, else `path`."""
    if not path.is_dir():
        raise Refusal(f"{path} is not a folder.", "Name an existing folder with --root.")
    path = path.resolve()
    return next((p for p in (path, *path.parents) if discover(p)), path)


def discover(root: Path) -> tuple[Entry, ...]:
    """Every target of a project, by name."""
    found = (root / "targets").glob("*/run_experiment.py")
    return tuple(
        sorted((Entry(root, f.parent.name.replace("_", "-")) for f in found), key=lambda e: e.name)
    )


def find(root: Path, name: str) -> Entry:
    """The target called `name`; Refusal with the nearest name when there is none."""
    entries = {e.name: e for e in discover(root)}
    wanted = name.replace("_", "-")
    if wanted in entries:
        return _complete(entries[wanted])
    if not entries:
        raise Refusal(
            f"There are no targets under {root}.",
            "Run in a project with targets/<name>/, or pass --root.",
        )
    near = difflib.get_close_matches(wanted, entries, 1, _NEAR)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    remedy = f"{guess}Run `autoresearch targets` for the list."
    raise Refusal(f"There is no target {name!r}.", remedy)


def _complete(entry: Entry) -> Entry:
    for name in IMMUTABLE:
        if not (entry.path / name).is_file():
            raise Refusal(
                f"Target {entry.name} has no {name}.",
                f"Restore it with `git checkout -- {entry.path / name}`.",
            )
    return entry
