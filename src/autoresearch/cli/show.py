"""How results look: the block on stdout for agents, tables for people, one object for programs."""

from __future__ import annotations

import json as codec
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from ..block import render
from ..model import EXIT_CODES, Trial

if TYPE_CHECKING:
    from ..calibrate import Report
    from ..check import Reset
    from ..checkup import Checkup
    from ..demo import Scene
    from ..new import Made
    from ..overview import Overview, TargetLine
    from ..plane.verdict import Verdict
    from ..prior.hints import Hints
    from ..prior.sweep import Report as Swept
    from ..prior.warm import Advice
    from ..trial import Finished

SCHEMA = 1


def emit(json: bool, body: Mapping[str, Any]) -> bool:
    """Print `body` as the one JSON object if asked for; whether it was."""
    if json:
        sys.stdout.write(codec.dumps({"schema": SCHEMA, **body}, default=_plain) + "\n")
    return json


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def block(trial: Trial, json: bool, code: int | None = None) -> int:
    """The result block of one row; the exit code of its verdict."""
    if not emit(json, {"trial": trial}):
        sys.stdout.write(render(trial.result))
    return EXIT_CODES[trial.result.verdict] if code is None else code


def blocks(trials: Sequence[Trial], json: bool) -> int:
    """The result blocks of several rows; the worst of their exit codes."""
    if not emit(json, {"trials": list(trials)}):
        sys.stdout.writelines(render(trial.result) for trial in trials)
    return max(EXIT_CODES[trial.result.verdict] for trial in trials)


def finished(done: Finished, json: bool) -> int:
    """A trial's block; where its commit is goes to stderr."""
    trial = done.trial
    if not emit(json, {"trial": trial, "commit": done.commit, "repeated": done.repeated}):
        sys.stdout.write(render(trial.result))
    if done.commit:
        sys.stderr.write(f"kept as commit {done.commit[:12]} on the current branch\n")
    return EXIT_CODES[trial.result.verdict]


