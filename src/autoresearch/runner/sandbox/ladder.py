"""Which tier this machine reaches, found by running it: honest acts must work, forbidden ones fail.

Believes no version number: a tier counts only when every one of its promises held just now.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NoReturn

from ...errors import Refusal
from .acts import ACTS, MEMORY, QUICK, Act, Victim
from .jail import TIERS, Jail, adopting, detach, lock_down, runtime, stdlib
from .remedy import remedy
from .watch import maps_ok

NAMESPACES = ("user", "pid", "net", "ipc")


class Broken(Exception):
    """A promise of the tier that did not hold."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One tier as found here. `why` is empty if every promise held, else `remedy` says what helps;
    `denied` tells of each act tried whether it was denied."""

    tier: str
    ok: bool
    why: str
    remedy: str
    denied: dict[str, bool]


def _nothing() -> None:
    """The honest act of callers who have none of their own."""


def probe(honest: Callable[[], object] = _nothing, jail: Jail | None = None) -> str:
    """The best tier whose promises all hold now. `honest` runs locked down and must succeed
    (a zygote passes a jitted call); Refusal where not even T0 holds."""
    rungs = (_rung(tier, honest, jail, QUICK) for tier in TIERS)
    found = next((rung.tier for rung in rungs if rung.ok), None)
    if not found:
        raise Refusal("Not even resource limits can hold a worker here.", remedy("T0"))
    return found


def report(honest: Callable[[], object] = _nothing, jail: Jail | None = None) -> list[Rung]:
    """Every tier, every act, each fatal one in a process of its own."""
    return [_rung(tier, honest, jail, ACTS) for tier in TIERS]


def _rung(
    tier: str, honest: Callable[[], object], jail: Jail | None, acts: tuple[Act, ...]
) -> Rung:
    denied: dict[str, bool] = {}
    jail = jail or Jail(read=runtime(), listed=(stdlib(),))
    try:
        if sys.platform != "linux":
            raise Broken("Workers are adopted and frozen through Linux's own calls.")
        with adopting(), _victim() as victim:
            denied = _table(_Trial(tier, jail, honest, victim), acts)
        owed = [act.name for act in acts if act.by_limits or tier != "T0"]
        if got_away := [name for name in owed if not denied[name]]:
            raise Broken(f"A worker could {got_away[0]}.")
    except (Broken, OSError) as error:
        return Rung(tier, False, str(error), remedy(tier), denied)
    return Rung(tier, True, "", "", denied)


@contextmanager
def _victim() -> Iterator[Victim]:
    with tempfile.NamedTemporaryFile() as outside:
        os.fchmod(outside.fileno(), 0o666)
        yield Victim(os.getpid(), outside.name)


def _table(trial: _Trial, acts: tuple[Act, ...]) -> dict[str, bool]:
    """Whoever dies of SIGSYS was denied the act it died in; a fresh worker tries the rest."""
    denied: dict[str, bool] = {}
    while acts:
        said, status = trial.run(acts)
        denied |= {act.name: word == "denied" for act, word in zip(acts, said, strict=False)}
        for act in acts[len(said) : len(said) + 1]:
            denied[act.name] = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS
        acts, trial = acts[len(said) + 1 :], replace(trial, honest=_nothing)
    return denied


@dataclass(frozen=True, slots=True)
class _Trial:
    tier: str
    jail: Jail
    honest: Callable[[], object]
    victim: Victim

    def run(self, acts: tuple[Act, ...]) -> tuple[list[str], int]:
        """(one word per act survived, wait status) of one worker; Broken before the first act."""
        answers, said = os.pipe()
        waiting, go = os.pipe()
        middle = os.fork()
        if not middle:
            self._inside(acts, said, waiting)
        os.close(said)
        os.close(waiting)
        os.waitpid(middle, 0)
        with os.fdopen(answers) as lines, os.fdopen(go, "wb", 0) as token:
            pid = _number(lines.readline())
            try:
                if (first := lines.readline().strip()) != "ready":
                    raise Broken(first or "The worker died while it was locked down.")
                self._supervise(pid)
                token.write(b"!")
                words = lines.read().split()
            except BaseException:
                os.kill(pid, signal.SIGKILL)
                raise
            finally:
                status = os.waitpid(pid, 0)[1]
        return words, status

    def _supervise(self, pid: int) -> None:
        """What the parent is promised: to freeze a worker, see it frozen, and read its mappings."""
        os.kill(pid, signal.SIGSTOP)
        if not os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]):
            raise Broken("A worker cannot be frozen.")
        if strange := maps_ok(pid, self.jail.read):
            raise Broken(strange)
        os.kill(pid, signal.SIGCONT)

    def _inside(self, acts: tuple[Act, ...], said: int, waiting: int) -> NoReturn:
        try:
            outer = _namespaces()
            detach(self.tier, said)
            if self.tier == "T3" and outer & _namespaces():
                raise Broken("A namespace is still shared.")
            lock_down(self.tier, replace(self.jail, keep=(said, waiting), memory_bytes=MEMORY))
            importlib.reload(importlib.import_module("colorsys"))
            self.honest()
            os.write(said, b"ready\n")
            os.read(waiting, 1)
            for act in acts:
                os.write(said, _outcome(act, self.victim))
        except BaseException as error:  # noqa: BLE001 - a forked child never returns
            os.write(said, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(0)


def _namespaces() -> set[int]:
    return {os.stat(f"/proc/self/ns/{name}").st_ino for name in NAMESPACES}


def _outcome(act: Act, victim: Victim) -> bytes:
    try:
        act.run(victim)
    except OSError:
        return b"denied\n"
    return b"allowed\n"


def _number(line: str) -> int:
    if not line.strip().isdigit():
        raise Broken(line.strip() or "The worker died before it was locked down.")
    return int(line)
