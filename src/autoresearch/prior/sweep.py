"""Tries the settings that a kernel's KNOBS declare, each as an ordinary trial of the same gate.

Knows in which order and what is decided already; measures nothing itself. What the ledger holds is
not tried again, so a sweep that was stopped goes on where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, product

from .. import catalog, gate, trial
from ..errors import Refusal
from ..ledger import UNREPEATABLE
from ..model import Trial
from ..runner.entry import entry_points
from ..runner.knobs import NAME, Setting, read_knobs, with_knobs
from ..runner.normal import norm
from ..runner.source import Unfit, parse
from ..session import Say, Session
from .attempt import attempt
from .past import family, trials
from .ranking import Ranking, rank
from .shape import Shape
from .start import check_untouched, someone

Tell = Callable[[gate.Step], None]
Knobs = dict[str, Setting]
MOST = 2000  # settings ranked at a time: more than a night of trials


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting, and its row."""

    setting: str
    trial: Trial

    @property
    def ratio(self) -> float | None:
        """The incumbent's time over this one's, kept or not."""
        measured = self.trial.extra.get("measured")
        return self.trial.result.speedup or (math.exp(measured["X"]) if measured else None)


@dataclass(frozen=True, slots=True)
class Report:
    """What one sweep did: settings tried, how many of the last incumbent's are left, why it ended,
    and what ordered them last."""

    target: str
    tried: tuple[Tried, ...]
    left: int
    ended: str
    order: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """The settings of one incumbent that nothing has decided, the most promising first."""

    incumbent: Trial
    text: str
    settings: tuple[Knobs, ...]
    why: str


def run(session: Session, budget: int | None, say: Say, tell: Tell) -> Report:
    """Try settings of the incumbent, at most `budget`; after a keep those of the new incumbent."""
    _begin(session, say)
    tried: list[Tried] = []
    norms: dict[str, str] = {}  # of a text's blob: normalising takes milliseconds
    seen: set[str] = set()  # a setting whose verdict may change is still tried once a sweep
    plan = _plan(session, norms, seen)
    say(f"{len(plan.settings)} settings to try: {plan.why}")
    while plan.settings and (budget is None or len(tried) < budget):
        setting = plan.settings[0]
        row = _try(session, plan, setting, say, tell)
        seen.add(_norm(session, plan.text, setting, norms))
        tried.append(Tried(told(setting), row))
        say(f"{len(tried)}: {told(setting)}: {row.result.verdict}, {row.result.reason}")
        plan = _plan(session, norms, seen)  # asking takes milliseconds, a trial seconds
    ended = "the budget is spent" if plan.settings else "every setting is decided"
    return Report(session.entry.name, tuple(tried), len(plan.settings), ended, plan.why)


def undecided(session: Session) -> list[tuple[str, bytes]]:
    """Every setting of the incumbent that no trial has decided, the most promising first: how it
    is told, and the text of kernels.py that has it."""
    _begin(session, lambda _: None)
    plan = _plan(session, {}, set())
    return [(told(s), with_knobs(plan.text, s).encode()) for s in plan.settings]


def told(setting: Knobs) -> str:
    return ",".join(f"{name}={value}" for name, value in setting.items())


def _begin(session: Session, say: Say) -> None:
    """Refusal unless the incumbent has knobs and lies in kernels.py; a setting that a killed sweep
    left there is taken back."""
    incumbent, space = session.incumbent(), session.workspace
    session.agree_on_data()
    text = space.get_blob(incumbent.candidate)
    if not read_knobs(parse(text)):
        what = f"The incumbent of {session.entry.name} declares no {NAME}: nothing to sweep."
        remedy = f'Make one with `{NAME} = {{"block": (64, 32)}}` the incumbent first (HARNESS.md).'
        raise Refusal(what, remedy)
    found = space.read_candidate(session.entry.kernels)
    if isinstance(found, bytes) and found != text and _differs_in_knobs_only(found, text):
        space.put_blob(found)
        space.restore(session.entry.kernels, found, incumbent.candidate)
        say("kernels.py held another setting of the incumbent; the incumbent is back")
    check_untouched(session)


def _differs_in_knobs_only(found: bytes, text: bytes) -> bool:
    try:
        chosen = {name: values[0] for name, values in read_knobs(parse(found)).items()}
        return with_knobs(text.decode(), chosen).encode() == found
    except (Refusal, Unfit):
        return False


def _plan(session: Session, norms: dict[str, str], seen: set[str]) -> _Plan:
    incumbent = session.incumbent()
    if incumbent.digest != session.digest:
        what = f"What measures is not what the baseline saw: {session.changed_since(incumbent)}."
        raise Refusal(what, "Undo the change, then sweep again.", code=7)
    text = session.workspace.get_blob(incumbent.candidate).decode()
    knobs = read_knobs(parse(text.encode()))
    space = (dict(zip(knobs, chosen, strict=True)) for chosen in product(*knobs.values()))
    decided = seen | {incumbent.norm} | _decided(session)
    undecided = (s for s in space if _norm(session, text, s, norms) not in decided)
    settings = list(islice(undecided, MOST))
    ranking = _ranked(session, incumbent, settings)
    return _Plan(incumbent, text, tuple(settings[i] for i in ranking.order), ranking.why)


def _decided(session: Session) -> set[str]:
    """Codes that need no trial: they lost to this incumbent or to a slower one before it."""
    return {
        row.norm
        for row in session.since_baseline()
        if row.kind in ("trial", "baseline")
        and (row.digest, row.result.machine) == (session.digest, session.machine.id)
        and row.result.verdict not in UNREPEATABLE
    }


def _norm(session: Session, text: str, setting: Knobs, norms: dict[str, str]) -> str:
    chosen = with_knobs(text, setting)
    if chosen not in norms:
        reference = (session.entry.path / "reference.py").read_text()
        norms[chosen] = norm(chosen, [p.name for p in entry_points(session.target, reference)])
    return norms[chosen]


def _ranked(session: Session, incumbent: Trial, settings: Sequence[Knobs]) -> Ranking:
    entries = catalog.discover(session.project.root)
    name = session.entry.name
    alone = (name,)
    related = attempt(lambda: family(name, {e.name: e.facts() for e in entries}), lambda _: alone)
    found = trials(session.ledger.trials_path, related)
    shapes = tuple(Shape.read(label) for label in incumbent.extra.get("ns", {}))
    return rank(settings, found.rows, shapes, session.machine.id, name)


def _try(session: Session, plan: _Plan, setting: Knobs, say: Say, tell: Tell) -> Trial:
    """One ordinary trial; stopped in the middle, it leaves the incumbent in kernels.py."""
    space, path = session.workspace, session.entry.kernels
    candidate = with_knobs(plan.text, setting).encode()
    if space.restore(path, plan.text.encode(), space.put_blob(candidate)) != "restored":
        raise someone(session, plan.incumbent.candidate)
    try:
        return trial.run(session, f"sweep {told(setting)}", say, tell).trial
    except BaseException:
        space.restore(path, candidate, session.incumbent().candidate)
        raise
