"""The wall, attacked by real processes: the forbidden fails natively too, the honest works."""

from __future__ import annotations

import ast
import ctypes
import errno
import functools
import importlib
import inspect
import mmap
import os
import platform
import re
import signal
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the wall is Linux's own")
if sys.platform == "linux":
    import numba
    from numba.core import caching

    from autoresearch.runner import sandbox
    from autoresearch.runner.sandbox import acts, jail, ladder, linux, remedy, seccomp
    from autoresearch.runner.sandbox.jail import adopting

X86 = platform.machine() == "x86_64"
KERNEL = """
from numba import njit
@njit(cache=True)
def total(xs):
    s = 0.0
    for x in xs:
        s += x
    return s
"""


@dataclass
class Worker:
    """A detached, locked down process that ran `act` and said what it returned."""

    pid: int
    lines: Iterator[str]

    def said(self) -> str:
        return next(self.lines, "").strip()

    def end(self) -> int:
        """Positive exit code, or the negative number of the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def status(self, field: str) -> str:
        rows = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(row.split(":")[1].strip() for row in rows if row.startswith(field + ":"))


@functools.cache
def _runtime() -> tuple[str, ...]:
    """With what numba loads when it first compiles: workers are forked from a warm process."""

    @numba.njit
    def warm(x: float) -> float:
        return x + 1

    warm(1.0)
    return sandbox.runtime("numpy", "numba", "llvmlite")


def _granted(**grants: object) -> jail.Jail:
    return replace(sandbox.Jail(read=_runtime(), listed=(sandbox.stdlib(),)), **grants)


def _child(tier: str, granted: jail.Jail, act: Callable[[], object], tell: int) -> None:
    try:
        sandbox.detach(tier, tell)
        sandbox.lock_down(tier, replace(granted, keep=(*granted.keep, tell)))
        os.write(tell, f"{act()}\n".encode())
    except BaseException as error:  # noqa: BLE001 - a forked child never returns
        os.write(tell, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(7)


@contextmanager
def _worker(tier: str, act: Callable[[], object], **grants: object) -> Iterator[Worker]:
    granted = _granted(**grants)
    hear, tell = os.pipe()
    with adopting():
        middle = os.fork()
        if not middle:
            _child(tier, granted, act, tell)
        os.close(tell)
        os.waitpid(middle, 0)
        with os.fdopen(hear) as lines:
            worker = Worker(int(lines.readline()), lines)
            try:
                yield worker
            finally:
                _bury(worker.pid)


def _bury(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _run(tier: str, act: Callable[[], object], **grants: object) -> tuple[str, int]:
    with _worker(tier, act, **grants) as worker:
        return worker.said(), worker.end()


@pytest.fixture(scope="module")
def rungs() -> dict[str, ladder.Rung]:
    @numba.njit
    def square(x: float) -> float:
        return x * x

    return {rung.tier: rung for rung in sandbox.report(lambda: square(3.0), _granted())}


@pytest.fixture(params=["T3", "T2", "T1", "T0"])
def tier(request: pytest.FixtureRequest, rungs: dict[str, ladder.Rung]) -> str:
    rung = rungs[request.param]
    if not rung.ok:
        pytest.skip(f"{rung.tier}: {rung.why} {rung.remedy}")
    return rung.tier


@pytest.fixture
def walled(tier: str) -> str:
    if tier == "T0":
        pytest.skip("T0 promises limits only")
    return tier


@pytest.fixture
def best(rungs: dict[str, ladder.Rung]) -> str:
    found = next(rung.tier for rung in rungs.values() if rung.ok)
    if found == "T0":
        pytest.skip("T0 promises limits only")
    return found


@contextmanager
def _cache_directory(tier: str) -> Iterator[Path]:
    """Outside pytest's private folder, and owned by whoever the worker becomes."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        Path(path, "kernel.py").write_text(KERNEL)
        cache = Path(path, "__pycache__")
        cache.mkdir()
        if os.getuid() == 0:
            os.chown(path, sandbox.worker_uid(tier), -1)
            os.chown(cache, sandbox.worker_uid(tier), -1)
        yield Path(path)


# The ladder


