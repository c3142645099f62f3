"""Zygote and judge of one target and what they are asked for; knows nothing of keeps or git."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..data import Origin
from ..errors import Refusal
from ..model import Target
from . import layout, sandbox, wire
from .builds import Build
from .sealed import Clock, KernelFault, Worker, raw_clock

_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a bench works: state directory, the reference's build, the ledger's secret,
    core sets, and where a user's data come from.

    `core` is shared by this process and the kernel under the clock; `others` serve the oracle.
    """

    root: Path
    folder: str
    state: Path
    digest: str
    reference: Path
    secret: bytes
    machine: str
    core: int
    others: tuple[int, ...]
    data: Origin | None = None


class Helper:
    """A trusted child process that answers JSON requests."""

    def __init__(self, module: str, cores: Sequence[int]) -> None:
        self.module = module
        self.sock, theirs = socket.socketpair()
        fd = theirs.fileno()
        command = [sys.executable, "-I", "-B", "-m", f"{__package__}.{module}", str(fd)]
        null = subprocess.DEVNULL
        self.process = subprocess.Popen(
            command,
            pass_fds=[fd],
            stdin=null,
            stdout=null,
            stderr=_log(),
            env=clean_environment(),
            start_new_session=True,
        )
        theirs.close()
        os.sched_setaffinity(self.process.pid, cores)

    def ask(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> tuple[Any, list[int]]:
        try:
            wire.send(self.sock, message, fds)
            return self.hear()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise Refusal(
                f"A helper process of the harness died ({self.module}).",
                "Run `autoresearch doctor`; AUTORESEARCH_TRACE=1 shows the helper's last words.",
            ) from None

    def hear(self) -> tuple[Any, list[int]]:
        reply, fds = wire.receive(self.sock)
        if isinstance(reply, dict) and "refusal" in reply:
            raise Refusal(*reply["refusal"])
        return reply, fds

    def close(self) -> None:
        self.sock.close()
        self.process.kill()
        self.process.wait()


def _log() -> int | None:
    return None if os.environ.get("AUTORESEARCH_TRACE") else subprocess.DEVNULL


def _homes() -> set[str]:
    """Where the packages that every worker maps are installed: perhaps outside this environment."""
    specs = [find_spec(name) for name in ("numpy", "numba", "llvmlite")]
    return {str(Path(spec.origin).parent.parent) for spec in specs if spec and spec.origin}


def clean_environment() -> dict[str, str]:
    """An environment built from scratch: nothing a caller exported reaches a measurement."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    one["NUMBA_USE_LLVMLITE_MEMORY_MANAGER"] = "1"  # the default on aarch64 only; see shift.py
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent", **one}


class Stage:
    """A battery or timed stage the judge was asked to draw; plan and memory arrive when needed."""

    def __init__(self, key: int, labels: Sequence[str], operations: Sequence[int]) -> None:
        self.key, self.labels, self.operations = key, labels, operations
        self.plan: list[dict[str, Any]] = []
        self.fds: list[int] = []

    def arrived(self, plan: list[dict[str, Any]], fds: list[int]) -> None:
        self.plan, self.fds = plan, fds

    @property
    def bytes(self) -> int:
        """What a worker maps: outputs of all cases, though they share their pages."""
        kinds = [case[kind] for case in self.plan for kind in ("static", "each", "out")]
        return sum(e.size for plan in kinds for e in layout.from_plan(plan))

    @property
    def static_bytes(self) -> list[int]:
        """What `prepare` is given, by workload."""
        return [sum(e.nbytes for e in layout.from_plan(case["static"])) for case in self.plan]

    def close(self) -> None:
        """As often as one likes: Ctrl-C may come between a close and its note."""
        while self.fds:
            os.close(self.fds.pop())


class Bench:
    """Zygote and judge for one target, started together; everything under it dies with it."""

    def __init__(self, place: Place, clock: Clock = raw_clock) -> None:
        self.place, self.clock = place, clock
        self.stages: list[Stage] = []
        self.ordered: list[Stage] = []
        self.affinity = os.sched_getaffinity(0)
        self.workers: list[Worker] = []
        system = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
        self.libraries = [sys.base_prefix, sys.prefix, *system, *_homes()]

    def __enter__(self) -> Self:
        sandbox.adopt_orphans()
        every = (self.place.core, *self.place.others)
        self.judge = Helper("judge", self.place.others)
        self.zygote = Helper("zygote", every)
        try:
            os.sched_setaffinity(0, {self.place.core})
            facts, _ = self.judge.ask(self._opening())
            self.facts: dict[str, Any] = facts
            self.target: Target = wire.target_from(facts["target"])
            self.tier: str = self.zygote.hear()[0]["tier"]
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _opening(self) -> dict[str, Any]:
        place = self.place
        return {
            "target": str(place.root / "targets" / place.folder),
            "reference": str(place.reference),
            "vault": str(place.state / "static" / place.digest),
            "secret": place.secret.hex(),
            "data": asdict(place.data) if place.data else None,
        }

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            worker.close()
        for helper in (self.zygote, self.judge):
            helper.close()
        for stage in self.stages:
            stage.close()
        os.sched_setaffinity(0, self.affinity)

    def ask(self, verb: str, **request: Any) -> Any:
        """One request to the judge; stages ordered before it arrive first."""
        self.collect()
        return self.judge.ask({"do": verb, **request})[0]

    def order(
        self, verb: str, labels: Sequence[str], counts: Sequence[int], **request: Any
    ) -> Stage:
        """Have the judge draw a stage on its own core while this process goes on."""
        stage = Stage(len(self.stages), labels, counts)
        wire.send(self.judge.sock, {"do": verb, "key": stage.key, **request})
        self.stages.append(stage)
        self.ordered.append(stage)
        return stage

    def collect(self) -> None:
        """Wait for every ordered stage: nothing is drawn while a call is timed."""
        while self.ordered:
            reply, fds = self.judge.hear()
            self.ordered.pop(0).arrived(reply["plan"], fds)

    def release(self) -> None:
        """Drop every stage on both sides: a night of trials on one bench would fill the memory."""
        self.collect()
        for stage in self.stages:
            self.ask("close_stage", key=stage.key)
            stage.close()
        self.stages.clear()

    def canary(self) -> int:
        """ns of a fixed piece of work that no kernel can touch; the least of three."""
        return min(self._canary() for _ in range(3))

    def _canary(self) -> int:
        begin = self.clock()
        sum(range(20_000))
        return self.clock() - begin

    def compile(self, build: Build, seconds: float) -> float:
        """Compile in sandboxes that may write to the cache, unless that was done; seconds spent."""
        if build.sealed(self.place.secret):
            return 0.0
        begin = self.clock()
        builders: list[Worker] = []
        try:
            for ops in self._shares():
                request = {"role": "build", "shift": 0, "ops": ops}
                builders.append(self._spawn(build, request, write=[str(build.cache)]))
            for builder in builders:
                builder.ready(seconds, "compile", lambda: build.stray(done=False))
            if told := build.stray(done=True):
                raise KernelFault("crash", told)
        except KernelFault:
            build.drop()
            raise
        finally:
            for builder in builders:
                self.dismiss(builder)
        build.seal(self.place.secret)
        return (self.clock() - begin) / 1e9

    def _shares(self) -> list[list[str]]:
        """The ops that each core compiles: shared functions twice, the rest in half the time."""
        ops, cores = list(self.target.ops), {self.place.core, *self.place.others}
        return [ops[i :: len(cores)] for i in range(min(len(cores), len(ops)))]

    def worker(self, build: Build, shift: int, stage: Stage) -> Worker:
        """A fresh worker with `stage` mapped; it loads on any core (see `settle`)."""
        self.collect()
        request = {"role": "serve", "shift": shift, "workloads": stage.plan}
        return self._spawn(build, request, stage.fds, memory=stage.bytes)

    def settle(self, worker: Worker, seconds: float) -> None:
        """Wait until it has loaded, then pin it to the measuring core and freeze it."""
        worker.ready(seconds, "load")
        worker.freeze()
        os.sched_setaffinity(worker.pid, {self.place.core})

    def dismiss(self, worker: Worker) -> None:
        worker.close()
        if worker in self.workers:
            self.workers.remove(worker)

    def _spawn(
        self,
        build: Build,
        request: Mapping[str, Any],
        regions: Sequence[int] = (),
        write: Sequence[str] = (),
        memory: int = 0,
    ) -> Worker:
        token_read, token_write = os.pipe()
        done_read, done_write = os.pipe()
        message = {
            **request,
            "tier": self.tier,
            "target": asdict(self.target),
            "build_dir": str(build.directory),
            "read": [str(build.directory)],
            "write": list(write),
            "memory_bytes": 4096 * _MB + memory,
            "cpu_seconds": 120,
        }
        reply, _ = self.zygote.ask(message, [token_read, done_write, *regions])
        os.close(token_read)
        os.close(done_write)
        if not reply["pid"]:
            raise Refusal(
                f"A worker could not enter sandbox tier {self.tier}.",
                "Run `autoresearch doctor` to see which tiers this machine reaches.",
            )
        worker = Worker(reply["pid"], token_write, done_read, self.clock)
        self.workers.append(worker)
        return worker
