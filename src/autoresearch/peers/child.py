"""The racing process: draws a target's workloads, sets every entrant up, times and checks rounds.

Started as `python -I -B -m autoresearch.peers.child FD`, pinned before it loads any library, so
that threads which one starts all the same share the one core. Trusted: champion, reference and
libraries run here side by side with the clock and the answers.
"""

from __future__ import annotations

import gc
import math
import runpy
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import data, draw
from ..errors import Refusal
from ..model import Peer, Target, Workload
from ..runner import builds, wire, worker
from ..runner.case import Case
from ..runner.sandbox import linux
from ..runner.sealed import raw_clock
from ..runner.vault import Vault
from .entrants import Field, Guest, Kernel, Racer, empty_call_ns
from .result import CHAMPION, REFERENCE, Entrant

CALL_NS = 0.4e6  # as a trial's calls: Python's way into a driver is then below a hundredth
BATCH_NS = 40e6  # no entrant's batch takes longer, unless one operation does
BATCH_BYTES = 32 << 20
_KERNELS = ("champion", "reference")
Tell = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Run:
    """One entrant on one workload, until it is found wrong or unable."""

    entrant: int
    racer: Racer | None = None
    note: str = ""
    wall: int = 0  # ns of one operation, all told, when it was tried
    ns: list[float] = field(default_factory=list)

    def attempt(self, what: Callable[[Racer], Any]) -> Any:
        """What `what` returns; a fault becomes the note, and the entrant leaves."""
        if self.racer is None:
            return None
        try:
            return what(self.racer)
        except Exception as error:  # noqa: BLE001 - a library may raise anything
            self.leave(_fault(error))
            return None

    def leave(self, note: str) -> None:
        self.racer, self.note, self.ns = None, note, []

    def said(self, recall: float | None) -> dict[str, Any]:
        return {"entrant": self.entrant, "ns": self.ns, "recall": recall, "note": self.note}


def _fault(error: Exception) -> str:
    told = " ".join(str(error).split())[:160]
    if isinstance(error, NotImplementedError):
        return f"n/a: {told}" if told else "n/a"
    return f"failed: {type(error).__name__}: {told}"


class Track:
    """One target with its kernels compiled and its peers listed."""

    def __init__(self, request: dict[str, Any]) -> None:
        home = Path(request["target"])
        self.inputs = SimpleNamespace(**runpy.run_path(str(home / "inputs.py")))
        self.workloads = (*self.inputs.WORKLOADS, *_given(self.inputs, request["data"]))
        self.target: Target = runpy.run_path(str(home / "run_experiment.py"))["TARGET"]
        self.peers: tuple[Peer, ...] = _peers(home / "peers.py")
        self.vault = Vault(Path(request["vault"]), bytes.fromhex(request["secret"]))
        self.rng = np.random.default_rng(request["seed"])
        self.rounds: int = request["rounds"]
        self.missing: dict[str, str] = {}  # why a library cannot be imported, by its name
        self.kernels = [
            compiled(self.target, request[name].encode(), name, Path(request["folder"]))
            for name in _KERNELS
        ]

    def entrants(self) -> list[Entrant]:
        layout = "free" if self.target.prepare else "untouched"
        kernels = [Entrant(name, "", "", "", "declared", layout) for name in _KERNELS]
        return kernels + [
            Entrant(p.library, p.what, p.op, version(p.library), p.output, p.layout)
            for p in self.peers
        ]

    def heat(self, workload: Workload, tell: Tell) -> dict[str, Any]:
        """Race one workload: a probe of one operation sets the batch, then come the rounds."""
        static = self.vault.get(workload, lambda rng: self._static(rng, workload))
        probe = self._case(workload, static, 1, 1)
        runs = self._runs(probe, tell)
        units = self.inputs.work(workload).units
        case = self._case(workload, static, self._operations(workload, runs), self.rounds + 1)
        recalls = self._rounds(case, runs)
        return {
            "workload": workload.label,
            "op": workload.op,
            "units": units,
            "ran": [run.said(recall) for run, recall in zip(runs, recalls, strict=True)],
        }

    def _static(self, rng: np.random.Generator, workload: Workload) -> Any:
        return self.inputs.static(rng, workload.spec) if self.target.static else {}

    def _case(self, workload: Workload, static: Any, operations: int, batches: int) -> Case:
        case = Case(self.target, self.inputs, workload, static, operations)
        case.draw(batches, self.rng)
        reference, drives = self.kernels[REFERENCE]
        case.answer(reference, drives[workload.op])
        return case

    def _runs(self, probe: Case, tell: Tell) -> list[Run]:
        """Everybody who may race here, set up, and each tried on one operation."""
        laid, runs, op = Field(probe, self.rng), [], probe.workload.op
        for number, entrant in enumerate(self.entrants()):
            if entrant.op in ("", op):
                tell({"at": f"{entrant.label} on {probe.workload.label}"})
                run = self._invited(number, probe)
                run.wall = run.attempt(lambda racer: _wall(racer, laid)) or 0
                runs.append(run)
        return runs

    def _invited(self, number: int, probe: Case) -> Run:
        if number < len(self.kernels):
            kernels, drives = self.kernels[number]
            return Run(number, Kernel(kernels, drives[probe.workload.op], number))
        peer = self.peers[number - len(self.kernels)]
        if peer.library in self.missing:
            return Run(number, note=self.missing[peer.library])
        try:
            return Run(number, Guest(peer, probe))
        except ImportError as error:
            self.missing[peer.library] = _absent(peer.library, error)
            return Run(number, note=self.missing[peer.library])
        except Exception as error:  # noqa: BLE001 - a library may raise anything
            return Run(number, note=_fault(error))

    def _operations(self, workload: Workload, runs: Sequence[Run]) -> int:
        """How many operations make the champion's call long enough to time, and nobody's batch
        longer than the budget, its packing included."""
        wanted = math.ceil(CALL_NS / (runs[CHAMPION].wall or CALL_NS))
        most = math.floor(BATCH_NS / (max(run.wall for run in runs) or BATCH_NS))
        bytes_: float = self.inputs.work(workload).bytes
        return max(1, min(wanted, most, math.floor(BATCH_BYTES / bytes_)))

    def _rounds(self, case: Case, runs: Sequence[Run]) -> list[float | None]:
        """Batch 0 warms everybody up; in each later one all run once, in random order."""
        laid = Field(case, self.rng)
        for run in runs:
            run.attempt(lambda racer: racer.enter(laid))
        for batch in range(self.rounds + 1):
            for at in self.rng.permutation(len(runs)):
                self._turn(runs[at], laid, batch)
        return [run.attempt(lambda racer: racer.recall()) for run in runs]

    def _turn(self, run: Run, laid: Field, batch: int) -> None:
        laid.load(batch)
        gc.collect(0)
        gc.disable()
        took = run.attempt(lambda racer: racer.lap())
        gc.enable()
        told = run.attempt(lambda racer: racer.wrong(batch))
        if told:
            run.leave(f"disagrees: {told}")
        elif run.racer and batch:
            run.ns.append(took / laid.case.operations)


