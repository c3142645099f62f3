"""What `doctor` tells: this machine, its noise, what ails it, and the sandbox it reaches."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from . import machine
from .catalog import root_of
from .ledger import Ledger
from .runner import bench, lease


@dataclass(frozen=True, slots=True)
class Checkup:
    """Facts and findings for people; `tiers` are (tier, holds, why not, remedy)."""

    facts: list[tuple[str, str]]
    findings: list[machine.Finding]
    tiers: list[tuple[str, str, str, str]]


def run(path: Path) -> Checkup:
    """Look at everything; takes about five seconds."""
    this, (core, _) = machine.fingerprint(), lease.core_set()
    state = Ledger(root_of(path)).folder
    noise = machine.noise(core)
    roof = machine.load_or_probe(state, this)
    facts = [(name, _text(value)) for name, value in asdict(this).items()]
    facts += [
        ("id", this.id),
        ("measuring core", str(core)),
        ("FMA", f"{roof.gflops:.0f} GFLOP/s, one thread"),
    ]
    facts += [(f"bandwidth, {size >> 10} KiB", f"{rate:.1f} GB/s") for size, rate in roof.bandwidth]
    return Checkup(facts, machine.findings(this, state, noise), _tiers())


def _tiers() -> list[tuple[str, str, str, str]]:
    """The ladder, climbed in a process of its own: it forks, and wants to be single-threaded."""
    command = [sys.executable, "-I", "-B", "-m", f"{__package__}.runner.sandbox"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=bench.clean_environment(), check=False
    )
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        return [
            (
                "none",
                "no",
                f"the probe failed: {last}",
                "Run with AUTORESEARCH_TRACE=1 and report it.",
            )
        ]
    return [
        (tier, "yes" if ok else "no", why, remedy)
        for tier, ok, why, remedy in json.loads(done.stdout)
    ]


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_text(v) for v in value)
    if isinstance(value, dict):
        return (
            f"L{value['level']} {value['bytes'] >> 10} KiB /{value['shared_by']}"
            if "level" in value
            else str(value)
        )
    return "unknown" if value in (None, "") else str(value)
