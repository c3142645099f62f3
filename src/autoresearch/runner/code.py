"""What a compiled kernel is, as bytes: instructions, constants, and what they refer to.

Reads ELF objects (System V ABI, 64-bit, little-endian) without running or unpickling anything;
knows nothing of kernels. What it reads may have been forged: `Unreadable` and bounded work then.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MAGIC = b"\x7fELF"
_SYMBOLS, _RELOCATIONS, _EMPTY = 2, 4, 8  # SHT_SYMTAB, SHT_RELA, SHT_NOBITS
_LOADED = 2  # SHF_ALLOC
_MOST_OBJECTS, _MOST_PICKLES, _LONGEST = 16, 1000, 1 << 16  # a cache file has one, a few, short
_PICKLE = re.compile(rb"\x80\x04\x95(.{8})", re.DOTALL)  # protocol 4, one frame of so many bytes


class Unreadable(Exception):
    """No cache file that numba wrote."""


@dataclass(frozen=True, slots=True)
class _Section:
    """The fields of a section header that matter here; offsets and sizes in bytes."""

    type: int
    flags: int
    data: bytes
    link: int
    info: int


def meanings(data: bytes, folder: bytes) -> Iterator[bytes]:
    """What every ELF image inside a numba cache file means; the file holds it as one plain run of
    bytes. Raises `Unreadable`."""
    try:
        for n, elf in enumerate(objects(data)):
            if n == _MOST_OBJECTS:
                raise Unreadable
            yield from meaning(elf, folder)
    except (struct.error, ValueError, IndexError, OverflowError):
        raise Unreadable from None


def objects(data: bytes) -> Iterator[memoryview]:
    """Every ELF image, each to the end of the data."""
    at = data.find(_MAGIC)
    while at >= 0:
        yield memoryview(data)[at:]
        at = data.find(_MAGIC, at + 1)


def meaning(elf: memoryview, folder: bytes) -> Iterator[bytes]:
    """All that decides what an object does: the sections that are loaded, constants among them,
    and every relocation with what it points to. Equal instructions may call different functions
    and read different tables. `folder`, where the text lay, means nothing."""
    sections = list(_sections(elf))
    for section in sections:
        if section.flags & _LOADED and section.type != _EMPTY:
            yield _anonymous(section.data, folder)
        if section.type == _RELOCATIONS and sections[section.info].flags & _LOADED:
            yield from _references(section, sections)


def _anonymous(data: bytes, folder: bytes) -> bytes:
    """`data` without the folder: numba pickles the file of every `raise`, and keeps a SHA-1 of the
    pickle beside it."""
    for n, match in enumerate(_PICKLE.finditer(data)):
        size = int.from_bytes(match[1], "little")
        if n == _MOST_PICKLES:
            raise Unreadable
        if size > _LONGEST:
            continue
        pickle = data[match.start() : match.end() + size]
        if folder in pickle:
            digest = hashlib.sha1(pickle, usedforsecurity=False).digest()
            data = data.replace(digest, bytes(len(digest)))
    return data.replace(folder, bytes(len(folder)))


def _sections(elf: memoryview) -> Iterator[_Section]:
    table, size, count = struct.unpack_from("<Q10xHH", elf, 0x28)
    left = len(elf)
    for i in range(count):
        fields = struct.unpack_from("<IIQQQQII", elf, table + i * size)
        _, kind, flags, _, offset, length, link, info = fields
        data = b"" if kind == _EMPTY else bytes(elf[offset : offset + length])
        left -= len(data)
        if left < 0:
            raise Unreadable
        yield _Section(kind, flags, data, link, info)


def _references(section: _Section, sections: list[_Section]) -> Iterator[bytes]:
    """Where, how and to what: a name outside this object, a place inside it."""
    symbols = sections[section.link]
    names = sections[symbols.link].data
    for offset, info, addend in struct.iter_unpack("<QQq", section.data):
        name, _, _, home, value, _ = struct.unpack_from("<IBBHQQ", symbols.data, 24 * (info >> 32))
        yield struct.pack("<QIqHQ", offset, info & 0xFFFFFFFF, addend, home, value)
        yield b"" if home else names[name : names.index(b"\0", name)]
