"""The harness's side of the sealed call: owns the clock and a worker's life.

Knows what a worker's death means for a kernel; nothing of what is called, or what was right.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..model import Fault
from . import wire

Clock = Callable[[], int]
_MEANWHILE_MS = 200


def raw_clock() -> int:
    """Nanoseconds that neither the administrator nor NTP can move."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


class KernelFault(Exception):
    """A kernel failed; `fault` holds the verdict it earns."""

    def __init__(self, verdict: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = Fault(verdict, reason)


class Worker:
    """One sandboxed process running one build; frozen unless it is being called."""

    def __init__(self, pid: int, token_fd: int, done_fd: int, clock: Clock) -> None:
        self.pid, self.clock = pid, clock
        self.token_fd, self.done_fd = token_fd, done_fd
        self.fds = [token_fd, done_fd]
        self.poll = select.poll()
        self.poll.register(done_fd, select.POLLIN)
        self.alive = True

    def ready(self, seconds: float, doing: str, meanwhile: Callable[[], str] = lambda: "") -> None:
        """Wait until it has loaded (or compiled) everything, or until `meanwhile`, asked now and
        then, complains."""
        until = self.clock() + seconds * 1e9
        while not self.poll.poll(_MEANWHILE_MS):
            if told := meanwhile():
                raise KernelFault("crash", told)
            if self.clock() > until:
                raise KernelFault("timeout", f"{doing} took more than {seconds:.0f} s")
        self._hear(doing)

    def freeze(self) -> None:
        self._stop("while loading")

    def call(self, command: bytes, index: int, seconds: float, doing: str) -> int:
        """Thaw it for one command; ns from before the thaw until its stop is confirmed."""
        token, pid, milliseconds = wire.TOKEN.pack(command, index), self.pid, seconds * 1000
        begin = self.clock()
        os.write(self.token_fd, token)
        os.kill(pid, signal.SIGCONT)
        finished = self.poll.poll(milliseconds)
        self._stop(doing)
        end = self.clock()
        if not finished:
            raise KernelFault("timeout", f"{doing} took more than {seconds:.1f} s")
        self._hear(doing)
        return end - begin

    def _stop(self, doing: str) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            self.alive = False
            told = os.read(self.done_fd, 4096) if self.poll.poll(0) else b""
            raise _last_words(told, doing) or KernelFault(*_death(status, doing))

    def _hear(self, doing: str) -> None:
        told = os.read(self.done_fd, 4096)
        if told != wire.DONE:
            self.kill()
            raise _last_words(told, doing) or KernelFault(
                "crash", f"{doing}: the worker spoke out of turn"
            )

    def status(self) -> dict[str, int]:
        """High-water mark and resident size in bytes, time waited for a core in ns. Shared inputs
        and outputs do not count: they are the harness's, and become resident as they are used."""
        try:
            text = Path(f"/proc/{self.pid}/status").read_text()
            lines = dict(line.split(":", 1) for line in text.splitlines())
            peak, resident, shared = (
                int(lines[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS", "RssShmem")
            )
            run, waited, _ = Path(f"/proc/{self.pid}/schedstat").read_text().split()
        except (KeyError, FileNotFoundError):
            raise KernelFault("crash", "killed between calls (out of memory?)") from None
        return {
            "peak": peak - shared,
            "resident": resident - shared,
            "run_ns": int(run),
            "waited_ns": int(waited),
        }

    def kill(self) -> None:
        """Kill and reap; with it dies everything in its pid namespace."""
        if self.alive:
            with suppress(ProcessLookupError, ChildProcessError):  # Ctrl-C came between, before
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            self.alive = False

    def close(self) -> None:
        """As often as one likes: Ctrl-C may come between a close and its note."""
        self.kill()
        while self.fds:
            os.close(self.fds.pop())


def _last_words(told: bytes, doing: str) -> KernelFault | None:
    """The worker's own complaint, made harmless: it is shown, never believed."""
    if not told.startswith(wire.FAILED):
        return None
    text = told[1:].decode(errors="replace").split("\n")[0]
    return KernelFault("crash", f"{doing}: {''.join(c for c in text if c.isprintable())[:400]}")


def _death(status: int, doing: str) -> tuple[str, str]:
    if not os.WIFSIGNALED(status):
        return "crash", f"{doing}: the worker exited before it was done"
    name = signal.Signals(os.WTERMSIG(status)).name
    if name == "SIGXCPU":
        return "timeout", f"{doing}: over the CPU limit"
    return "crash", f"{doing}: {name}{_MEANINGS.get(name, '')}"


_MEANINGS = {
    "SIGSEGV": " (a write to an input, or an access over 64 bytes outside an array)",
    "SIGBUS": " (an access outside an array)",
    "SIGSYS": " (a forbidden system call)",
    "SIGKILL": " (over its memory or CPU limit)",
    "SIGABRT": " (aborted: out of memory, or a broken heap)",
}
