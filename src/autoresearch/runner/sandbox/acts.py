"""What no kernel may get away with: each act returns when it did, and raises OSError or dies of
SIGSYS when it was denied.

Knows nothing of tiers beyond whether plain rlimits already deny the act.
"""

from __future__ import annotations

import _thread
import errno
import mmap
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from . import linux, seccomp

MEMORY = 1 << 30  # what a probed worker is granted
PTRACE_SEIZE = 0x4206  # attaches without stopping: harmless where it is allowed


@dataclass(frozen=True, slots=True)
class Victim:
    """What the acts aim at: the probing process and a world-writable file outside the jail."""

    pid: int
    path: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something a jailed process must not manage, tried for real by `run`."""

    name: str
    run: Callable[[Victim], object]
    by_limits: bool = False  # denied at T0 too
    fatal: bool = False  # the filter kills whoever tries


def _map(size: int) -> None:
    mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANON)


def _read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def _write(path: str) -> None:
    with open(path, "wb") as file:
        file.write(b"!")


def _fork() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def _thread_of_its_own() -> None:
    try:
        _thread.start_new_thread(os.getpid, ())
    except RuntimeError as error:
        raise PermissionError(errno.EPERM, str(error)) from error


def _trace(pid: int) -> None:
    linux.syscall(seccomp.number("ptrace"), PTRACE_SEIZE, pid, 0, 0)


ACTS = (
    Act("map more memory than granted", lambda _: _map(2 * MEMORY), by_limits=True),
    Act("read a file outside", lambda victim: _read(victim.path)),
    Act("write a file outside", lambda victim: _write(victim.path)),
    Act("read the parent's memory", lambda victim: os.open(f"/proc/{victim.pid}/mem", 0)),
    Act("signal the parent", lambda victim: os.kill(victim.pid, 0)),
    Act("fork", lambda _: _fork()),
    Act("start a thread", lambda _: _thread_of_its_own()),
    Act("change its priority", lambda _: os.setpriority(os.PRIO_PROCESS, 0, 1)),
    Act("choose its core", lambda _: os.sched_setaffinity(0, os.sched_getaffinity(0))),
    Act("trace the parent", lambda victim: _trace(victim.pid), fatal=True),
    Act("open a socket", lambda _: socket.socket(), fatal=True),
    Act("run a program", lambda _: os.execv("/bin/true", ["true"]), fatal=True),
)
QUICK = tuple(act for act in ACTS if not act.fatal) + tuple(a for a in ACTS if a.fatal)[:1]
