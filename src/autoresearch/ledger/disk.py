"""Files that survive a crash: whole or not at all, with disk faults told as refusals.

Knows bytes and paths; nothing of trials.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import Refusal

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHUT = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Tell an OSError on `path` as a Refusal; what was on disk before is still there."""
    try:
        yield
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> Refusal:
    if error.errno in _FULL:
        what = (
            f"The disk (or a quota) is full: {path} could not grow, and nothing written was lost."
        )
        return Refusal(what, "Free some space, then repeat the command.")
    if error.errno in _SHUT:
        what = f"{path} cannot be written ({error.strerror})."
        return Refusal(what, "Make the project writable for this user, then repeat the command.")
    what = f"{path} cannot be used ({error.strerror or error})."
    return Refusal(what, "Move it aside if it is not a plain file, then repeat the command.")


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """`path` opened for reading; a missing file reads as an empty one."""
    with faults(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            yield io.BytesIO()
            return
        with open(descriptor, "rb") as file:
            yield file


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, or raise OSError: `os.write` may stop short on a disk that fills up."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def append(path: Path, data: bytes) -> None:
    """Add `data` durably to the end of `path`, or leave the file as it was and refuse."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with faults(path):
        descriptor = os.open(path, flags, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if not size:
            sync_folder(path.parent)


def replace(path: Path, data: bytes, mode: int = 0o644, durable: bool = True) -> None:
    """Put `data` at `path` in one step: a reader sees the old file or the new one."""
    with faults(path):
        spare = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            _write_new(spare, data, mode, durable)
            os.replace(spare, path)
        except OSError:
            with suppress(OSError):
                spare.unlink()
            raise
        if durable:
            sync_folder(path.parent)


def create(path: Path, data: bytes, mode: int) -> None:
    """Put `data` at `path` unless something is there already: the first writer wins, whole."""
    with faults(path):
        spare = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            _write_new(spare, data, mode, durable=True)
            with suppress(FileExistsError):
                os.link(spare, path)
        finally:
            spare.unlink(missing_ok=True)
        sync_folder(path.parent)


def _write_new(path: Path, data: bytes, mode: int, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a new name in `folder` durable, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def folder(path: Path) -> Path:
    """`path`, made if it is missing."""
    with faults(path):
        path.mkdir(parents=True, exist_ok=True)
    return path
