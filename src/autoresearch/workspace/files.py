"""The kernel's file in the work tree: read once and warily, replaced only if it is still the same.

Knows paths and bytes; nothing of git. No step follows a symlink below the root.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from ..errors import Refusal
from ..model import Fault

_NO_FILE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)  # gone, or a link where a file was
CAP = 1 << 20  # bytes of a kernel's source; an honest one has some tens of kilobytes


def relative(root: Path, path: str | os.PathLike[str]) -> str:
    """`path` as git names it: below `root`, with slashes. ValueError when it is not below."""
    given = Path(path)
    below = given.is_relative_to(root) if given.is_absolute() else True
    inside = PurePosixPath(given.relative_to(root) if given.is_absolute() and below else given)
    if not below or not inside.parts or ".." in inside.parts or ".git" in inside.parts:
        raise ValueError(f"{path} is no file below {root}")
    return str(inside)


def read(root: Path, path: str) -> bytes | Fault:
    """The bytes of a regular UTF-8 file of at most `CAP` bytes, or the verdict it earns."""
    try:
        with _folder(root, path) as (folder, name):
            data = _bytes(folder, name)
    except FileNotFoundError:
        return _refused(path, "is missing; `git checkout` or `autoresearch reset` brings one back")
    except OSError as error:
        return _refused(path, f"cannot be read through plain folders ({error.strerror})")
    if data is None:
        return _refused(path, "is not a regular file")
    if len(data) > CAP:
        return _refused(path, f"is larger than {CAP} bytes")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return _refused(path, f"is not UTF-8 (byte {error.start})")
    return data


def _refused(path: str, why: str) -> Fault:
    return Fault("refused", f"{path} {why}")


@contextmanager
def _folder(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """The open folder of `path` and the name in it, every step taken without following links."""
    *folders, name = PurePosixPath(path).parts
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    here = os.open(root, flags)
    try:
        for part in folders:
            below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        yield here, name
    finally:
        os.close(here)


def _bytes(folder: int, name: str) -> bytes | None:
    """At most one byte more than the cap; None for what is no regular file (a pipe would hang)."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(CAP + 1)
    finally:
        os.close(descriptor)


def swap(root: Path, path: str, old: bytes, new: bytes) -> str:
    """Replace the text `old` of a file by `new` in one step: "restored", "already" if it is `new`,
    "left" when it holds something else (someone is typing) or is no plain file any more."""
    try:
        with _folder(root, path) as (folder, name):
            _sweep(folder, name)
            now = _bytes(folder, name)
            if now == new:
                return "already"
            if now != old:
                return "left"
            return _swapped(folder, name, old, new)
    except OSError as error:
        if error.errno in _NO_FILE:
            return "left"
        what = f"{path} could not be restored ({error.strerror}); it holds what it held."
        raise Refusal(what, "Make its folder writable, then repeat the command.") from error


def _swapped(folder: int, name: str, old: bytes, new: bytes) -> str:
    spare = f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(spare, flags, 0o600, dir_fd=folder), "wb") as file:
            _like(file.fileno(), os.stat(name, dir_fd=folder, follow_symlinks=False))
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        if _bytes(folder, name) != old:
            return "left"
        os.replace(spare, name, src_dir_fd=folder, dst_dir_fd=folder)
        return "restored"
    finally:
        with suppress(FileNotFoundError):
            os.unlink(spare, dir_fd=folder)


def _sweep(folder: int, name: str) -> None:
    """Remove what a process that was killed half-way through a swap left beside the file."""
    spare = re.compile(rf"\.{re.escape(name)}\.(\d{{1,9}})\.[0-9a-f]{{8}}")
    for entry in os.listdir(folder):
        if (found := spare.fullmatch(entry)) and not _alive(int(found[1])):
            with suppress(FileNotFoundError):
                os.unlink(entry, dir_fd=folder)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _like(descriptor: int, model: os.stat_result) -> None:
    with suppress(PermissionError):  # root working in somebody's checkout leaves it theirs
        os.fchown(descriptor, model.st_uid, model.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(model.st_mode))