def test_some_tier_always_holds_and_probe_names_the_best(rungs: dict[str, ladder.Rung]) -> None:
    best = next(rung.tier for rung in rungs.values() if rung.ok)
    assert sandbox.probe(jail=_granted()) == best
    assert rungs["T1"].ok or rungs["T0"].ok, rungs


def test_a_tier_that_fails_says_why_and_what_to_do(rungs: dict[str, ladder.Rung]) -> None:
    for rung in rungs.values():
        assert rung.ok != bool(rung.why)
        assert rung.ok != bool(rung.remedy)


def test_every_act_is_denied_where_promised(tier: str, rungs: dict[str, ladder.Rung]) -> None:
    denied = rungs[tier].denied
    assert set(denied) == {act.name for act in acts.ACTS}
    assert all(denied[act.name] for act in acts.ACTS if act.by_limits or tier != "T0")


def test_a_denied_namespace_lowers_the_tier_and_names_the_switch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_namespaces(flags: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(linux, "unshare", no_namespaces)
    monkeypatch.setattr(remedy, "_value", {"kernel.unprivileged_userns_clone": "0"}.get)
    assert sandbox.probe(jail=_granted()) != "T3"
    rung = sandbox.report(jail=_granted())[0]
    assert "not permitted" in rung.why
    assert "unprivileged_userns_clone=1" in rung.remedy


def test_a_leaking_wall_lowers_the_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "lock_down", lambda tier, granted: jail.lock_down("T0", granted))
    assert [rung.ok for rung in sandbox.report(jail=_granted())] == [False, False, False, True]
    assert sandbox.probe(jail=_granted()) == "T0"


# Honest work


def _total_of_ten() -> str:
    kernel = importlib.import_module("kernel")
    value = kernel.total(np.arange(10.0))
    return f"{value} {sum(kernel.total.stats.cache_hits.values())}"


def test_compiles_caches_and_loads_in_workers(tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with _cache_directory(tier) as path:
        monkeypatch.syspath_prepend(str(path))
        monkeypatch.delitem(sys.modules, "kernel", raising=False)
        assert _run(tier, _total_of_ten, write=(str(path),)) == ("45.0 0", 7)
        assert list(path.rglob("*.nbc"))
        # numba asks whether the cache is writable even to load from it
        monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", lambda self: None)
        readable = (*_runtime(), str(path))
        assert _run(tier, _total_of_ten, read=readable) == ("45.0 1", 7)


def test_reads_the_standard_library(tier: str) -> None:
    def act() -> str:
        import colorsys

        importlib.invalidate_caches()
        importlib.reload(colorsys)
        return str("ONE_THIRD" in inspect.getsource(colorsys) and time.monotonic() > 0)

    assert _run(tier, act) == ("True", 7)


def test_maps_and_runs_machine_code(walled: str) -> None:
    code = bytes.fromhex("b82a000000c3" if X86 else "40058052c0035fd6")  # return 42

    def act() -> int:
        page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANON, 7)  # read, write and run
        page.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return ctypes.CFUNCTYPE(ctypes.c_int)(address)()

    assert _run(walled, act) == ("42", 7)


# What a locked down process still has


def test_starts_from_scratch(tier: str) -> None:
    def act() -> str:
        names = os.listdir(".") if tier == "T0" else []
        return f"{dict(os.environ)} {names} {os.get_inheritable(0)} {_open_descriptors()}"

    with open(__file__, "rb") as inherited:
        said, _ = _run(tier, act, env={"LC_ALL": "C.UTF-8"})
        assert inherited.fileno() > 2
    environment, _, rest = said.partition("} ")
    assert environment == "{'LC_ALL': 'C.UTF-8'"
    assert rest.startswith("[] ")
    assert rest.endswith(" 4")  # 0, 1, 2 on /dev/null and the channel


def _open_descriptors() -> int:
    found = 0
    for descriptor in range(4096):  # a long session of tests leaves low numbers taken
        try:
            os.fstat(descriptor)
            found += 1
        except OSError:
            continue
    return found


def test_holds_no_privilege(tier: str) -> None:
    locked, say = os.pipe()
    with _worker(tier, lambda: os.write(say, b"!") and time.sleep(30), keep=(say,)) as worker:
        os.read(locked, 1)
        assert worker.status("THP_enabled") == "0"
        assert worker.status("Threads") == "1"
        if tier != "T0":
            assert worker.status("CapEff") == worker.status("CapPrm") == "0" * 16
            assert worker.status("NoNewPrivs") == "1"
            assert worker.status("Seccomp") == "2"
        assert int(worker.status("Uid").split()[0]) == sandbox.worker_uid(tier)
        assert len(worker.status("NSpid").split()) == (2 if tier == "T3" else 1)
        assert sandbox.maps_ok(worker.pid, _granted().read) is None


