"""Indexes as files: versioned, checksummed block by block, written in one step, mapped when read.

    magic 8 bytes | version u32, blocks u32, head u64, body u64 | crc32 of these
    head, JSON: the kind of index, its settings, and where each array lies in the body
    crc32 of every block of head and body | the body, arrays aligned to pages

Knows bytes and arrays; nothing of what an index does with them.
"""

from __future__ import annotations

import json
import mmap
import os
import secrets
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import Refusal

MAGIC = b"AUTORIDX"
VERSION = 1
BLOCK = 1 << 16  # bytes under one checksum: how closely damage can be located
PAGE = 4096
_FIRST = struct.Struct("<8sIIQQ")
_CRC = struct.Struct("<I")
Arrays = Mapping[str, np.ndarray[Any, Any]]


def save(path: str | os.PathLike[str], head: Mapping[str, Any], arrays: Arrays) -> None:
    """Write an index at `path`: whoever reads it sees the old file or the whole new one."""
    path = Path(path)
    spare = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with spare.open("xb") as file:
            _write(file, head, arrays)
            file.flush()
            os.fsync(file.fileno())
        spare.replace(path)
        _sync(path.parent)
    except OSError as error:
        what = f"The index could not be written to {path}: {error.strerror}."
        raise Refusal(what, "Name a place that can be written and has room.") from None
    finally:
        with suppress(OSError):
            spare.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """The new name itself survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(file: BinaryIO, head: Mapping[str, Any], arrays: Arrays) -> None:
    places, body = {}, 0
    for name, array in arrays.items():
        places[name] = {"dtype": array.dtype.str, "shape": list(array.shape), "at": body}
        body += _padded(array.nbytes)
    text = json.dumps({**head, "arrays": places}).encode()
    text += b" " * (_padded(len(text)) - len(text))
    blocks = -(-(len(text) + body) // BLOCK)
    start = _FIRST.pack(MAGIC, VERSION, blocks, len(text), body)
    file.write(start + _CRC.pack(zlib.crc32(start)))
    table = file.tell()
    file.write(bytes(_padded(table + 4 * blocks) - table))
    sums = _Summing(file)
    sums.write(text)
    for array in arrays.values():
        sums.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        sums.write(bytes(_padded(array.nbytes) - array.nbytes))
    sums.close()
    file.seek(table)
    file.write(b"".join(map(_CRC.pack, sums.found)))


def _padded(size: int) -> int:
    return -(-size // PAGE) * PAGE


class _Summing:
    """A file that notes the checksum of every block written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.found = file, []  # type: tuple[BinaryIO, list[int]]
        self.crc, self.filled = 0, 0

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            part = view[: BLOCK - self.filled]
            self.file.write(part)
            self.crc, self.filled = zlib.crc32(part, self.crc), self.filled + len(part)
            view = view[len(part) :]
            if self.filled == BLOCK:
                self.close()

    def close(self) -> None:
        """End a block, if one was begun."""
        if self.filled:
            self.found.append(self.crc)
        self.crc, self.filled = 0, 0


def load(
    path: str | os.PathLike[str], check: bool = True
) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Head and arrays of the index at `path`, mapped read-only: a page is read when it is used.

    Every block is held against its checksum first, which reads the whole file once; without `check`
    only the start and the size are. Refusal, with the offset, where something does not fit.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except OSError as error:
        raise Refusal(f"{path} could not be read: {error.strerror}.", "Check its name.") from None
    blocks, head, body = _start(path, memoryview(data))
    table = _FIRST.size + _CRC.size
    begin = _padded(table + 4 * blocks)
    if size != begin + head + body:
        raise _damaged(path, min(size, begin + head + body), "its size does not fit")
    if check:
        _check(path, memoryview(data), table, begin)
    facts = json.loads(bytes(data[begin : begin + head]))
    found = {}
    for name, place in facts.pop("arrays").items():
        dtype, shape = np.dtype(place["dtype"]), place["shape"]
        at, length = begin + head + place["at"], int(np.prod(shape))
        found[name] = np.frombuffer(data, dtype, length, at).reshape(shape)
    return facts, found


def _start(path: Path, data: memoryview) -> tuple[int, int, int]:
    """Blocks, and bytes of head and body, once the first bytes are sound."""
    if len(data) < _FIRST.size + _CRC.size:
        raise _damaged(path, len(data), "it ends in its first bytes")
    magic, version, blocks, head, body = _FIRST.unpack_from(data)
    if magic != MAGIC:
        raise Refusal(f"{path} is no index: byte 0 is not its mark.", "Name a file made by save().")
    if zlib.crc32(data[: _FIRST.size]) != _CRC.unpack_from(data, _FIRST.size)[0]:
        raise _damaged(path, len(MAGIC), "its first bytes do not fit their checksum")
    if version != VERSION:
        what = f"{path} has version {version} of the format, this is version {VERSION}."
        raise Refusal(what, "Load it with the release that wrote it.")
    return blocks, head, body


def _check(path: Path, data: memoryview, table: int, begin: int) -> None:
    for number, at in enumerate(range(begin, len(data), BLOCK)):
        if zlib.crc32(data[at : at + BLOCK]) != _CRC.unpack_from(data, table + 4 * number)[0]:
            raise _damaged(path, at, f"the block of {BLOCK} bytes there does not fit its checksum")


def _damaged(path: Path, at: int, why: str) -> Refusal:
    return Refusal(
        f"{path} is damaged at byte {at}: {why}.", "Save the index again, or restore it."
    )
