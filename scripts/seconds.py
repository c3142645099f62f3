"""How long a trial takes through the real command line: nulls and losers, keeps, refusals.

Every command runs in a scratch project as a user's would, interpreter included; exit 1 when a
median is over its limit. Compare only figures of one quiet run.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import scratch
from surplus import evenly, slowed

from autoresearch.catalog import Entry, find

LIMITS_S = {"null or loser": 6.0, "keep": 12.0, "refusal": 1.0}
LINKS = 10  # keeps in a row, each some per cent faster; then a new project starts slow again
STEP = 0.012  # rounds an element taken away by each keep: some 5 % of the reference's time
LOSS = 10 * STEP  # more for a loser


@dataclass(slots=True)
class Told:
    """What the trials of one kind took, where their seconds went, how they ended."""

    seconds: list[float] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """All three kinds; 1 when one is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="pq-l2", help="toy, or a target of this repository")
    parser.add_argument("--trials", type=int, default=30, help="of each kind")
    options = parser.parse_args()
    told = {kind: Told() for kind in LIMITS_S}
    while len(told["keep"].seconds) < options.trials:
        with scratch.project(options.target) as (root,):
            _session(find(root, options.target), options.trials, told)
    for kind, seen in told.items():
        _report(kind, seen)
    return int(any(median(told[kind].seconds) > limit for kind, limit in LIMITS_S.items()))


def _session(entry: Entry, trials: int, told: dict[str, Told]) -> None:
    """A slow incumbent and the climb from it; between the keeps what is not kept."""
    for n, rounds in enumerate(_climb()):
        if n == 0:
            _write(entry, rounds)
            scratch.git(entry.root, "commit", "-qam", "a slow start")
            scratch.baseline(entry.root, entry.name)
            continue
        if len(told["null or loser"].seconds) < trials:
            before = rounds + STEP
            _write(entry, before + LOSS if n % 2 else before, salt=2 * n + 1)
            _trial(entry, told["null or loser"])
        if len(told["refusal"].seconds) < trials:
            entry.kernels.write_text(f"import os  # {n}\n" + entry.kernels.read_text())
            _trial(entry, told["refusal"])
        _write(entry, rounds)
        _trial(entry, told["keep"])
        if len(told["keep"].seconds) >= trials:
            return


def _climb() -> Iterator[float]:
    return (STEP * (LINKS - n) for n in range(LINKS + 1))


def _write(entry: Entry, rounds: float, salt: int = 1) -> None:
    text = (Path(entry.path) / "reference.py").read_text()
    entry.kernels.write_text(slowed(text, entry.facts(), evenly(entry.facts(), rounds), salt))


def _trial(entry: Entry, told: Told) -> None:
    command = scratch.command(entry.root, "trial", entry.name, "-m", "an idea", "--json")
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    told.seconds.append(time.monotonic() - begun)
    row = json.loads(done.stdout)["trial"]
    told.verdicts[row["result"]["verdict"]] += 1
    told.spent.update(row["seconds"])
    verdict, reason = row["result"]["verdict"], row["result"]["reason"]
    print(f"{told.seconds[-1]:.2f} s {verdict}: {reason}", flush=True)


def _report(kind: str, told: Told) -> None:
    n = len(told.seconds)
    shares = ", ".join(f"{what} {s / n:.2f}" for what, s in told.spent.most_common())
    print(f"{kind}: median {median(told.seconds):.2f} s of {n}, worst {max(told.seconds):.2f} s")
    print(f"  {dict(told.verdicts)}; seconds on average: {shares}")


if __name__ == "__main__":
    sys.exit(main())