def test_memory_and_file_size_are_bounded(tier: str) -> None:
    def greedy() -> str:
        try:
            mmap.mmap(-1, 80 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANON)
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return "got it"

    assert _run(tier, greedy, memory_bytes=64 << 20) == ("ENOMEM", 7)
    with _cache_directory(tier) as path:

        def verbose() -> int:
            return (path / "long").write_bytes(b"x" * 9000)

        said, _ = _run(tier, verbose, write=(str(path),), file_bytes=8192)
        assert "File too large" in said


def test_time_on_a_core_is_bounded(rungs: dict[str, ladder.Rung]) -> None:
    best = next(rung.tier for rung in rungs.values() if rung.ok)
    assert _run(best, lambda: [None for _ in iter(int, 1)], cpu_seconds=1) == ("", -signal.SIGKILL)


# What the parent can do


def test_the_parent_freezes_thaws_and_kills(tier: str) -> None:
    with _worker(tier, lambda: [None for _ in iter(int, 1)]) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(worker.pid, os.WUNTRACED)[1])
        before = _ticks(worker.pid)
        time.sleep(0.05)
        assert _ticks(worker.pid) == before
        os.kill(worker.pid, signal.SIGCONT)
        assert os.WIFCONTINUED(os.waitpid(worker.pid, os.WCONTINUED)[1])
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.end() == -signal.SIGKILL


def _ticks(pid: int) -> str:
    """Nanoseconds on a core, where the kernel counts them; else hundredths of a second."""
    schedstat = Path(f"/proc/{pid}/schedstat")
    if schedstat.exists():
        return schedstat.read_text().split()[0]
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]


@pytest.mark.parametrize("crash", [lambda: ctypes.string_at(1), os.abort], ids=["wild", "abort"])
def test_a_crash_is_seen_as_one(tier: str, crash: Callable[[], object]) -> None:
    said, code = _run(tier, crash)
    assert said == ""
    assert code in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, 127)


def test_killing_the_first_process_of_a_namespace_kills_all_in_it(
    rungs: dict[str, ladder.Rung],
) -> None:
    if not rungs["T3"].ok:
        pytest.skip(rungs["T3"].why)
    hear, tell = os.pipe()
    with adopting():
        middle = os.fork()
        if not middle:
            sandbox.detach("T3", tell)
            if not os.fork():
                os.setsid()  # a daemon of its own, holding `tell` open
            time.sleep(30)
            os._exit(0)
        os.close(tell)
        os.waitpid(middle, 0)
        with os.fdopen(hear) as lines:
            pid = int(lines.readline())
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            started = time.monotonic()
            assert lines.read() == ""
            assert time.monotonic() - started < 10  # the daemon would have held on for 30 s


def test_dies_with_its_parent(tier: str) -> None:
    hear, tell = os.pipe()
    parent = os.fork()
    if not parent:
        sandbox.adopt_orphans()
        middle = os.fork()
        if not middle:
            _child(tier, _granted(), lambda: os.write(tell, b"in\n") and time.sleep(30), tell)
        time.sleep(30)
        os._exit(0)
    os.close(tell)
    with os.fdopen(hear) as lines:
        int(lines.readline())
        assert lines.readline() == "in\n"
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        started = time.monotonic()
        assert lines.read() == ""
        assert time.monotonic() - started < 10


# What nothing honest does, natively

