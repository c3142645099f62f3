"""What every verb starts from: a project, its ledger and repository, one target, this machine.

Also finishes what a killed command left behind. Measures nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import machine as machines
from .catalog import Entry, find, joined, root_of
from .data import Origin
from .errors import Refusal
from .ledger import Decision, Ledger
from .machine import Machine, Roofline
from .model import KEPT, FloatArray, Target, Trial
from .phases import Known
from .policy import POLICY, Policy
from .runner import builds, lease
from .runner.bench import Place
from .runner.pair import Runner
from .stats.spread import upper_spread
from .workspace import Workspace

Say = Callable[[str], None]
WAIT_S = 3600.0  # for another measurement on this machine to end
_FRESH = 0.01  # sigma0 before any A/A pair was measured: the spread of a usual machine


@dataclass(frozen=True, slots=True)
class Project:
    """A git work tree with targets, and its ledger."""

    root: Path
    workspace: Workspace
    ledger: Ledger

    @classmethod
    def open(cls, path: Path, say: Say) -> Project:
        """Open the project around `path` and finish whatever a killed command left undone."""
        root = root_of(path)
        workspace = Workspace.open(root)
        project = cls(root, workspace, Ledger(root))
        workspace.ignore_state()
        project.recover(say)
        return project

    def recover(self, say: Say) -> None:
        """Carry out decided trials; name the ones that died undecided (they leave no row)."""
        for decision in self.ledger.pending():
            say(f"finishing trial {decision.trial.id}, which a killed command had decided")
            self.carry_out(decision, say)
        for running in self.ledger.interrupted():
            say(
                f"trial {running.id} of {running.target} was interrupted and left no row; "
                f"its kernel is `git cat-file blob {running.candidate}`"
            )

    def carry_out(self, decision: Decision, say: Say) -> str:
        """Ledger row first, then git, then the table; safe to repeat. The commit of a keep."""
        commit = ""
        trial = decision.trial
        self.ledger.ensure(trial)
        self.ledger.teach(decision.points)
        if decision.action == "keep":
            kept = self.workspace.keep(
                decision.path, decision.candidate, decision.message, trial.id
            )
            commit = kept.commit
        if decision.action in ("keep", "adopt"):
            self.workspace.mirror_incumbent(trial.result.target, decision.candidate)
        if decision.action == "restore":
            candidate = self.workspace.get_blob(decision.candidate)
            done = self.workspace.restore(decision.path, candidate, decision.incumbent)
            if done == "left":
                say(f"{decision.path} was changed meanwhile and is left as it is")
        moved = self.ledger.project()
        if moved:
            say(f"results.tsv had been edited; the edited copy is now {moved}")
        self.ledger.settle(trial.id)
        return commit


@dataclass(frozen=True, slots=True)
class Turn:
    """A held lease with its open bench: seconds waited for it and spent opening; when it began."""

    bench: Runner
    core: int
    waited_s: float
    opened_s: float
    begun_ns: int

    def stamps(self) -> tuple[int, int]:
        """When the measurement began and ends."""
        return self.begun_ns, machines.boot_ns()


@dataclass(frozen=True, slots=True)
class Session:
    """A project's target on this machine under one policy."""

    project: Project
    entry: Entry
    target: Target
    digests: Mapping[str, str]
    machine: Machine
    policy: Policy
    runner: type[Runner]
    data: Origin | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        name: str,
        say: Say,
        policy: Policy = POLICY,
        runner: type[Runner] = Runner,
        data: str = "",
    ) -> Session:
        """`data` is `FILE` or `FILE:column`: all of it is checked before anything is measured."""
        project = Project.open(path, say)
        entry = find(project.root, name)
        facts, digests = entry.facts(), entry.digests(policy)
        given = entry.origin(data) if data else None
        return cls(project, entry, facts, digests, machines.fingerprint(), policy, runner, given)

    @property
    def digest(self) -> str:
        return joined(self.digests)

    @property
    def path(self) -> str:
        """kernels.py as git names it."""
        return str(self.entry.kernels.relative_to(self.workspace.root))

    @property
    def ledger(self) -> Ledger:
        return self.project.ledger

    @property
    def workspace(self) -> Workspace:
        return self.project.workspace

    def _place(self, core: int, others: tuple[int, ...]) -> Place:
        """Where a bench for this target works; lays the reference down."""
        state, secret = self.ledger.folder, self.ledger.secret()
        text = (self.entry.path / "reference.py").read_bytes()
        here = self.machine.id
        return Place(
            root=self.project.root,
            folder=self.entry.folder,
            state=state,
            digest=self.digest,
            reference=builds.lay_down(
                state / "reference", self.target, text, here, secret
            ).directory,
            secret=secret,
            machine=here,
            core=core,
            others=others,
            data=self.data,
        )

    @contextmanager
    def measuring(self, who: str, say: Say) -> Iterator[Turn]:
        """Hold this machine's lease and an open bench; everything started dies at the end."""
        (core, others), begun = lease.core_set(), time.monotonic()
        with lease.held(core, who, WAIT_S, say):
            held, start = time.monotonic(), machines.boot_ns()
            place = self._place(core, others)
            builds.prune(place.state / "builds")
            with self.runner(place) as bench:
                self._check_unchanged()
                yield Turn(bench, core, held - begun, time.monotonic() - held, start)

    def _check_unchanged(self) -> None:
        """The oracle loaded what lies on disk now; the digest is as old as the wait was long."""
        now = self.entry.digests(self.policy)
        changed = [name for name, digest in now.items() if digest != self.digests[name]]
        if changed:
            what = f"{', '.join(changed)} changed while this command waited for its turn."
            raise Refusal(what, "Undo the change, then repeat the command.", code=7)

    def roofline(self) -> Roofline:
        return machines.load_or_probe(self.ledger.folder, self.machine)

    def incumbent(self) -> Trial:
        """The newest kept row; Refusal when this machine has no baseline of this target."""
        row = self.ledger.incumbent(self.entry.name)
        run = f"Run `autoresearch baseline {self.entry.name}` first."
        if row is None:
            raise Refusal(f"Target {self.entry.name} has no baseline yet.", run)
        if row.result.machine != self.machine.id:
            raise Refusal(
                f"The baseline of {self.entry.name} was measured on another machine.", run
            )
        return row

    def agree_on_data(self) -> None:
        """Refusal when this command names data that the session's baseline did not: a verdict may
        rest only on what was named before the candidate was written."""
        seen = self.since_baseline()[-1].result.data
        if self.data and self.data.label != seen:
            name = self.entry.name
            told = f"The baseline of {name} saw {seen or 'no data'}, not {self.data.label}."
            remedy = f"Leave --data out, or run `autoresearch baseline {name} --data FILE` first."
            raise Refusal(told, remedy)

    def changed_since(self, row: Trial) -> str:
        """The names of the immutable parts that differ from what the session's baseline saw."""
        seen = self.since_baseline()[-1].extra.get("digests", {})
        names = [name for name, digest in self.digests.items() if seen.get(name) != digest]
        return ", ".join(names) or f"digest {row.digest}"

    def since_baseline(self) -> tuple[Trial, ...]:
        """Every row of this target since its newest baseline (included), newest first."""
        rows = []
        for trial in self.ledger.newest_first(f'"target":"{self.entry.name}"'):
            if trial.result.target != self.entry.name:
                continue
            rows.append(trial)
            if trial.kind == "baseline":
                break
        return tuple(rows)

    def known(self, incumbent: Trial) -> Known:
        """What the ledger teaches about this target on this machine, under this digest."""
        rows = self.since_baseline()
        baseline = rows[-1]
        sigma0, sigma_w = self.noise()
        return Known(
            ns=incumbent.extra["ns"],
            prepare_ns=baseline.extra["prepare_ns"],
            held_bytes=baseline.extra["held_bytes"],
            sigma0=sigma0,
            sigma_w=sigma_w,
            tie_budget=self._tie_budget(rows),
        )

    def noise(self) -> tuple[float, float]:
        """(sigma0, sigma_w): upper bounds of the spread of A/A pairs under this digest, here."""
        pools = [t.extra["aa"] for t in self._quiet_rows()]
        pools = pools[::-1]  # oldest first, as the newest count most
        if not pools:
            return _FRESH, 2 * _FRESH
        bounds = []
        for key in ("X", "D"):
            values = _alike([np.asarray(p[key], float) for p in pools])
            earlier = np.concatenate(values[:-1]) if len(values) > 1 else None
            level, limit = self.policy.sigma_level, self.policy.sigma_limit
            bound = upper_spread(
                values[-1], earlier, level=level, limit=limit, most=self.policy.sigma_most
            )
            bounds.append(max(bound, self.policy.sigma_floor))
        return bounds[0], bounds[1]

    def _quiet_rows(self) -> list[Trial]:
        """Rows with A/A pairs of this target, machine and digest, newest first, enough to pool."""
        rows: list[Trial] = []
        for trial in self.ledger.newest_first('"aa":'):
            mine = trial.result.target == self.entry.name and trial.digest == self.digest
            if mine and trial.result.machine == self.machine.id and "aa" in trial.extra:
                rows.append(trial)
            if sum(len(t.extra["aa"]["X"]) for t in rows) >= self.policy.sigma_most:
                break
        return rows

    def _tie_budget(self, rows: tuple[Trial, ...]) -> float:
        """What simpler keeps may still cost before the next audit."""
        spent = 0.0
        for trial in rows:
            if trial.kind == "audit":
                break
            spent += float(trial.extra.get("tie_cost", 0.0))
        return max(0.0, self.policy.tie_budget - spent)

    def keeps_since_audit(self) -> int:
        count = 0
        for trial in self.since_baseline():
            if trial.kind == "audit":
                break
            count += trial.kind == "trial" and trial.result.verdict in KEPT
        return count


def _alike(values: list[FloatArray]) -> list[FloatArray]:
    """D of several rows, cut to the workloads that all of them saw: those of data come last."""
    least = min(value.shape[-1] for value in values)
    return [value[:, :least] if value.ndim == 2 else value for value in values]