def table(title: str, heads: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """A table for people on stdout."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = Table(*heads, title=title, box=SIMPLE_HEAD, title_justify="left")
    for line in lines:
        found.add_row(*(Text(cell) for cell in line))
    Console(width=None if sys.stdout.isatty() else 140).print(found)


def targets(lines: Sequence[TargetLine], json: bool) -> None:
    if emit(json, {"targets": list(lines)}):
        return
    heads = ("target", "ops", "unit", "verdict", "vs reference", "geomean ns/op", "trials", "kept")
    cells = [
        (
            *(t.name, " ".join(t.ops), t.unit, t.verdict, t.versus, t.ns, str(t.trials)),
            *(str(t.kept), t.stage, f"{t.ceiling:.2f}x" if t.ceiling else ""),
        )
        for t in lines
    ]
    table("Targets", (*heads, "stage", "ceiling"), cells)


def log(rows: Sequence[Trial], json: bool) -> None:
    if emit(json, {"rows": list(rows)}):
        return
    if not rows:
        sys.stdout.write("no trial and no baseline here yet\n")
        return
    heads = ("time", "target", "verdict", "speedup", "interval", "s", "description", "reason")
    table("Newest trials", heads, [_log_line(t) for t in rows])


def _log_line(trial: Trial) -> tuple[str, ...]:
    result = trial.result
    interval = "[{:.3f}, {:.3f}]".format(*result.speedup_ci95) if result.speedup_ci95 else ""
    return (
        trial.timestamp[5:19].replace("T", " "),
        result.target,
        result.verdict,
        f"{result.speedup:.3f}" if result.speedup else "",
        interval,
        f"{result.total_seconds:.1f}" if result.total_seconds else "",
        _clipped(trial.description, 40),
        _clipped(result.reason, 60),
    )


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def status(seen: Overview, json: bool) -> None:
    if emit(json, {"status": seen}):
        return
    if seen.targets:
        targets(seen.targets, False)
    for note in seen.notes:
        sys.stdout.write(f"{note}\n")
    if seen.newest:
        sys.stdout.write(f"newest: {seen.newest}\n")
    sys.stdout.write(f"next: {seen.next}\n")


def warm(name: str, found: Hints, applied: Advice | None, json: bool) -> None:
    """Suggestions, and which of them lies in kernels.py now."""
    if emit(json, {"warm": found, "applied": applied}):
        return
    heads = ("kernel", "knobs", "expected", "spread", "why")
    cells = [
        (
            *(a.kernel[:12], ",".join(f"{k}={v}" for k, v in a.knobs.items())),
            *(f"{a.ratio:.2f}", f"{a.spread:.2f}", a.why),
        )
        for a in found.advice
    ]
    if cells:
        table(f"Where {name} could start", heads, cells)
    asked = f"kept kernels known for {', '.join(found.family)}: {found.points} measured points"
    asked += f", {found.dropped} unreadable" * bool(found.dropped)
    nothing = "" if cells else "; none is expected to beat the incumbent"
    sys.stdout.write(f"{found.told or asked + nothing}\n")
    if applied:
        adapt = "" if applied.target == name else f"; it was written for {applied.target}: adapt it"
        sys.stdout.write(f"kernels.py is {applied.kernel[:12]} now, a candidate{adapt}\n")


def sweep(report: Swept, json: bool) -> None:
    if emit(json, {"sweep": report}):
        return
    heads = ("setting", "verdict", "ratio", "s", "reason")
    cells = [
        (
            *(t.setting, t.trial.result.verdict, f"{t.ratio:.3f}" if t.ratio else ""),
            *(f"{t.trial.result.total_seconds or 0:.1f}", _clipped(t.trial.result.reason, 60)),
        )
        for t in report.tried
    ]
    table(f"Sweep of {report.target}", heads, cells)
    sys.stdout.write(f"{report.ended}; {report.left} settings left; order: {report.order}\n")


def policy(json: bool) -> None:
    """Every number that decides."""
    from ..policy import POLICY

    if emit(json, {"policy": asdict(POLICY)}):
        return
    table("Policy", ("name", "value"), [(k, str(v)) for k, v in asdict(POLICY).items()])


def doctor(found: Checkup, json: bool) -> int:
    """Findings with remedies; 1 when one of them is bad."""
    bad = any(f.level == "bad" for f in found.findings)
    if emit(json, {"doctor": found}):
        return int(bad)
    table("Machine", ("what", "value"), found.facts)
    marks = {"ok": "ok", "warn": "warn", "bad": "BAD"}
    table(
        "Findings",
        ("", "what", "found", "remedy"),
        [(marks[f.level], f.name, f.what, f.remedy) for f in found.findings],
    )
    table("Sandbox", ("tier", "holds", "why not", "remedy"), found.tiers)
    return int(bad)


def calibration(found: Report, json: bool) -> None:
    if emit(json, {"calibration": found}):
        return
    heads = (
        "target",
        "kind",
        "trials",
        "false keeps",
        "median pairs",
        "median s",
        "sigma0",
        "inconclusive",
    )
    table("Live A/A trials", heads, found.lines())
    sys.stdout.write(f"{found.bound()}\n")


def demo(scenes: Sequence[Scene], json: bool) -> None:
    if emit(json, {"scenes": list(scenes)}):
        return
    heads = ("candidate", "verdict", "speedup", "s", "why")
    table(
        "What happened",
        heads,
        [(s.name, s.verdict, s.speedup, s.seconds, s.reason) for s in scenes],
    )
    odd = ", ".join(s.name for s in scenes if not s.as_promised)
    if odd:
        told = (
            "not as prepared (a busy machine hides a gain; `autoresearch doctor` names the noise)"
        )
        sys.stdout.write(f"{told}: {odd}\n")
    sys.stdout.write("next: give your agent, in this folder, the sentence of README.md\n")


def new(made: Made, json: bool) -> None:
    if emit(json, {"new": made}):
        return
    for file in made.files:
        sys.stdout.write(f"{file}\n")
    sys.stdout.write(f"next: {made.next}\n")


def reset(done: Reset, json: bool) -> None:
    if emit(json, {"reset": done}):
        return
    if done.before:
        sys.stdout.write(f"what stood there: git cat-file blob {done.before}\n")
    sys.stdout.write(f"{done.path} is the reference again; run a trial or a baseline next.\n")


def accepted(decided: Verdict, json: bool) -> int:
    """The figures of an acceptance; 0 when the kernel passed, else 3, as for a revert."""
    if not emit(json, {"accepted": decided}):
        ours, theirs = decided.candidate_p95_ms, decided.reference_p95_ms
        rows = [
            ("p95 latency", f"{theirs:.3f} ms", f"{ours:.3f} ms"),
            ("recall@10", *(f"{recall:.4f}" for recall in decided.recalls)),
            ("p95, lower by", "", str(decided.p95)),
            ("cost, lower by", "", str(decided.cost)),
            ("memory over index", "", f"{decided.memory:.2f}"),
        ]
        table(f"{decided.kernel}, {decided.n:,} vectors", ("", "cpu", decided.kernel), rows)
        sys.stdout.writelines(f"{reason}\n" for reason in decided.reasons)
        sys.stdout.write("promoted\n" if decided.promoted else "stays experimental\n")
    return 0 if decided.passed else 3
