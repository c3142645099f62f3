"""What the prior is worth on the spaces in spaces/, with shapes, targets or machines left out.

Prints tables and, with --write, puts them into docs/prior.md. Every row that reaches the model is
audited: one of the group that is left out, or of a setting not yet tried, ends the run.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoresearch.model import FloatArray
from autoresearch.prior import Past, Shape
from autoresearch.prior.ranking import Learnt, Ranking, learn
from autoresearch.replay import run, scores, strategies, t4
from autoresearch.replay.space import Space

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- replay -->", "<!-- /replay -->"
HEADS = ("evaluations", "p90", "random needs", "at once", "regret@1", "regret@10", "P", "stopped")
TARGET = ("target", "settings", "near best", "noise", "alike", "random", "measured before", "prior")
AGAIN = 400  # draws of a space measured once more
LEFT_OUT = {"shape": (0, 1), "target": (0,), "machine": (2,)}  # parts of a key that must differ
Key = tuple[str, str, str]  # target, shape, machine
Searches = dict[str, list[list[tuple[float, ...]]]]  # by strategy: for each space its searches


class Leak(Exception):
    """A row of the group that is left out reached the model."""


def key(space: Space) -> Key:
    return space.target, Shape.read(space.shape).label, space.machine


def held(left_out: str, mine: Key, other: Key) -> bool:
    """Whether the past of `mine` must do without `other`."""
    return all(mine[part] == other[part] for part in LEFT_OUT[left_out])


def fit(left_out: str, spaces: Sequence[Space]) -> list[Space]:
    """All spaces, or where machines are left out those of targets that several have measured."""
    machines: dict[str, set[str]] = {}
    for s in spaces:
        machines.setdefault(s.target, set()).add(s.machine)
    return [s for s in spaces if left_out != "machine" or len(machines[s.target]) > 1]


@dataclass
class Audit:
    """`learn`, which refuses rows that tell what must not be known, and whose answer does."""

    left_out: str
    mine: Key
    calls: int = 0
    rows: int = 0

    def __call__(
        self, settings: Sequence[Mapping[str, Any]], past: Sequence[Past], *where: Any
    ) -> Watched:
        for target, machine, shapes in {(row.target, row.machine, row.shapes) for row in past}:
            for shape in shapes:
                if held(self.left_out, self.mine, (target, shape.label, machine)):
                    raise Leak(f"{target} {shape.label} on {machine} is left out, but told.")
        self.calls += 1
        self.rows += len(past)
        return Watched(learn(settings, past, *where))


@dataclass(frozen=True)
class Watched:
    """What was learnt, asked with outcomes of settings that were tried and of no others."""

    learnt: Learnt

    def ranking(self, own: Sequence[Past], left: Sequence[int]) -> Ranking:
        for place in {self.learnt.place(row.knobs) for row in own} & set(left):
            raise Leak(f"The outcome of setting {place} is told before it is tried.")
        return self.learnt.ranking(own, left)


@dataclass(frozen=True)
class Table:
    """All strategies on all spaces, each space without its group."""

    left_out: str
    spaces: tuple[Space, ...]
    searches: Searches
    seconds: dict[str, float]
    most: int
    audited: str


def replayed(left_out: str, spaces: Sequence[Space], seeds: int, most: int) -> Table:
    found: Searches = {name: [] for name in strategies.STRATEGIES}
    seconds = dict.fromkeys(found, 0.0)
    calls = rows = 0
    for space in spaces:
        audit = Audit(left_out, key(space))
        others = [s for s in spaces if not held(left_out, key(space), key(s))]
        strategies.learn = audit
        for name in found:
            begin = time.process_time()
            found[name].append(run.searches(space, name, others, seeds, most))
            seconds[name] += time.process_time() - begin
        calls, rows = calls + audit.calls, rows + audit.rows
        print(f"{left_out} {space.name}", file=sys.stderr)
    audited = (
        f"Audit: of {rows:,} rows of other spaces in {calls:,} calls of `learn`, "
        f"none was of the {left_out} left out."
    )
    return Table(left_out, tuple(spaces), found, seconds, most, audited)


def counts(table: Table, name: str) -> list[FloatArray]:
    """Evaluations to within 5 %, for each space those of its searches."""
    return [
        np.array([scores.evaluations(t, space.best)[0] for t in searches], float)
        for space, searches in zip(table.spaces, table.searches[name], strict=True)
    ]


def random(spaces: Sequence[Space], most: int) -> list[FloatArray]:
    """For each space the chance that random search needs 1, 2, ... evaluations, the last one being
    that it was stopped before."""
    chances = [scores.lottery(s) for s in spaces]
    return [np.append(c[:most], c[most:].sum()) for c in chances]


def factor(table: Table, name: str, only: Sequence[int] | None = None) -> scores.Interval:
    """How many times as many evaluations random search needs, in geometric mean."""
    at = range(len(table.spaces)) if only is None else only
    logs = [c @ np.log(np.arange(1, len(c) + 1)) for c in random(table.spaces, table.most)]
    both = [logs[i] - np.log(counts(table, name)[i]) for i in at]
    found = scores.bootstrap(both, lambda x: float(x.mean()), np.random.default_rng(0))
    return scores.Interval(*(float(np.exp(x)) for x in (found.value, found.low, found.high)))


def lines(table: Table) -> list[str]:
    """The table of all strategies."""
    heads = (*HEADS, "faster")
    told = ["| strategy | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, searches in table.searches.items():
        pairs = list(zip(table.spaces, searches, strict=True))
        score = scores.score(name, pairs, np.random.default_rng(0))
        live = sum(s.seconds * sum(map(len, found)) for s, found in pairs)
        once = np.mean(np.concatenate(counts(table, name)) == 1)
        cells = (
            *(score.evaluations, score.p90, f"{factor(table, name)}x", f"{once:.0%}"),
            *(score.first, score.tenth, score.performance),
            *(f"{score.censored} of {score.searches}", f"{live / table.seconds[name]:,.0f}x"),
        )
        told.append(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    return told


def before(space: Space) -> float:
    """Evaluations of someone who measured the whole space before, as noisily, in geometric mean."""
    rng, ns = np.random.default_rng(0), np.array(space.ns)
    near = ns <= scores.NEAR * space.best
    logs = np.log(np.minimum(ns, ns[np.isfinite(ns)].max()))
    orders = np.argsort(logs + space.noise * rng.normal(size=(AGAIN, len(ns))), axis=1)
    return scores.geometric(near[orders].argmax(axis=1) + 1.0)


def alike(spaces: Sequence[Space]) -> float:
    """The mean rank correlation between the times of two shapes on one machine; NaN without two."""
    found = [
        float(np.corrcoef(*(np.argsort(np.argsort(s.ns)) for s in pair))[0, 1])
        for pair in itertools.combinations(spaces, 2)
        if pair[0].machine == pair[1].machine and pair[0].target == pair[1].target
    ]
    return float(np.mean(found)) if found else math.nan


def by_target(table: Table) -> list[str]:
    """The prior beside random search, target by target and in all."""
    heads = (*TARGET, "random needs", "p95 of both")
    told = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    every = sorted({s.target for s in table.spaces})
    for target in (*every, "all") if len(every) > 1 else every:
        at = [i for i, s in enumerate(table.spaces) if target in ("all", s.target)]
        told.append(f"| {target} | {' | '.join(map(str, _row(table, at)))} |")
    return told


def _row(table: Table, at: Sequence[int]) -> tuple[object, ...]:
    mine = np.concatenate([counts(table, "prior")[i] for i in at])
    spaces = [table.spaces[i] for i in at]
    chances = random(spaces, table.most)
    logs = [c @ np.log(np.arange(1, len(c) + 1)) for c in chances]
    longest = np.zeros(table.most + 1)
    for chance in chances:
        longest[: len(chance)] += chance / len(chances)
    late = int(np.argmax(np.cumsum(longest) >= 0.95 - 1e-9)) + 1
    near = np.mean([sum(t <= scores.NEAR * s.best for t in s.ns) for s in spaces])
    known = scores.geometric(np.array([before(s) for s in spaces]))
    sizes = "-".join(str(n) for n in sorted({len(s.settings) for s in spaces}))
    return (
        *(sizes, f"{near:.1f}", f"{np.mean([s.noise for s in spaces]):.1%}"),
        *(f"{alike(spaces):.2f}", f"{math.exp(float(np.mean(logs))):.1f}", f"{known:.1f}"),
        *(f"{scores.geometric(mine):.1f}", f"{factor(table, 'prior', at)}x"),
        f"{late}, {np.quantile(mine, 0.95):.0f}",
    )


def page(tables: Sequence[Table], seeds: int) -> str:
    parts = [f"{seeds} searches of each strategy on each space, of at most {tables[0].most}."]
    for table in tables:
        machines = " and ".join(sorted({s.machine for s in table.spaces}))
        targets = len({s.target for s in table.spaces})
        what = f"{len(table.spaces)} spaces of {targets} targets on {machines}."
        parts += [f"### Without the {table.left_out}", what, "\n".join(lines(table))]
        parts += ["\n".join(by_target(table)), table.audited]
    return "\n\n".join(parts)


def placed(text: str, part: str) -> str:
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{part}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Exit 1 where there are no spaces, or a row has leaked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spaces", type=Path, default=ROOT / "spaces")
    parser.add_argument("--left-out", choices=LEFT_OUT, action="append")
    parser.add_argument("--target", help="only spaces of this target")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=run.MOST)
    parser.add_argument("--write", action="store_true", help="into docs/prior.md")
    options = parser.parse_args()
    spaces = [t4.load(path) for path in sorted(options.spaces.rglob("*.json.gz"))]
    spaces = [s for s in spaces if options.target in (None, s.target)]
    asked = [how for how in options.left_out or LEFT_OUT if fit(how, spaces)]
    if not asked:
        print(f"no spaces in {options.spaces}: see scripts/brute_force.py", file=sys.stderr)
        return 1
    tables = [replayed(how, fit(how, spaces), options.seeds, options.evaluations) for how in asked]
    text = page(tables, options.seeds)
    print(text)
    if options.write:
        path = ROOT / "docs" / "prior.md"
        path.write_text(placed(path.read_text(), text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
