"""The oracle process: draws inputs, knows the answers, poisons and checks what workers write.

Started as `python -I -B -m autoresearch.runner.judge FD`. It trusts the target's reference and
inputs (their digest was checked), never sees the candidate's text, and nothing of it is mapped in a
worker but the inputs of the current call.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import mmap
import os
import runpy
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import data, draw
from ..errors import Refusal
from ..model import Workload
from . import layout, wire, worker
from .builds import Build
from .case import Case
from .vault import Vault

_PR_SET_PDEATHSIG = 1
_KINDS = ("static", "each", "out")


class Stage:
    """All cases of one stage in three shared regions: static, each, and the outputs, the same pages
    for both arms (decision 0013) and all cases, poisoned before anything runs (decision 0021)."""

    def __init__(self, cases: Sequence[Case], rng: np.random.Generator) -> None:
        self.cases = cases
        self.bases: list[dict[str, int]] = []
        ends = dict.fromkeys(_KINDS, 0)
        for case in cases:
            self.bases.append(dict(ends))
            ends |= {kind: ends[kind] + case.regions[kind].size for kind in ("static", "each")}
        ends["out"] = max(case.regions["out"].size for case in cases)
        self.files = [_Shared(ends[kind]) for kind in _KINDS]
        self.pool = rng.integers(0, 256, self.files[2].memory.size + layout.PAGE, dtype=np.uint8)
        self.shift = 0
        for case, base in zip(cases, self.bases, strict=True):
            static = case.regions["static"].views(self.files[0].memory[base["static"] :])
            for name, view in static.items():
                view[...] = case.static[name]

    def plan(self) -> list[dict[str, Any]]:
        return [case.plan(base) for case, base in zip(self.cases, self.bases, strict=True)]

    def descriptors(self) -> list[int]:
        """Read-only descriptors of the inputs, a writable one of the outputs; close them."""
        *inputs, out = self.files
        return [*(f.read_only() for f in inputs), os.dup(out.fd)]

    def renew(self) -> None:
        """Leave fresh workers nothing of what others were given: they get the same batches."""
        self.files[1].memory[...] = 0
        self.poison()

    def poison(self) -> None:
        """Fill all outputs with another stretch of the pool."""
        self.shift = (self.shift + 449) % layout.PAGE
        self.files[2].memory[...] = self.pool[self.shift :][: self.files[2].memory.size]

    def load(self, index: int, batch: int) -> None:
        """Before every call: one fresh batch, and nothing of what the other arm read or wrote."""
        self.poison()
        image, begin = self.cases[index].images[batch], self.bases[index]["each"]
        self.files[1].memory[begin : begin + image.size] = image

    def check(self, index: int, batch: int, arm: int) -> str | None:
        """What is wrong with the outputs of the call since `load`, None when nothing is."""
        size = self.cases[index].regions["out"].size
        out, poison = self.files[2].memory[:size], self.pool[self.shift : self.shift + size]
        return self.cases[index].check(batch, out, poison, arm)

    def recalls(self) -> list[list[float | None] | None]:
        """By case: recall of incumbent, candidate and reference so far; None where exact."""
        return [case.recalls() for case in self.cases]

    def asked(self) -> list[int]:
        """By case: how many different queries its batches hold."""
        return [c.queries * c.operations * len(c.images) for c in self.cases]


class _Shared:
    """An anonymous shared file, mapped writable here."""

    def __init__(self, size: int) -> None:
        size = max(size, layout.PAGE)
        self.fd = os.memfd_create("stage", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        self.memory = np.frombuffer(mmap.mmap(self.fd, size), np.uint8)

    def read_only(self) -> int:
        """A new description that no mprotect can make writable."""
        return os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)


def _ran(path: Path) -> SimpleNamespace:
    """What a target's file defines. Its text is run and nothing of the package around it: byte code
    and other files there could be anyone's, as no digest covers them."""
    return SimpleNamespace(**runpy.run_path(str(path)))