CALLS = {  # not named by the filter: name -> x86_64, aarch64 ("-1": none), arguments
    "memfd_create": (319, 279, b"x", 0),
    "sched_setscheduler": (144, 119, 0, 0, None),
    "prctl, huge pages back on": (157, 167, 41, 0, 0, 0, 0),
    "prctl, outlive the parent": (157, 167, 1, 0, 0, 0, 0),
    "seccomp": (317, 277, 1, 0, None),
    "truncate": (76, 45, b"/dev/null", 0),
    "ftruncate": (77, 46, 1, 0),
    "fallocate": (285, 47, 1, 0, 0, 1),
    "fchmodat": (268, 53, -100, b"/dev/null", 0o666),
    "fchownat": (260, 54, -100, b"/dev/null", -1, -1, 0),
    "utimensat": (280, 88, -100, b"/dev/null", None, 0),
    "setrlimit": (160, 164, 4, None),
    "setitimer": (38, 103, 0, None, None),
    "timer_create": (222, 107, 0, None, None),
    "setuid": (105, 146, 0),
    "shmget": (29, 194, 0, 4096, 0o1600),
    "symlinkat": (266, 36, b"a", -100, b"b"),
    "linkat": (265, 37, -100, b"/dev/null", -100, b"b", 0),
    "mknodat": (259, 33, -100, b"b", 0o600, 0),
    "mkdirat": (258, 34, -100, b"b", 0o700),
    "unlinkat": (263, 35, -100, b"b", 0),
    "clone": (56, 220, 0x11, 0, 0, 0, 0),
    "kill everything": (62, 129, -1, 9),
    "kill init": (62, 129, 2, 9),
    "tkill": (200, 130, 2, 9),
    "tgkill": (234, 131, 2, 2, 9),
    "prlimit64, set": (302, 261, 0, 4, b"\0" * 16, None),
    "huge pages": (9, 222, 0, 2 << 20, 3, 0x40022, -1, 0),
    "shared memory of its own": (9, 222, 0, 4096, 3, 0x21, -1, 0),
    "madvise": (28, 233, 0, 4096, 14),
    "fcntl, seal": (72, 25, 1, 1033, 1),
    "fcntl, signal another": (72, 25, 1, 8, 1),
    "ioctl, type for the user": (16, 29, 1, 0x5412, b"x"),
    "open to truncate": (257, 56, -100, b"/dev/null", os.O_TRUNC),
}


def _errno_of(call: tuple[object, ...]) -> str:
    number, *arguments = call
    try:
        linux.syscall(number, *arguments)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def test_raw_calls_fail(walled: str) -> None:
    calls = {name: (row[0 if X86 else 1], *row[2:]) for name, row in CALLS.items()}
    said, _ = _run(walled, lambda: [_errno_of(call) for call in calls.values()])
    assert dict(zip(calls, ast.literal_eval(said), strict=True)) == dict.fromkeys(calls, "EPERM")


def test_libc_is_told_to_fall_back(walled: str) -> None:
    absent = [(seccomp.number(name), 0, 0) for name in ("clone3", "openat2")]
    assert _run(walled, lambda: [_errno_of(call) for call in absent])[0] == str(["ENOSYS"] * 2)


def test_writers_may_not_truncate_what_they_only_read(walled: str) -> None:
    with _cache_directory(walled) as path:
        target = str(path / "kernel.py")
        said, _ = _run(walled, lambda: os.open(target, os.O_TRUNC), write=(str(path),))
        assert said.startswith("PermissionError")
        assert Path(target).read_text() == KERNEL


def test_a_worker_is_the_first_to_die_when_memory_ends(tier: str) -> None:
    with _worker(tier, lambda: "locked") as worker:
        assert worker.said() == "locked"
        assert Path(f"/proc/{worker.pid}/oom_score_adj").read_text() == "1000\n"


def test_writers_make_no_folders(walled: str) -> None:
    """Deep ones are more than those who clean up behind a worker can follow."""
    with _cache_directory(walled) as path:
        said, _ = _run(walled, lambda: os.mkdir(path / "deep"), write=(str(path),))
        assert said.startswith("PermissionError")


def test_attacks_are_fatal(best: str) -> None:
    for number in seccomp.numbers(seccomp.FATAL).values():
        child = os.fork()
        if not child:
            try:
                sandbox.lock_down("T1", sandbox.Jail())
                linux.syscall(number, 0, 0, 0, 0, 0, 0)
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGSYS, number


@pytest.mark.skipif(not X86, reason="other calling conventions of x86")
@pytest.mark.parametrize(
    "code", ["b827000040 0f05 c3", "b814000000 cd80 c3"], ids=["x32", "32-bit"]
)
def test_other_calling_conventions_are_fatal(walled: str, code: str) -> None:
    def act() -> int:
        page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANON, 7)  # read, write and run
        page.write(bytes.fromhex(code))
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return ctypes.CFUNCTYPE(ctypes.c_int)(address)()

    assert _run(walled, act) == ("", -signal.SIGSYS)


