"""False keeps, power and cost of the gate by simulation: the `gate.step` that trials use, fed with
pairs of made-up machines. Prints the tables that docs/methodology.md quotes.

    .venv/bin/python scripts/simulate.py                      # about five minutes
    .venv/bin/python scripts/simulate.py --only layout --trials 4000
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field, replace
from math import exp, inf, log, sqrt
from typing import Any

import numpy as np

from autoresearch.gate import step
from autoresearch.model import Evidence, FloatArray, Pair, Verdict
from autoresearch.policy import POLICY, Policy
from autoresearch.stats import pairing
from autoresearch.stats.interval import rate_upper
from autoresearch.stats.spread import upper_spread

WORKLOADS = 8
NULL = np.zeros(WORKLOADS)
ENDED = (0.0, 0.01, 0.02, 0.05)  # chances of passing below which a screen might end
NULL_SHARE = 5  # null rows run this many times the trials: their rates are the small ones


@dataclass(frozen=True, slots=True)
class Machine:
    """Spreads (standard deviations, ln units) of what differs between the two arms of a pair."""

    spawn: float = 0.01  # one draw per pair, shared by its workloads: memory, process luck
    workload: float = 0.01  # one per pair and workload
    call: float = 0.028  # one per round: sqrt 2 times the 2 % of a single call
    layout: float = 0.0  # one per pair and arm: where the code of that spawn came to lie
    offset: float = 0.0  # one per trial, in all its pairs alike: what no rule can see
    tails: float = 4.0  # degrees of freedom of Student's t; inf is normal
    burst: float = 0.0  # share of pairs that something else on the machine moves by 10 %


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tables: a machine, the true gain of each workload, what else differs."""

    table: str
    label: str
    machine: Machine = Machine()
    effect: FloatArray = field(default_factory=NULL.copy)
    simpler: bool = False


def noise(machine: Machine, rng: np.random.Generator, *shape: int) -> FloatArray:
    """Standard deviation 1, with the machine's tails."""
    if machine.tails == inf:
        return rng.standard_normal(shape)
    drawn = rng.standard_t(machine.tails, shape)
    return np.asarray(drawn / sqrt(machine.tails / (machine.tails - 2)))


def pairs(
    machine: Machine, gain: FloatArray, policy: Policy, rng: np.random.Generator
) -> tuple[Pair, ...]:
    """Spawn pairs; `gain` f64[n, w] is the true one of each."""
    n, w = gain.shape
    burst = 0.1 * (rng.random((n, 1)) < machine.burst) * rng.choice((-1, 1), (n, 1))
    incumbent, candidate = machine.layout * rng.standard_normal((2, n, 1))
    of_pair = gain + burst + candidate - incumbent + machine.spawn * noise(machine, rng, n, 1)
    of_workload = of_pair + machine.workload * noise(machine, rng, n, w)
    d = of_workload[:, None] + machine.call * noise(machine, rng, n, policy.rounds, w)
    return tuple(map(Pair, 1e6 * np.exp(d / 2), 1e6 * np.exp(-d / 2)))


def spreads(machine: Machine, policy: Policy, rng: np.random.Generator) -> tuple[float, float]:
    """sigma0 and sigma_w as a baseline finds them: A/A pairs of one text."""
    D = pairing.stack(pairs(machine, np.tile(NULL, (policy.aa_pairs, 1)), policy, rng))
    return _upper(pairing.mean_over_workloads(D), policy), _upper(D, policy)


def _upper(values: FloatArray, policy: Policy) -> float:
    return upper_spread(values, level=policy.sigma_level, limit=policy.sigma_limit)


def trial(row: Row, rng: np.random.Generator, policy: Policy = POLICY) -> tuple[Verdict, int]:
    """Drive `gate.step` to its verdict; also the number of pairs a real trial would have measured.

    Each phase is drawn whole: the gate decides at the same pair as if they came one by one.
    """
    sigma0, sigma_w = spreads(row.machine, policy, rng)
    gain = row.effect + row.machine.offset * rng.standard_normal()
    evidence = Evidence(
        sigma0=sigma0, sigma_w=sigma_w, statements=(9, 8) if row.simpler else (9, 9)
    )
    most = {"screen": policy.screen.cap, "confirm": policy.confirm.cap, "tie": policy.tie_pairs}
    used = 0
    while (now := step(evidence, policy)).verdict is None:
        used += now.look.n if now.look else 0
        drawn = pairs(row.machine, np.tile(gain, (most[now.phase], 1)), policy, rng)
        evidence = extended(evidence, now.phase, drawn)
    return now.verdict, used + now.verdict.pairs


def extended(evidence: Evidence, phase: str, drawn: tuple[Pair, ...]) -> Evidence:
    changes: dict[str, Any] = {phase: drawn}
    return replace(evidence, **changes)


def flat(gain: float, worst: float | None = None) -> FloatArray:
    """f64[w]: the same speed-up everywhere, but `worst` on the first workload."""
    effect = np.full(WORKLOADS, log(gain))
    effect[0] = log(worst or gain)
    return effect


