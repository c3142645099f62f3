"""Gains added to stored A/A pairs, drawn anew into trials: what the gate makes of known truths.

For power.py; knows ledger and gate, and neither measures nor compiles anything.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from autoresearch import gate
from autoresearch.calibrate import KINDS
from autoresearch.catalog import find
from autoresearch.ledger import Ledger
from autoresearch.model import KEPT, Evidence, FloatArray, Pair, Trial

# By name: the gain of every workload, and of one workload that is an exception.
SCENES = {"1.02": (1.02, 1.0), "1.05": (1.05, 1.0), "1.03, one at 0.9": (1.03, 0.9)}


def report(root: Path, name: str, trials: int, draws: int) -> None:
    """Misses of `trials` trials in every scene, median and range over the draws."""
    nulls = stored(Ledger(root), find(root, name).name)
    pool = [pair for one in nulls for pair in one.screen]
    later = [pair for one in nulls for pair in one.confirm + one.tie] or pool
    if not pool:
        sys.exit(f"no A/A pairs of {name} yet: run `autoresearch calibrate {name}` first")
    print(f"{len(nulls)} A/A trials of {name}: {len(pool)} screen and {len(later)} later pairs")
    print(f"sigma0 {nulls[0].sigma0:.4f}, sigma_w {nulls[0].sigma_w:.4f}")
    rng, width = np.random.default_rng(0), pool[0].candidate_ns.shape[1]
    for scene, (gain, odd) in SCENES.items():
        missed, pairs = [], []
        for _ in range(draws):
            factors = [_factor(rng, width, gain, odd) for _ in range(trials)]
            found = [_redrawn(rng, nulls[0], (pool, later), factor) for factor in factors]
            missed.append(sum(name not in KEPT for name, _ in found))
            pairs += [n for _, n in found]
        told = f"{median(missed):.0f} of {trials} (from {min(missed)} to {max(missed)})"
        print(f"gain {scene}: not kept {told}, {median(pairs):.0f} pairs a trial")


def stored(ledger: Ledger, name: str) -> list[Evidence]:
    """The A/A trials that share digest and machine with the newest, newest first."""
    rows = [row for row in ledger.newest_first(f'"target":"{name}"') if _is_null(row, name)]
    return [ledger.evidence(row) for row in rows if _place(row) == _place(rows[0])]


def _is_null(row: Trial, name: str) -> bool:
    return row.result.target == name and row.kind in KINDS and "pairs" in row.extra


def _place(row: Trial) -> tuple[str, str]:
    return row.digest, row.result.machine


def _factor(rng: np.random.Generator, workloads: int, gain: float, odd: float) -> FloatArray:
    """f64[w]: what every workload gains; the exception is drawn anew for every trial."""
    factor = np.full(workloads, gain)
    if odd != 1.0:
        factor[rng.integers(workloads)] = odd
    return factor


def _redrawn(
    rng: np.random.Generator,
    known: Evidence,
    pools: tuple[Sequence[Pair], Sequence[Pair]],
    factor: FloatArray,
) -> tuple[str, int]:
    """One trial of pairs drawn with replacement, from screens and from what follows: its verdict
    and how many pairs it took."""
    evidence = replace(known, screen=(), confirm=(), tie=(), statements=(0, 0), fault=None)
    step = gate.step(evidence)
    while step.verdict is None:
        pool = pools[step.phase != "screen"]
        pair = pool[rng.integers(len(pool))]
        faster = replace(pair, candidate_ns=pair.candidate_ns / factor)
        evidence = replace(evidence, **{step.phase: (*getattr(evidence, step.phase), faster)})
        step = gate.step(evidence)
    return step.verdict.name, len(evidence.screen + evidence.confirm + evidence.tie)
