"""How often a real gain is missed: candidates of known worth, live or from stored A/A pairs.

Live: the incumbent gets a surplus of work of a calibrated size, a long run pins down what the
candidate truly gains, then trials run through the real gate; exit 1 above --misses.
`--offsets`: gains are added to the A/A pairs of a ledger and the pairs drawn anew; this measures
nothing.
"""

import argparse
import math
import secrets
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import offsets
import scratch
from surplus import Spent, evenly, slowed

from autoresearch.catalog import root_of
from autoresearch.experiment import Experiment, Kernel, Outcome
from autoresearch.model import FloatArray, Pair
from autoresearch.phases import Known
from autoresearch.runner.pair import Runner
from autoresearch.session import Session
from autoresearch.stats import interval, pairing
from autoresearch.stats.spread import upper_spread

TRUTHS = 3  # runs of 20 pairs, each with hidden shapes of its own
PER_TRUTH = 20
CALIBRATIONS = 6
ROUND_NS = 2.0  # of the surplus; the calibration corrects it


@dataclass(slots=True)
class Lab:
    """An open bench with the two arms: the present kernel, and the same with a surplus of work."""

    session: Session
    bench: Runner
    known: Known
    spent: Spent

    @property
    def candidate(self) -> bytes:
        return self.session.entry.kernels.read_bytes()

    @property
    def incumbent(self) -> bytes:
        return slowed(self.candidate.decode(), self.session.target, self.spent).encode()

    def experiment(self, texts: tuple[bytes, bytes], label: str) -> Experiment:
        """Fresh seeds; a label that is new makes the candidate compile as in any trial."""
        arms = Kernel(texts[0]), Kernel(texts[1], label=label)
        policy, seed = self.session.policy, secrets.randbits(62)
        return Experiment(self.bench, arms, self.known, policy, seed, lambda step: None)

    def fixed(self, texts: tuple[bytes, bytes], phase: str, pairs: int) -> Outcome:
        outcome = self.experiment(texts, "fixed").fixed(phase, pairs)
        if not outcome.pairs or outcome.evidence.fault:
            sys.exit(f"cannot measure: {outcome.verdict.reason}")
        return outcome

    def calibrate(self, gain: float) -> None:
        """Size the surplus so that every op is slower by `gain`, then learn the noise here."""
        tried: list[tuple[float, Spent]] = []
        self.spent = self._fitted(gain)
        for _ in range(CALIBRATIONS):
            outcome = self.fixed((self.incumbent, self.candidate), "audit", 8)  # hidden shapes too
            slower = by_op(outcome.labels, gains(outcome.pairs).mean(axis=0))
            print("surplus now:", ", ".join(f"{op} {math.exp(x):.4f}x" for op, x in slower.items()))
            wanted = {op: (gain - 1) / max(math.expm1(x), 0.001) for op, x in slower.items()}
            tried.append((max(abs(math.log(w)) for w in wanted.values()), self.spent))
            self.spent = {op: scaled(rounds, wanted[op]) for op, rounds in self.spent.items()}
        # Of what was measured: another constant is other machine code, and falls elsewhere.
        self.spent = min(tried, key=lambda one: one[0])[1]
        null = self.fixed((self.incumbent, self.incumbent), "screen", self.session.policy.aa_pairs)
        D = gains(null.pairs)
        sigma0, sigma_w = upper_spread(D.mean(axis=1)), upper_spread(D)
        self.known = replace(self.known, sigma0=sigma0, sigma_w=sigma_w)
        print(f"noise: sigma0 {sigma0:.4f}, sigma_w {sigma_w:.4f}")

    def _fitted(self, gain: float) -> Spent:
        """Rounds for each element of each array, so that shapes of any proportion lose alike: by
        least squares on what the workloads take."""
        experiment = self.experiment((self.candidate, self.candidate), "fit")
        outcome = experiment.fixed("screen", 2)
        plan = experiment.phases["screen"].stage.plan
        ns = dict(zip(outcome.labels, outcome.candidate_ns.tolist(), strict=True))
        self.known = replace(self.known, ns=ns)
        rounds = {}
        for op, spent in self.spent.items():
            rows = [w for w, label in enumerate(outcome.labels) if label.startswith(f"{op}:")]
            sizes = np.array([[_size(plan[w], array) for array in spent] for w in rows])
            costs = fitted(sizes, outcome.candidate_ns[rows])
            rounds[op] = dict(zip(spent, (costs * (gain - 1) / ROUND_NS).tolist(), strict=True))
        return rounds

    def truth(self) -> None:
        """What the candidate truly gains, over several draws of hidden shapes."""
        X: list[float] = []
        for _ in range(TRUTHS):
            outcome = self.fixed((self.incumbent, self.candidate), "audit", PER_TRUTH)
            D = gains(outcome.pairs)
            X += D.mean(axis=1).tolist()
            print("  by workload:", " ".join(f"{math.exp(x):.3f}" for x in D.mean(axis=0)))
        mean, low, high = (math.exp(x) for x in interval.mean_interval(np.array(X), 0.05))
        print(f"truth: {mean:.4f}x [{low:.4f}, {high:.4f}] from {len(X)} pairs")

    def trials(self, number: int, misses: int) -> int:
        """Live trials under the real policy; 1 when too many miss the gain."""
        verdicts: Counter[str] = Counter()
        kept_s: list[float] = []
        spent: Counter[str] = Counter()
        for n in range(number):
            begun = time.monotonic()
            experiment = self.experiment((self.incumbent, self.candidate), secrets.token_hex(8))
            outcome = experiment.run()
            verdicts[outcome.verdict.name] += 1
            if outcome.verdict.name == "keep":
                kept_s.append(time.monotonic() - begun)
                spent.update(outcome.seconds)
            print(f"{n + 1}/{number} {outcome.verdict.name}: {outcome.verdict.reason}", flush=True)
        missed = number - verdicts["keep"]
        print(f"missed {missed} of {number}: {dict(verdicts)}")
        if kept_s:
            shares = ", ".join(f"{what} {s / len(kept_s):.1f}" for what, s in spent.most_common())
            print(f"a keep takes {median(kept_s):.1f} s (median); seconds on average: {shares}")
        return int(missed > misses)