def rows() -> list[Row]:
    table: list[Row] = []
    for spawn in (0.0, 0.01, 0.02):
        machine = Machine(spawn=spawn)
        for gain in (1.0, 1.005, 1.01, 1.02, 1.03, 1.05):
            table.append(Row("gain", f"spawn {spawn:.0%}, {gain}x", machine, flat(gain)))
        for gain, worst in ((1.03, 0.9), (1.05, 0.94), (1.03, 1.0)):
            label = f"spawn {spawn:.0%}, {gain}x, one {worst}x"
            table.append(Row("trade", label, machine, flat(gain, worst=worst)))
        for gain in (1.03, 1.01, 1.0, 0.995, 0.99, 0.98):
            label = f"spawn {spawn:.0%}, {gain}x, fewer statements"
            table.append(Row("simpler", label, machine, flat(gain), simpler=True))
    return table + layout_rows() + noise_rows()


def layout_rows() -> list[Row]:
    table: list[Row] = []
    for layout in (0.005, 0.01, 0.02):
        for gain in (1.0, 1.03):
            label = f"layout {layout:.1%} in every spawn, {gain}x"
            table.append(Row("layout", label, Machine(layout=layout), flat(gain)))
    for layout in (0.005, 0.01, 0.02):
        label = f"layout {layout:.1%} drawn once a trial, 1.0x"
        table.append(Row("layout", label, Machine(offset=sqrt(2) * layout)))
    return table


def noise_rows() -> list[Row]:
    table: list[Row] = []
    for label, machine in (
        ("normal", Machine(tails=inf)),
        ("t3", Machine(tails=3)),
        ("t4, 2 % of pairs +-10 %", Machine(burst=0.02)),
        ("t4, 10 % of pairs +-10 %", Machine(burst=0.1)),
    ):
        table.append(Row("noise", f"{label}, 1.0x", machine))
        table.append(Row("noise", f"{label}, 1.03x", machine, flat(1.03)))
    for spawn in (0.04, 0.1):
        for gain in (1.0, 1.05, 1.2):
            label = f"spawn {spawn:.0%}, {gain}x"
            table.append(Row("noise", label, Machine(spawn=spawn), flat(gain)))
    return table


def line(row: Row, trials: int, rng: np.random.Generator) -> str:
    """One table line; bias and coverage are those of the speed-ups printed with the keeps."""
    drawn = [trial(row, rng) for _ in range(trials)]
    count = Counter(verdict.name for verdict, _ in drawn)
    truth = float(row.effect.mean())
    kept = [v for v, _ in drawn if v.name == "keep" and v.speedup and v.ci95]
    bias = f"{np.mean([log(v.speedup or 1) - truth for v in kept]):+.2%}" if kept else ""
    inside = [v.ci95[0] <= exp(truth) <= v.ci95[1] for v in kept if v.ci95]
    covered = f"{np.mean(inside):.0%}" if inside else ""
    used = [n for _, n in drawn]
    return (
        f"| {row.label} | {trials} | {count['keep'] / trials:.2%} "
        f"| {rate_upper(count['keep'], trials):.2%} | {count['simpler'] / trials:.1%} "
        f"| {np.mean(used):.1f} | {np.median(used):.0f} | {bias} | {covered} |"
    )


def paired(row: Row, trials: int, seed: tuple[int, ...]) -> str:
    """One line of decision 0020's table: keeps and mean pairs when a screen ends below each chance
    of passing; every share has the same noise, trial by trial."""
    cells = []
    for share in ENDED:
        policy = replace(POLICY, hopeless=share)
        drawn = [trial(row, np.random.default_rng([*seed, t]), policy) for t in range(trials)]
        kept = np.mean([verdict.name == "keep" for verdict, _ in drawn])
        cells.append(f"{kept:.1%}, {np.mean([n for _, n in drawn]):.1f}")
    return f"| {row.label} | {' | '.join(cells)} |"


def hopeless(trials: int, seed: int) -> None:
    """Decision 0020's table: the share below which a screen ends is chosen by what it costs."""
    spreads_of = ((0.02, 1.0), (0.02, 1.02), (0.04, 1.0), (0.04, 1.05), (0.1, 1.0), (0.1, 1.2))
    table = [
        Row("hopeless", f"spawn {spawn:.0%}, {gain}x", Machine(spawn=spawn), flat(gain))
        for spawn, gain in spreads_of
    ]
    table.append(Row("hopeless", "layout 2%, 1.03x", Machine(layout=0.02), flat(1.03)))
    heads = " | ".join(f"below {share:.0%}" for share in ENDED[1:])
    print(f"\nhopeless\n\n| row | never | {heads} |\n|{'---|' * (len(ENDED) + 1)}")
    for i, row in enumerate(table):
        print(paired(row, trials, (seed, i)), flush=True)


HEADER = """| row | trials | keep | at most (95 %) | simpler | pairs | median | bias | covered |
|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    table = rows()
    names = sorted({row.table for row in table})
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--trials", type=int, default=400, help="per row; nulls run five times that"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=[*names, "hopeless"], help="one table")
    options = parser.parse_args()
    if options.only in (None, "hopeless"):
        hopeless(options.trials, options.seed)
    for name in [n for n in names if options.only in (None, n)]:
        print(f"\n{name}\n\n{HEADER}")
        for i, row in enumerate(row for row in table if row.table == name):
            null = not (row.effect.any() or row.simpler)
            trials = options.trials * (NULL_SHARE if null else 1)
            print(line(row, trials, np.random.default_rng([options.seed, i])), flush=True)


if __name__ == "__main__":
    main()