def _given(inputs: SimpleNamespace, where: data.Origin) -> tuple[Workload, ...]:
    """The workloads of a user's file, from which `draw` then draws them in this process."""
    source = data.load(where)
    draw.use(source)
    return data.workloads(inputs, source, where.label)


class Judge:
    """Answers the harness's requests about one target; holds the stages it was asked to draw."""

    def __init__(
        self, target: Path, reference: Path, vault: Vault, given: data.Origin | None = None
    ) -> None:
        self.inputs = _ran(target / "inputs.py")
        self.given = _given(self.inputs, given) if given else ()
        self.declared = (*self.inputs.WORKLOADS, *self.given)
        self.target = _ran(target / "run_experiment.py").TARGET
        self.vault = vault
        self.stages: dict[int, Stage] = {}
        self._compile(Build(reference, reference.name))

    def _compile(self, build: Build) -> None:
        """The reference behind the same generated drivers as any kernel."""
        request = {"build_dir": str(build.directory), "shift": 0}
        self.reference, self.drives = worker.compiled(request, self.target)
        if not build.sealed(self.vault.secret):
            build.seal(self.vault.secret)

    def facts(self) -> dict[str, Any]:
        battery = (*self.inputs.BATTERY, *self.given)
        return {
            "target": asdict(self.target),
            "workloads": [asdict(w) for w in self.declared],
            "work": [self._work(w) for w in self.declared],
            "lossy": [w.label for w in self._lossy()],
            "battery": [f"{w.label}{odd}" for w in battery for odd in ("", ",misaligned")],
            "given": 2 * len(self.given),
        }

    def hide(self, seed: int, share: float) -> dict[str, Any]:
        """The workloads of a confirmation: `share` of them (at least one an op) moved to shapes
        drawn from JITTER, which nobody could have prepared for. Those of a user's data stay."""
        rng = np.random.default_rng(seed)
        workloads = list(self.inputs.WORKLOADS)
        chosen: set[int] = set()
        for op in self.target.ops:
            own = [i for i, w in enumerate(workloads) if w.op == op]
            chosen |= set(rng.permutation(own)[: max(1, round(share * len(own)))].tolist())
        hidden = [self._jittered(w, rng) if i in chosen else w for i, w in enumerate(workloads)]
        hidden += self.given
        return {
            "workloads": [asdict(w) for w in hidden],
            "work": [self._work(w) for w in hidden],
            "hidden": sorted(chosen),
        }

    def _jittered(self, workload: Workload, rng: np.random.Generator) -> Workload:
        drawn = {k: v[int(rng.integers(len(v)))] for k, v in self.inputs.JITTER.items()}
        return Workload(workload.op, {**workload.spec, **drawn})

    def _work(self, workload: Workload) -> dict[str, float]:
        return asdict(self.inputs.work(workload))

    def open_stage(
        self,
        workloads: Sequence[Mapping[str, Any]],
        operations: Sequence[int],
        batches: int,
        seed: int,
    ) -> Stage:
        """Draw a timed stage; hidden shapes get fresh static data, declared ones the vault's."""
        rng = np.random.default_rng(seed)
        known = [(w.op, w.spec) for w in self.declared]
        cases = []
        for facts, count in zip(workloads, operations, strict=True):
            w = Workload(**facts)
            draw = self._draw(w)
            static = self.vault.get(w, draw) if (w.op, w.spec) in known else draw(rng)
            cases.append(Case(self.target, self.inputs, w, static, count))
        return self._open(cases, batches, rng)

    def open_battery(self, batches: int, seed: int) -> Stage:
        """Draw the battery afresh, every case aligned and misaligned, two operations a batch; the
        workloads of a user's data are cases too."""
        rng = np.random.default_rng(seed)
        cases = []
        for w in self.inputs.BATTERY:
            cases += self._twice(w, self._draw(w)(rng))
        for w in self.given:
            cases += self._twice(w, self.vault.get(w, self._draw(w)))
        return self._open(cases, batches, rng)

    def _twice(self, workload: Workload, static: Mapping[str, layout.Array]) -> list[Case]:
        return [Case(self.target, self.inputs, workload, static, 2, odd) for odd in (False, True)]

    def open_recall(self, queries: int, batches: int, seed: int) -> Stage:
        """Every lossy workload with at least so many queries, in so many batches."""
        rng = np.random.default_rng(seed)
        cases = []
        for w in self._lossy():
            static = self.vault.get(w, self._draw(w))
            one = Case(self.target, self.inputs, w, static, 1)
            one.draw(1, rng)
            count = -(-queries // (batches * one.queries))
            cases.append(Case(self.target, self.inputs, w, static, count))
        return self._open(cases, batches, rng)

    def _lossy(self) -> list[Workload]:
        ops = self.target.ops
        return [w for w in self.declared if ops[w.op].oracle == "recall"]

    def _draw(self, workload: Workload) -> Any:
        return lambda rng: self.inputs.static(rng, workload.spec) if self.target.static else {}

    def _open(self, cases: list[Case], batches: int, rng: np.random.Generator) -> Stage:
        for case in cases:
            case.draw(batches, rng)
            case.answer(self.reference, self.drives[case.workload.op])
        gc.collect()
        return Stage(cases, rng)

    def close_stage(self, key: int) -> dict[str, Any]:
        for file in self.stages.pop(key).files:
            os.close(file.fd)
        return {}


def serve(sock: socket.socket, judge: Judge) -> None:
    """Answer until the harness closes the socket; `load` and `check` come between timed calls."""
    gc.freeze()
    gc.disable()  # collected when a stage opens
    while True:
        try:
            request, _ = wire.receive(sock)
        except EOFError:
            return
        reply, fds = answer(judge, request.pop("do"), request)
        wire.send(sock, reply, fds)
        for fd in fds:
            os.close(fd)


def answer(judge: Judge, verb: str, request: dict[str, Any]) -> tuple[Any, list[int]]:
    """One request's reply and descriptors; a target's own fault becomes the harness's refusal."""
    try:
        if verb in ("open_stage", "open_battery", "open_recall"):
            key = request.pop("key")
            stage = judge.stages[key] = getattr(judge, verb)(**request)
            return {"plan": stage.plan()}, stage.descriptors()
        if verb in ("load", "check", "renew", "poison", "recalls", "asked"):
            return {"told": getattr(judge.stages[request.pop("key")], verb)(**request)}, []
        return getattr(judge, verb)(**request), []
    except Refusal as refusal:
        return {"refusal": [refusal.what, refusal.remedy]}, []
    except Exception as error:  # noqa: BLE001 - a target's own code may raise anything
        what = f"The target's own inputs or reference failed: {type(error).__name__}: {error}."
        return {"refusal": [what, "Correct the target and run its baseline again."]}, []


def main(fd: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    sock = socket.socket(fileno=fd)
    request, _ = wire.receive(sock)
    vault = Vault(Path(request["vault"]), bytes.fromhex(request["secret"]))
    try:
        given = data.Origin(**request["data"]) if request["data"] else None
        judge = Judge(Path(request["target"]), Path(request["reference"]), vault, given)
    except Refusal as refusal:
        wire.send(sock, {"refusal": [refusal.what, refusal.remedy]})
        return
    except Exception as error:  # noqa: BLE001 - so may loading it
        what = (
            f"The target in {request['target']} cannot be loaded: {type(error).__name__}: {error}."
        )
        wire.send(sock, {"refusal": [what, "Correct its files (see docs/adding-a-target.md)."]})
        return
    wire.send(sock, judge.facts())
    serve(sock, judge)


if __name__ == "__main__":
    main(int(sys.argv[1]))