# The filter itself, on machines other than this one


def _filtered(code: bytes, number: int, arch: int, arguments: tuple[int, ...] = ()) -> int:
    """What the kernel would answer: a classic BPF machine as small as the filter needs."""
    words = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, arch, 0, *words)
    at = value = 0
    while True:
        op, yes, no, k = struct.unpack_from("=HBBI", code, 8 * at)
        at += 1
        if op == seccomp.LOAD:
            value = struct.unpack_from("=I", data, k)[0]
        elif op == seccomp.AND:
            value &= k
        elif op == seccomp.IF_EQUAL:
            at += yes if value == k else no
        elif op == seccomp.IF_AT_LEAST:
            at += yes if value >= k else no
        else:
            assert op == seccomp.RETURN
            return k


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("writing", [False, True])
def test_the_filter_decides_alike_on_every_machine(
    monkeypatch: pytest.MonkeyPatch, machine: str, writing: bool
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    code, arch = seccomp.program(writing), seccomp.MACHINES[machine][0]
    denied = seccomp.FAIL | errno.EPERM

    def says(name: str, *arguments: int) -> int:
        return _filtered(code, seccomp.number(name), arch, arguments)

    assert {says(name) for name in seccomp.numbers(seccomp.PLAIN)} == {seccomp.ALLOW}
    assert {says(name) for name in seccomp.numbers(seccomp.FATAL)} == {seccomp.KILL}
    written = {says(name) for name in seccomp.numbers(seccomp.WRITING)}
    assert written == {seccomp.ALLOW if writing else denied}
    assert says("clone3") == seccomp.FAIL | errno.ENOSYS
    assert _filtered(code, 9999, arch) == denied
    assert _filtered(code, seccomp.number("read"), arch ^ 1) == seccomp.KILL
    assert _filtered(code, seccomp.number("read") | seccomp.X32_BIT, arch) == seccomp.KILL
    assert says("kill", os.getpid()) == seccomp.ALLOW
    assert says("kill", os.getpid() + 1) == says("kill", 2**32 - 1) == denied
    assert says("openat", 0, 0, os.O_CLOEXEC) == seccomp.ALLOW
    assert says("openat", 0, 0, os.O_RDONLY | os.O_TRUNC) == denied
    create = says("openat", 0, 0, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    assert create == (seccomp.ALLOW if writing else denied)
    assert says("prlimit64", 0, 0, 0) == seccomp.ALLOW
    assert says("prlimit64", 0, 0, 1 << 32) == says("prlimit64", 0, 0, 1) == denied
    assert says("madvise", 0, 0, 4) == seccomp.ALLOW
    assert says("madvise", 0, 0, 14) == denied


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "asm-generic/unistd.h")],
)
def test_the_numbers_are_the_kernel_s(
    monkeypatch: pytest.MonkeyPatch, machine: str, header: str
) -> None:
    file = Path("/usr/include", header)
    if not file.exists():
        pytest.skip(f"no {file}")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    known = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", file.read_text()))
    known.setdefault("newfstatat", known.get("fstatat", ""))
    for name, number in seccomp.numbers(seccomp.NAMED).items():
        assert known.get(name) in (str(number), None), name
    assert len(seccomp.numbers(seccomp.NAMED).keys() & known.keys()) > 100


# The parent's look at a worker


def test_maps_ok_names_what_it_finds() -> None:
    own = os.getpid()
    assert "runs code from /" in (sandbox.maps_ok(own, ()) or "")
    assert sandbox.maps_ok(own, ("/",), threads=1000) is None
    assert "is gone" in (sandbox.maps_ok(2**22 + 1, ("/",)) or "")
    release = threading.Event()
    helper = threading.Thread(target=release.wait)
    helper.start()
    try:
        assert "threads where 1 may run" in (sandbox.maps_ok(own, ("/",)) or "")
    finally:
        release.set()
        helper.join()


def test_a_sibling_is_not_beneath_a_directory() -> None:
    roots = {os.path.dirname(path)[:-1] for path in sandbox.runtime() if ".so" in path}
    assert roots
    assert sandbox.maps_ok(os.getpid(), roots) is not None
