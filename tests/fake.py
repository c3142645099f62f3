"""A runner without processes, and a project to try it in: kernels say themselves how fast they are.

All else that a trial touches is real: git, the ledger, the screen, the gate.
"""

from __future__ import annotations

import math
import re
import runpy
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from autoresearch import baseline, machine, trial
from autoresearch.machine.roofline import Roofline, save
from autoresearch.model import Pair, Trial
from autoresearch.policy import POLICY, Policy
from autoresearch.policy import Stage as Bounds
from autoresearch.runner.bench import Place, Stage
from autoresearch.runner.builds import Build
from autoresearch.runner.pair import CANDIDATE, ArmFault, Measured
from autoresearch.runner.sealed import KernelFault
from autoresearch.session import Session

HERE = Path(__file__).parent / "toyroot"
TOY = HERE / "targets" / "toy"
SEED = (TOY / "reference.py").read_text()
MB = 1 << 20
UNSEEN = replace(POLICY, blind_share=0.0)  # no A/A trial beside a trial
# Few pairs, and each counts on however busy a machine: enough to tell right from wrong and much
# slower from as fast, not to bound the rate of false keeps.
BRIEF = replace(
    UNSEEN,
    rounds=2,
    min_call_ms=4.0,  # hundreds of operations a call: cheats that begin honestly show themselves
    aa_pairs=3,
    screen=Bounds(0.0, math.log(1.02), first=3, cap=4),
    confirm=Bounds(math.log(1.005), math.log(1.025), first=5, cap=8),
    tie_pairs=3,
    guard_looks=(5, 8),
    wait_share=math.inf,
    canary_band=math.inf,
)


def kernel(speed: float = 1.0, fault: str = "", more: str = "") -> bytes:
    """The toy's seed with its speed, and the verdict its first check earns, written into it."""
    return f"{SEED}{more}\n\nFAKE = ({speed}, {fault!r})\n".encode()


def said(build: Build) -> tuple[float, str]:
    """What a kernel says of itself; the seed itself says nothing."""
    text = (build.directory / "kernels.py").read_text()
    found = re.findall(r"^\w+ = \(([\d.]+), '(\w*)'\)$", text, re.MULTILINE)
    speed, fault = found[-1] if found else ("1", "")
    return float(speed), fault


class FakeRunner:
    """What `Experiment` uses of a runner, answered from the kernels' own words.

    Its clock stands still but while a pair is measured.
    """

    tier = "T0"
    target = runpy.run_path(str(TOY / "run_experiment.py"))["TARGET"]
    pair_s = 1.0
    spread = 0.003

    def __init__(self, place: Place) -> None:
        self.place, self.now = place, 0
        self.noise = np.random.default_rng(0)
        inputs = runpy.run_path(str(TOY / "inputs.py"))
        self.facts = {
            "workloads": [asdict(w) for w in inputs["WORKLOADS"]],
            "work": [asdict(inputs["work"](w)) for w in inputs["WORKLOADS"]],
            "lossy": [],
            "battery": [w.label for w in inputs["BATTERY"]],
            "given": 0,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def clock(self) -> int:
        return self.now

    def compile(self, build: Build, seconds: float) -> float:
        return 0.5

    def order(self, verb: str, labels: Sequence[str], counts: Sequence[int], **_: Any) -> Stage:
        stage = Stage(0, labels, counts)
        stage.arrived([{"static": []} for _ in labels], [])
        return stage

    def collect(self) -> None: ...

    def release(self) -> None: ...

    def ask(self, verb: str, **_: Any) -> Mapping[str, Any]:
        return self.facts

    def battery(self, stage: Stage, build: Build, limits: object, policy: object) -> None:
        _, verdict = said(build)
        if verdict:
            raise ArmFault(KernelFault(verdict, f"{stage.labels[0]}: as it said"), CANDIDATE)

    def measure(
        self,
        stage: Stage,
        builds: tuple[Build, Build],
        limits: object,
        policy: Policy,
        rng: object,
    ) -> Measured:
        self.now += round(self.pair_s * 1e9)
        shape = (policy.rounds, len(stage.labels))
        first, second = (
            20_000 / said(build)[0] * np.exp(self.spread * self.noise.standard_normal(shape))
            for build in builds
        )
        pair = Pair(first, second)
        return Measured(pair, np.full((2, shape[1]), 1e6), (MB, MB), (MB, MB))


@dataclass(slots=True)
class Toy:
    """A repository with the toy target: edit its kernel, try it, look at what became of it."""

    root: Path
    policy: Policy = UNSEEN
    runner: Any = FakeRunner
    data: str = ""
    heard: list[str] = field(default_factory=list)

    @classmethod
    def made(cls, root: Path, home: Path = HERE) -> Toy:
        """A fresh repository with the targets below `home`; its roofline is no probe's."""
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(home / "targets", root / "targets", ignore=ignore)
        toy = cls(root)
        for words in ("init -qb main", "add -A", "commit -qm start"):
            toy.git(*words.split())
        here = machine.fingerprint()
        save(
            root / ".autoresearch" / f"roofline-{here.id}.json",
            Roofline(here.id, 100.0, ((MB, 50.0),)),
        )
        return toy

    def copy(self, root: Path) -> Toy:
        """The same project elsewhere, so that many tests can start from one baseline."""
        return replace(self, root=shutil.copytree(self.root, root, symlinks=True), heard=[])

    @property
    def kernels(self) -> Path:
        return self.root / "targets" / "toy" / "kernels.py"

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=u", "-c", "user.email=u@example.org")
        command = ["git", *who, *words]
        return subprocess.run(
            command, cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def session(self) -> Session:
        say = self.heard.append
        return Session.open(self.root, "toy", say, self.policy, self.runner, self.data)

    def baseline(self, text: bytes = b"", accept: str = "") -> Trial:
        self.kernels.write_bytes(text or kernel())
        return baseline.run(self.session(), self.heard.append, lambda _: None, accept)

    def trial(self, text: bytes, description: str = "an idea") -> trial.Finished:
        self.kernels.write_bytes(text)
        return trial.run(self.session(), description, self.heard.append, lambda _: None)

    def rows(self) -> list[tuple[str, str]]:
        """(kind, verdict) of every row of the ledger, oldest first."""
        return [(t.kind, t.result.verdict) for t in self.session().ledger.trials()]
