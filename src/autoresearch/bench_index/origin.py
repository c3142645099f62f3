"""By what a row is made: digest of what is raced, commit, versions, and the machine.

Knows the package's files and git; no name of a host or a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..machine.identity import fingerprint, version
from ..workspace.plumbing import Git
from .model import Origin

HOME = Path(__file__).resolve().parent.parent
# What is raced, and what draws, sets up and times it: another change leaves rows comparable.
_RACE = ("child", "grid", "sides", "timing", "vectors", "waits")
SOURCES = ("index", "kernels", "simd", *(f"bench_index/{name}.py" for name in _RACE))
LIBRARIES = ("faiss-cpu", "numpy", "numba", "llvmlite")


def origin() -> Origin:
    """Of a row that is made now."""
    machine = fingerprint()
    versions = {"python": machine.python, **{name: version(name) for name in LIBRARIES}}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Origin(now, machine.id, digest(), commit(), versions)


def digest() -> str:
    whole = hashlib.sha256()
    for path in _files():
        whole.update(path.relative_to(HOME).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:16]


def _files() -> Iterator[Path]:
    for name in SOURCES:
        path = HOME / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else (path,)


def commit() -> str:
    """The checkout's commit, with `+` where files differ from it; empty for an installed package,
    in whatever repository that may lie."""
    git = Git(HOME)
    if git.ask("ls-files", "--error-unmatch", "policy.py").code:
        return ""
    changed = git.ask("status", "--porcelain", "--untracked-files=no", ".").text
    return git.ask("rev-parse", "HEAD").text[:12] + ("+" if changed else "")


def environment(made: Origin, cores: tuple[int, ...]) -> dict[str, Any]:
    """All that may explain a figure, for `env.json`."""
    import faiss

    return {
        "at": made.at,
        "commit": made.commit,
        "digest": made.digest,
        "versions": dict(made.versions),
        "faiss_compiled_for": faiss.get_compile_options().split(),
        "cores_used": list(cores),
        **asdict(fingerprint()),
    }
