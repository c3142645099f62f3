"""Where a kernel runs: detached from its ancestors, then locked down for good.

Knows the tiers and the kernel's walls; nothing of targets, kernels or the channel to the parent.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import resource
import signal
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from . import landlock, linux, seccomp, watch

TIERS = ("T3", "T2", "T1", "T0")  # best first
NOBODY = 65534
ALONE = linux.CLONE_NEWUSER | linux.CLONE_NEWPID | linux.CLONE_NEWNET | linux.CLONE_NEWIPC


@dataclass(frozen=True, slots=True)
class Jail:
    """What a worker may still do once locked down.

    `read` and `write` are files or directories, `listed` directories whose names alone are visible;
    `keep` are descriptors left open (0 to 2 become /dev/null unless kept), `env` is the whole
    environment. `directory` is where it stands ("": an empty one that no name leads to).
    `memory_bytes` is address space beyond what is mapped at lock-down, shared maps included.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    keep: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    directory: str = ""
    memory_bytes: int = 2 << 30
    cpu_seconds: int = 60
    file_bytes: int = 64 << 20


def stdlib() -> str:
    return sysconfig.get_path("stdlib")


def runtime(*packages: str) -> tuple[str, ...]:
    """What this interpreter reads to run: its library without site-packages, `packages`, and the
    shared objects mapped now. With `listed=(stdlib(),)` that is all an import needs."""
    entries = (entry for entry in os.scandir(stdlib()) if not entry.name.endswith("-packages"))
    specs = [importlib.util.find_spec(name) for name in packages]
    found = [path for spec in specs if spec for path in spec.submodule_search_locations or ()]
    code = (path for path in watch.mapped_code("self") if os.path.exists(path))
    return tuple(sorted({*(entry.path for entry in entries), *found, *code}))


def worker_uid(tier: str) -> int:
    """Who owns a worker of this tier: a private cache must be writable for that user."""
    return NOBODY if tier == "T2" else os.getuid()


def adopt_orphans() -> None:
    """Makes this process, for good, the parent of every worker detached beneath it (Linux)."""
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)


@contextmanager
def adopting() -> Iterator[None]:
    """As `adopt_orphans`, for a while: whoever adopted before goes on to."""
    before = linux.is_subreaper()
    adopt_orphans()
    try:
        yield
    finally:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, before)


def detach(tier: str, tell: int) -> None:
    """Called in a forked child; returns in the worker only, once the nearest process that adopted
    orphans is its parent and has its pid, as a decimal line, in the pipe `tell`.

    The caller reaps the child, which exits. OSError where this tier's namespaces are denied.
    """
    middle = os.getpid()
    if tier == "T3":
        _enter_namespaces()
    if os.fork():
        os._exit(0)
    while (seen := _seen_from_outside(tier))[1] == middle:
        time.sleep(0.0002)  # the kernel re-parents only when the child has torn its memory down
    os.write(tell, b"%d\n" % seen[0])


def _enter_namespaces() -> None:
    """The caller's ids stay what they are, so that files under a private home stay readable."""
    ids = {"uid_map": os.geteuid(), "gid_map": os.getegid()}
    linux.unshare(ALONE)
    _write("/proc/self/setgroups", "deny")
    for name, number in ids.items():
        _write(f"/proc/self/{name}", f"{number} {number} 1")


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _seen_from_outside(tier: str) -> tuple[int, int]:
    """(pid, parent's pid): inside a pid namespace only the outer /proc still tells them."""
    if tier != "T3":
        return os.getpid(), os.getppid()
    with open("/proc/self/stat", "rb") as stat:
        pid, _, rest = stat.read().partition(b" (")
    return int(pid), int(rest.rpartition(b")")[2].split()[1])


def lock_down(tier: str, jail: Jail) -> None:
    """Gives up, for good, everything `jail` does not grant; OSError when a promise of `tier`
    cannot be kept (the caller must then exit).

    Stays dumpable: else an unprivileged parent could not read the worker's mappings.
    """
    os.setsid()
    os.umask(0o077)
    os.chdir(jail.directory) if jail.directory else _enter_empty_directory()
    _close_all_but(jail.keep)
    os.environ.clear()
    os.environ.update(jail.env)
    _limit(jail)
    _write("/proc/self/oom_score_adj", "1000")  # when memory ends, not the harness is to die of it
    linux.prctl(linux.PR_SET_THP_DISABLE, 1)
    if tier != "T0":
        _renounce(tier)
    # Changing credentials clears it, so after them.
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if tier != "T0":
        landlock.restrict(jail.read, jail.write, jail.listed)
        seccomp.restrict(writing=bool(jail.write))


def _renounce(tier: str) -> None:
    """Privileges and, at T2, the caller's user id."""
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if tier == "T2":
        if os.getuid():
            raise PermissionError(errno.EPERM, "only root can become another user")
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    linux.drop_capabilities()


def _enter_empty_directory() -> None:
    """An unlinked directory is empty and stays so: nothing can be created in it."""
    path = tempfile.mkdtemp()
    os.chdir(path)
    os.rmdir(path)


def _close_all_but(keep: tuple[int, ...]) -> None:
    null = os.open("/dev/null", os.O_RDWR)
    for standard in {0, 1, 2}.difference(keep):
        os.dup2(null, standard)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor not in keep:
            with suppress(OSError):  # the listing's own is closed already
                os.close(descriptor)


def _limit(jail: Jail) -> None:
    """Address space, not data: the latter misses shared anonymous memory."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: mapped + jail.memory_bytes,
        resource.RLIMIT_CPU: jail.cpu_seconds,
        resource.RLIMIT_FSIZE: jail.file_bytes,
        resource.RLIMIT_NOFILE: max((64, *(fd + 1 for fd in jail.keep))),
        **dict.fromkeys(
            (
                resource.RLIMIT_CORE,
                resource.RLIMIT_NPROC,
                resource.RLIMIT_MEMLOCK,
                resource.RLIMIT_MSGQUEUE,
                resource.RLIMIT_RTPRIO,
                resource.RLIMIT_NICE,
            ),
            0,
        ),
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