def _wall(racer: Racer, laid: Field) -> int:
    """ns of one operation after a first one, with whatever packs its inputs."""
    racer.enter(laid)
    laid.load(0)
    racer.lap()
    laid.load(0)
    begin = raw_clock()
    racer.lap()
    return raw_clock() - begin


def _given(inputs: SimpleNamespace, where: dict[str, str] | None) -> tuple[Workload, ...]:
    """The workloads of a user's file, from which `draw` then draws them in this process."""
    if where is None:
        return ()
    origin = data.Origin(**where)
    source = data.load(origin)
    draw.use(source)
    return data.workloads(inputs, source, origin.label)


def _peers(path: Path) -> tuple[Peer, ...]:
    return tuple(runpy.run_path(str(path))["PEERS"]) if path.exists() else ()


def version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _absent(library: str, error: ImportError) -> str:
    """Not installed, or installed and broken: then in the library's own words."""
    if version(library):
        return f"skipped: {_fault(error).removeprefix('failed: ')}"
    return f"skipped: not installed (pip install {library})"


def compiled(target: Target, text: bytes, name: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    """The kernel and its drivers, compiled anew in this process.

    A cached build would not do: two of them bring functions of the same mangled names, and the
    linker takes the first for both. Fresh ones are numbered apart.
    """
    build = builds.lay_down(folder, target, text, "", b"", name)
    found = worker.compiled({"build_dir": str(build.directory), "shift": 0}, target)
    sys.path.remove(str(build.directory))
    for module in ("kernels", *(f"drive_{op}" for op in target.ops)):
        del sys.modules[module]
    return found


def serve(sock: socket.socket) -> None:
    request, _ = wire.receive(sock)

    def tell(message: dict[str, Any]) -> None:
        wire.send(sock, message)

    tell({"at": "compiling champion and reference"})
    track = Track(request)
    tell({"entrants": [asdict(one) for one in track.entrants()]})
    for workload in track.workloads:
        tell({"at": workload.label})
        tell({"heat": track.heat(workload, tell)})
        gc.collect()
    tell({"empty_call_ns": empty_call_ns()})


def main(fd: int) -> None:
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_THP_DISABLE, 1)
    sock = socket.socket(fileno=fd)
    try:
        serve(sock)
    except Refusal as refusal:
        wire.send(sock, {"refusal": [refusal.what, refusal.remedy]})
    except Exception as error:  # noqa: BLE001 - told to a person as it is
        wire.send(sock, {"fault": worker.complaint(error)})


if __name__ == "__main__":
    main(int(sys.argv[1]))