def gains(pairs: Sequence[Pair]) -> FloatArray:
    """f64[n, w]: ln of the candidate's gain in the pairs that count."""
    return pairing.stack([pair for pair in pairs if not pair.void])


def fitted(sizes: FloatArray, ns: FloatArray) -> FloatArray:
    """f64[a]: what an element of each array costs, none below zero; `sizes` f64[w, a], `ns` f64[w].

    Least squares of relative errors; the most negative term is dropped until none is left.
    """
    costs, free = np.zeros(sizes.shape[1]), list(range(sizes.shape[1]))
    while free:
        A = sizes[:, free] / ns[:, None]
        found = np.linalg.lstsq(A, np.ones(len(ns)), rcond=None)[0]
        if found.min() >= 0:
            costs[free] = found
            return costs
        free.pop(int(found.argmin()))
    return costs


def scaled(rounds: Mapping[str, float], wanted: float) -> dict[str, float]:
    """Half of the way, on a logarithmic scale, and at most twofold: the surplus also moves code,
    which a full step would answer with as much the other way."""
    step = min(2.0, max(0.5, math.sqrt(wanted)))
    return {array: n * step for array, n in rounds.items()}


def _size(plan: Mapping[str, Any], array: str) -> float:
    """Elements of `array` in one operation of a workload."""
    static = {e["name"]: math.prod(e["shape"]) for e in plan["static"]}
    each = {e["name"]: math.prod(e["shape"]) / plan["operations"] for e in plan["each"]}
    return (static | each)[array]


def by_op(labels: Sequence[str], values: FloatArray) -> dict[str, float]:
    """The mean over the workloads of each op."""
    ops = np.array([label.partition(":")[0] for label in labels])
    return {op: float(values[ops == op].mean()) for op in ops.tolist()}


def main() -> int:
    """Offsets, or live: prepare, pin the truth down, try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="toy, or a target of this repository")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--gain", type=float, default=1.03, help="the true speed-up wanted")
    parser.add_argument("--misses", type=int, default=4, help="how many may be missed")
    parser.add_argument("--offsets", action="store_true", help="from stored A/A pairs instead")
    parser.add_argument("--root", type=Path, default=Path(), help="offsets: the ledger's project")
    parser.add_argument("--draws", type=int, default=40, help="offsets: how often it is repeated")
    options = parser.parse_args()
    if options.offsets:
        offsets.report(root_of(options.root), options.name, options.trials, options.draws)
        return 0
    with scratch.project(options.name) as (root,):
        session = Session.open(root, options.name, print)
        with session.measuring(f"power of {options.name}", print) as turn:
            lab = Lab(session, turn.bench, Known(), evenly(session.target, 0.0))
            lab.calibrate(options.gain)
            lab.truth()
            return lab.trials(options.trials, options.misses)


if __name__ == "__main__":
    sys.exit(main())
