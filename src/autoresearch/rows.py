"""Turns what an experiment found into a ledger row and a block; measures and decides nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from . import gate
from .block import canonical
from .experiment import Outcome
from .ledger import Point, new_id
from .model import KEPT, FloatArray, Pair, Result, Trial
from .session import Session
from .stats import pairing

_TEXT = "; your text is `git show {commit}:{path}`"
_DIFF = "; `git show {commit}` has your text"
NEXT = {
    "keep": "commit is made; try the next idea on top of it",
    "simpler": "commit is made; try the next idea on top of it",
    "baseline": 'edit kernels.py, then run `autoresearch trial {name} -m "one hypothesis"`',
    "revert": "kernels.py is the incumbent again; try a different idea",
    "refused": "fix what reason names" + _TEXT,
    "incorrect": "fix the kernel" + _TEXT,
    "crash": "fix the kernel" + _TEXT,
    "timeout": "make it finish sooner" + _TEXT,
    "tampered": "restore the files named, or a person runs baseline --accept {digest}",
    "inconclusive": "undecided: repeat later" + _TEXT,
}


def blank(session: Session, kind: str, description: str = "") -> Trial:
    """A row with what is known before anything ran."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    result = Result(
        session.entry.name,
        "inconclusive",
        unit=session.target.unit,
        data=session.data.label if session.data else "",
        machine=session.machine.id,
    )
    return Trial(new_id(), kind, result, description, now, digest=session.digest)


def filled(session: Session, trial: Trial, outcome: Outcome, tier: str) -> Trial:
    """`trial` with the outcome's verdict and figures."""
    verdict = outcome.verdict
    result = replace(
        trial.result,
        verdict=verdict.name,
        correctness=_correctness(outcome),
        speedup=verdict.speedup,
        speedup_ci95=verdict.ci95,
        worst_speedup=verdict.worst,
        worst_speedup_at=short(verdict.worst_at),
        pairs=verdict.pairs or None,
        compile_seconds=outcome.compile_s,
        peak_mem_mb=outcome.peak_mb,
        recall_at_10=outcome.recall,
        sandbox=tier,
        reason=verdict.reason,
        **_times(session, outcome),
    )
    return replace(trial, result=result, seconds=outcome.seconds)


def _times(session: Session, outcome: Outcome) -> dict[str, Any]:
    """Figures of the last stage measured: the candidate's times, and how near the roof they are."""
    if not len(outcome.candidate_ns):
        return {}
    ns = outcome.candidate_ns
    slowest = int(np.argmax(ns))
    roof = session.roofline()
    pct = [roof.pct(work, t) for work, t in zip(outcome.works, ns, strict=True)]
    return {
        "geomean_ns_per_op": geomean(ns),
        "worst_ns_per_op": float(ns[slowest]),
        "worst_ns_at": short(outcome.labels[slowest]),
        "pct_of_roofline": geomean(np.array(pct)),
        "prepare_ms": float(outcome.prepare_ns.sum()) / 1e6,
    }


def _correctness(outcome: Outcome) -> str:
    """`fail` when an output was wrong, `pass` once the battery held."""
    if outcome.verdict.name == "incorrect":
        return "fail"
    return "pass" if outcome.checked else "n/a"


def advised(trial: Trial, path: str) -> Trial:
    """`trial` with its `next:` line, which names the text's commit where there is one; where the
    block has no room for the whole command, a shorter one that shows the text too."""
    commit = trial.result.commit
    for text in (_TEXT, _DIFF) if commit else ("",):
        advice = NEXT[trial.result.verdict].replace(_TEXT, text)
        told = advice.format(
            name=trial.result.target, commit=commit, path=path, digest=trial.digest
        )
        advised = replace(trial, result=canonical(replace(trial.result, next=told)))
        if advised.result.next == told:
            break
    return advised


def geomean(values: FloatArray) -> float:
    return float(np.exp(np.mean(np.log(values))))


def short(label: str) -> str:
    """A workload's label without the blank, to fit a block."""
    return label.replace(": ", ":")


def updated_ns(known: Mapping[str, float], outcome: Outcome) -> dict[str, float]:
    """The new incumbent's ns by workload: measured ones as seen, others scaled by the speed-up."""
    scale = outcome.verdict.speedup or 1.0
    measured = dict(zip(outcome.labels, outcome.candidate_ns.tolist(), strict=True))
    return {label: measured.get(label, ns / scale) for label, ns in known.items()}


def chained(before: str, speedup: float | None) -> str:
    """`speedup_vs_reference` after one more keep; `~` marks a product of measured ratios."""
    base = float(before.lstrip("~") or "1")
    return f"~{base * (speedup or 1.0):.2f}"


def quiet(pairs: tuple[Pair, ...]) -> dict[str, Any]:
    """What A/A pairs say of the noise: X f64[n] and D f64[n, w] of those that count."""
    counting = [p for p in pairs if not p.void]
    if not counting:
        return {}
    stacked = pairing.stack(counting)
    X = pairing.mean_over_workloads(stacked)
    return {"aa": {"X": X.round(6).tolist(), "D": stacked.round(6).tolist()}}


def measured(outcome: Outcome) -> dict[str, Any]:
    """What the last phase says of a candidate, kept or not: `X`, the mean over its pairs of ln of
    the geometric mean ratio, and ns per operation by workload. Priors learn from losers too."""
    counting = [p for p in outcome.pairs if not p.void]
    if not counting:
        return {}
    mean = pairing.mean_over_workloads(pairing.stack(counting), math.inf).mean()
    ns = zip(outcome.labels, outcome.candidate_ns.round(1).tolist(), strict=True)
    return {"measured": {"X": round(float(mean), 6), "ns": dict(ns)}}


def points(
    session: Session, trial: Trial, outcome: Outcome, knobs: Mapping[str, Any]
) -> tuple[Point, ...]:
    """The corpus rows of a kept kernel: one per workload measured."""
    if trial.result.verdict not in KEPT:
        return ()
    roof = session.roofline()
    found = []
    for label, work, ns in zip(outcome.labels, outcome.works, outcome.candidate_ns, strict=True):
        op, _, spec = label.partition(": ")
        features = dict(item.split("=", 1) for item in spec.split(",") if "=" in item)
        pct = roof.pct(work, float(ns))
        found.append(
            Point(
                trial.id,
                session.entry.name,
                op,
                session.machine.id,
                trial.candidate,
                float(ns),
                features,
                knobs,
                pct,
            )
        )
    return tuple(found)


def cost_of_tie(outcome: Outcome) -> float:
    return gate.tie_cost(outcome.verdict) if outcome.verdict.name == "simpler" else 0.0
