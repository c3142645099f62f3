"""Build directories: one per content of everything that goes into a kernel's machine code.

numba's own cache does not notice changes in imported files; a directory named by the hash of the
kernel, its drivers, `simd` and the versions cannot return yesterday's kernel.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ..model import Target
from . import code, driver

MOST_BYTES = 64 << 20  # of a cache; an honest one has less than one
_COMPILERS = ("numpy", "numba", "llvmlite")
_LEFT = re.compile(r"[\w.-]+\.nb[ci]")


@dataclass(frozen=True, slots=True)
class Build:
    """A kernel's text and where its machine code is (or will be)."""

    directory: Path
    digest: str

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    @property
    def _seal(self) -> Path:
        return self.directory / "seal"

    def stray(self, done: bool) -> str:
        """What a builder left that numba would not, as one sentence; empty when all is well. It is
        a kernel's process that writes here, and others read it."""
        size = 0
        with os.scandir(self.cache) as entries:
            for entry in entries:
                plain = entry.is_file(follow_symlinks=False)
                if done and not (plain and _LEFT.fullmatch(entry.name)):
                    return f"compile left {entry.name[:80]!a} in its cache"
                size += entry.stat(follow_symlinks=False).st_size if plain else 0
        most = f"{MOST_BYTES >> 20} MB"
        return f"compile left more than {most} in its cache" if size > MOST_BYTES else ""

    def drop(self) -> None:
        """Leave nothing of what a failed compile wrote."""
        shutil.rmtree(self.cache, ignore_errors=True)

    def sealed(self, secret: bytes) -> bool:
        """Whether it was compiled, and nothing in it was changed, added or removed since."""
        try:
            return hmac.compare_digest(self._seal.read_bytes(), self._tag(secret))
        except OSError:
            return False

    def seal(self, secret: bytes) -> None:
        """Record that it is compiled, under a code over every file and every byte."""
        self._seal.write_bytes(self._tag(secret))

    def _tag(self, secret: bytes) -> bytes:
        hashed = hashlib.blake2b(key=secret, digest_size=16)
        for path in sorted(set(self.directory.rglob("*")) - {self._seal}):
            data = path.read_bytes() if path.is_file() else b""
            hashed.update(f"{path.relative_to(self.directory)}\0{len(data)}\0".encode() + data)
        return hashed.hexdigest().encode()


def lay_down(
    folder: Path, target: Target, text: bytes, machine: str, secret: bytes, label: str = ""
) -> Build:
    """The build directory of a kernel: as it was left, or empty but for kernel and drivers.

    numba loads whatever its cache holds: a directory that the seal does not vouch for goes.
    """
    sources = {"kernels.py": text.decode()} | drivers(target)
    digest = _digest(sources, machine + label)
    build = Build(folder / digest, digest)
    if not build.sealed(secret):
        shutil.rmtree(build.directory, ignore_errors=True)
        build.cache.mkdir(parents=True)
        for name, source in sources.items():
            (build.directory / name).write_text(source)
    os.utime(build.directory)
    return build


def drivers(target: Target) -> dict[str, str]:
    """The text of every driver, by file name."""
    return {f"drive_{op}.py": driver.source(target, op) for op in target.ops}


def prune(folder: Path, keep: int = 40) -> None:
    """Drop the least recently used builds: a night makes hundreds, a few MB each."""
    old = sorted(folder.glob("*/"), key=lambda p: p.stat().st_mtime)[:-keep]
    for directory in old:
        shutil.rmtree(directory, ignore_errors=True)


def code_digest(build: Build, target: Target) -> str:
    """Hash of the machine code itself with its constants, read from the cached object files: of
    what prepares as of what is timed.

    Two texts with the same digest do the same, at the same speed. Empty unless all is cached and
    can be read: numba keeps nothing of a function that refers to a large constant.
    """
    setup = [driver.entry_point(text) for text in (target.prepare, target.scratch) if text]
    names = [*(f"drive_{op}.drive" for op in target.ops), *(f"kernels.{name}" for name in setup)]
    hashed, room = hashlib.sha256(), MOST_BYTES
    try:
        for part in _meanings(build, names):
            hashed.update(part)
            room -= len(part)
            if room < 0:
                return ""
    except code.Unreadable:
        return ""
    return hashed.hexdigest()


def _meanings(build: Build, names: Sequence[str]) -> Iterator[bytes]:
    for name in names:
        files = sorted(build.cache.glob(f"{name}-*.nbc"))
        if not files:
            raise code.Unreadable
        yield name.encode()
        for file in files:
            yield from code.meanings(file.read_bytes(), build.directory.name.encode())


def _digest(sources: dict[str, str], machine: str) -> str:
    simd = sorted((Path(__file__).parents[1] / "simd").glob("*.py"))
    parts = [machine, platform.python_version(), *(f"{p} {version(p)}" for p in _COMPILERS)]
    parts += [f"{name}\0{source}" for name, source in sorted(sources.items())]
    parts += [f"{path.name}\0{path.read_text()}" for path in simd]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
