"""Landlock: from here on this process opens only what is listed, and connects to nothing.

Best effort by ABI: what the running kernel cannot restrict is left to seccomp.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from . import linux

# The three numbers are the same on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
TRUNCATE = 1 << 14
ON_FILES = WRITE_FILE | READ_FILE | TRUNCATE
READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE


def abi() -> int:
    """The ABI version of the running kernel; raises OSError where there is none."""
    return linux.syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)


def _handled(version: int) -> tuple[int, int, int]:
    """All that this ABI can deny: file rights, TCP bind and connect, abstract sockets, signals."""
    rights = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    return (1 << rights) - 1, 3 if version >= 4 else 0, 3 if version >= 6 else 0


def _allow(ruleset: int, path: str, rights: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            rights &= ON_FILES
        rule = rights.to_bytes(8, "little") + beneath.to_bytes(4, "little")
        linux.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(beneath)


def restrict(read: Iterable[str], write: Iterable[str], listed: Iterable[str]) -> None:
    """Reads beneath `read`, reads and writes beneath `write`, lists names beneath `listed`.

    Needs no_new_privs. A path that does not exist raises FileNotFoundError.
    """
    fields = _handled(abi())
    attributes = (ctypes.c_uint64 * len(fields))(*fields)
    used = max(i + 1 for i, field in enumerate(fields) if field)
    ruleset = linux.syscall(CREATE_RULESET, attributes, used * 8, 0)
    try:
        for paths, rights in ((read, READ), (write, WRITE & fields[0]), (listed, READ_DIR)):
            for path in paths:
                _allow(ruleset, path, rights)
        linux.syscall(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
