"""What the prior is worth on spaces measured in full: shapes, targets and machines left out.

Every row that a model is given is looked at: one of the group that was left out ends the script.
`--write` puts the tables into docs/prior.md, between the markers.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoresearch.prior import Past
from autoresearch.replay import run, scores, space, strategies
from autoresearch.replay.space import Space

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "prior.md"
BEGIN, END = "<!-- tables: scripts/prior_tables.py -->", "<!-- end of tables -->"
Found = dict[str, list[tuple[Space, list[tuple[float, ...]]]]]


@dataclass(frozen=True)
class Split:
    """What is left out: `same` says whether a row or space belongs to what is being searched."""

    name: str
    same: Callable[[str, str, str], Callable[[str, str, str], bool]]

    def others(self, chosen: Space, spaces: Sequence[Space]) -> list[Space]:
        out = self.same(chosen.target, chosen.shape, chosen.machine)
        return [s for s in spaces if not out(s.target, s.shape, s.machine)]


def _shape(target: str, shape: str, _: str) -> Callable[[str, str, str], bool]:
    return lambda t, s, m: (t, s) == (target, shape)


def _target(target: str, _: str, __: str) -> Callable[[str, str, str], bool]:
    return lambda t, s, m: t == target


def _machine(_: str, __: str, machine: str) -> Callable[[str, str, str], bool]:
    return lambda t, s, m: m == machine


SPLITS = (Split("shape", _shape), Split("target", _target), Split("machine", _machine))


class Leak(Exception):
    """A row of what was left out has reached a model."""


class Audit:
    """Stands before `rank` and looks at every row that goes in."""

    def __init__(self) -> None:
        self.rank, self.rows, self.asked = strategies.rank, 0, 0
        self.out: Callable[[str, str, str], bool] = lambda t, s, m: True
        self.told: set[tuple[object, ...]] = set()

    def __call__(self, candidates: Any, past: Sequence[Past], *more: Any) -> Any:
        for row in past:
            label = row.shapes[0].label
            if row.group != strategies.HERE and self.out(row.target, label, row.machine):
                raise Leak(f"{row.target} {label} on {row.machine}")
        waiting = {tuple(c.values()) for c in candidates}
        if any(
            row.group == strategies.HERE and tuple(row.knobs.values()) in waiting for row in past
        ):
            raise Leak("the outcome of a setting that is yet to be tried")
        self.rows, self.asked = self.rows + len(past), self.asked + 1
        return self.rank(candidates, past, *more)


def measured(spaces: Sequence[Space], split: Split, seeds: int, audit: Audit) -> Found:
    """The trajectories of every strategy on every space that has others to learn from."""
    found: Found = {name: [] for name in strategies.STRATEGIES}
    for chosen in spaces:
        others = split.others(chosen, spaces)
        if not others:
            continue
        out = split.same(chosen.target, _label(chosen), chosen.machine)
        audit.out = out
        for name in found:
            many = seeds if name == "prior" else max(seeds, 20)
            runs = run.searches(chosen, name, others, many, len(chosen.settings))
            found[name].append((chosen, runs))
        print(f"{split.name}: {chosen.name}", file=sys.stderr, flush=True)
    return found


def _label(chosen: Space) -> str:
    return run.problem(chosen).shape.label


def table(found: Found) -> list[str]:
    rng = np.random.default_rng(0)
    rows = [scores.score(name, runs, rng) for name, runs in found.items()]
    first = next(r for r in rows if r.strategy == "random").evaluations.value
    head = (
        "| order | evaluations to 5 % | fewer | p90 | regret@1 | regret@10 | P score | searches |"
    )
    lines = [head, "|---" * 8 + "|"]
    for r in rows:
        cells = (r.evaluations, f"{first / r.evaluations.value:.2f}x", r.p90, r.first, r.tenth)
        end = (r.performance, r.searches)
        lines.append(f"| {r.strategy} | {' | '.join(map(str, (*cells, *end)))} |")
    return lines


def worst(found: Found) -> str:
    """On how many spaces the prior's 95th percentile is above that of random order."""
    lost = []
    for (chosen, random), (_, prior) in zip(found["random"], found["prior"], strict=True):
        p95 = [
            np.quantile([scores.evaluations(t, chosen.best)[0] for t in runs], 0.95)
            for runs in (random, prior)
        ]
        lost += [chosen.name] if p95[1] > p95[0] else []
    return f"Worse than a random order at p95 on {len(lost)} of {len(found['prior'])} spaces."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=[s.name for s in SPLITS], action="append")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    paths = sorted((ROOT / "spaces").glob(f"*/*{space.SUFFIX}"))
    spaces = [space.read(path) for path in paths]
    audit = Audit()
    strategies.rank = audit  # type: ignore[assignment]
    text = [_facts(spaces)]
    for split in SPLITS:
        if options.only and split.name not in options.only:
            continue
        begin = time.perf_counter()
        found = measured(spaces, split, options.seeds, audit)
        if not found["prior"]:
            text += [f"\n**A {split.name} left out.** No space has another to learn from."]
            continue
        text += [f"\n**A {split.name} left out.** {worst(found)}\n", *table(found)]
        print(f"{time.perf_counter() - begin:.0f} s", file=sys.stderr)
    text += [
        f"\n{audit.rows:,} rows went into {audit.asked:,} rankings, none of what was left out."
    ]
    print("\n".join(text))
    if options.write:
        _into_page("\n".join(text))
    return 0


def _facts(spaces: Sequence[Space]) -> str:
    near = [sum(ns <= scores.NEAR * s.best for ns in s.ns) for s in spaces]
    gain = math.exp(float(np.mean([math.log(s.ns[0] / s.best) for s in spaces])))
    machines = sorted({s.machine for s in spaces})
    return (
        f"{len(spaces)} spaces of {len({s.target for s in spaces})} targets on "
        f"{' and '.join(machines)}, "
        f"{min(len(s.ns) for s in spaces)} to {max(len(s.ns) for s in spaces)} settings each, "
        f"of which {min(near)} to {max(near)} (median {np.median(near):.0f}) are within 5 % of the "
        f"best; the default is {gain:.2f} times slower than the best in geometric mean."
    )


def _into_page(text: str) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        sys.exit(f"{PAGE} has no {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
