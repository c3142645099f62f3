"""A night that starts cold against one that starts warm: trials of each to the same ratio.

`.venv/bin/python scripts/campaign.py --write` takes twelve minutes on a quiet machine. Both nights
sweep one target from the same text, its knobs at their far ends; before the warm one a relative was
swept from there. Rows go into benchmarks/campaign.jsonl, the table into docs/prior.md;
`--from-rows` prints the table again and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import scratch

ROWS = scratch.ROOT / "benchmarks" / "campaign.jsonl"
PAGE = scratch.ROOT / "docs" / "prior.md"
BEGIN, END = "<!-- campaign -->", "<!-- /campaign -->"
# The far ends first: what a kernel looks like before anyone has turned its knobs.
KNOBS = (
    'KNOBS = {"each": (96, 6, 48, 12, 24), "spare": (128, 2, 8, 32), "sample": (512, 8, 64, 16)}'
)
SAME = 0.99  # of the ratio that both nights reach: closer than trials can tell


@dataclass(frozen=True, slots=True)
class Step:
    """One trial of a night, and the ratio over its start that the night had reached by then."""

    night: str
    target: str
    trial: int
    tried: str
    verdict: str
    speedup: float | None
    reached: float
    seconds: float
    machine: str
    at: str


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def start(root: Path, target: str) -> None:
    """The target's champion with its knobs at their far ends, as the incumbent."""
    path = root / "targets" / target.replace("-", "_") / "kernels.py"
    text = path.read_text().splitlines()
    path.write_text("\n".join(KNOBS if li.startswith("KNOBS = ") else li for li in text) + "\n")
    scratch.git(root, "commit", "-qam", f"{target}: knobs at their far ends")
    subprocess.run(scratch.command(root, "baseline", target), check=True, stdout=sys.stderr)


def swept(root: Path, target: str, night: str, budget: int) -> list[Step]:
    """A sweep of at most so many trials, as steps."""
    words = ("sweep", target, "--budget", str(budget))
    subprocess.run(scratch.command(root, *words), check=True, stdout=sys.stderr)
    rows = map(json.loads, (root / ".autoresearch" / "trials.jsonl").read_text().splitlines())
    return steps([r for r in rows if r["result"]["target"] == target], night)


def steps(rows: Sequence[dict[str, Any]], night: str) -> list[Step]:
    """Ledger rows of one target, the baseline first, as steps of a night. How far a night got is
    told by its incumbents' times on the declared workloads: a keep's own speed-up is that on shapes
    that were drawn for it, and a product of such depends on the draw."""
    first = next(row for row in rows if row["kind"] == "baseline")["extra"]["ns"]
    found, reached = [], 1.0
    for number, row in enumerate((r for r in rows if r["kind"] == "trial"), 1):
        result = row["result"]
        if result["verdict"] in ("keep", "simpler"):
            gains = [math.log(ns / row["extra"]["ns"][label]) for label, ns in first.items()]
            reached = math.exp(statistics.fmean(gains))
        facts = (result["verdict"], result["speedup"] or None, round(reached, 4))
        where = (round(result["total_seconds"], 1), result["machine"], row["timestamp"])
        found.append(
            Step(night, result["target"], number, row["description"], *facts, *where),
        )
    return found


def needed(night: Sequence[Step], ratio: float) -> int | None:
    """The trials until a night had reached a ratio; None where it never did."""
    return next((step.trial for step in night if step.reached >= ratio), None)


def table(found: Sequence[Step]) -> list[str]:
    """Both nights side by side, at the ratio that the slower one of them ended with."""
    nights = {name: [s for s in found if s.night == name] for name in ("cold", "warm")}
    same = SAME * min(night[-1].reached for night in nights.values())
    first = found[0]
    told = f"{same:.3f}x is within 1 % of what both nights reached."
    lines = [
        f"{first.target} on {first.machine}, {first.at[:10]}; {told}",
        "",
        f"| night | trials | kept | reached | trials to {same:.3f}x | seconds to it |",
        "|---|---|---|---|---|---|",
    ]
    for name, night in nights.items():
        count = needed(night, same) or len(night)
        kept = sum(s.verdict in ("keep", "simpler") for s in night)
        spent = sum(s.seconds for s in night[:count])
        reached = night[-1].reached
        lines.append(
            f"| {name} | {len(night)} | {kept} | {reached:.3f}x | {count} | {spent:.0f} |",
        )
    return lines


def placed(text: str, lines: Sequence[str]) -> str:
    """The page with the table between its marks."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.split(END)[1]}"


def nights(learn: str, then: str, budget: int) -> list[Step]:
    """The relative's sweep, then the warm and the cold night, each in its own clone."""
    with scratch.project(then, copies=2) as (cold, warm):
        start(cold, then)
        found = swept(cold, then, "cold", budget)
        start(warm, learn)
        found += swept(warm, learn, "before", budget)
        start(warm, then)
        return found + swept(warm, then, "warm", budget)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learn", default="pq-l2", help="the relative that is swept first")
    parser.add_argument("--then", default="pq-dot", help="the target of both nights")
    parser.add_argument("--budget", type=int, default=16, help="trials of a sweep, at most")
    parser.add_argument("--write", action="store_true", help="rows and docs/prior.md")
    parser.add_argument("--from-rows", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    if asked.from_rows:
        found = [Step(**json.loads(line)) for line in ROWS.read_text().splitlines()]
    else:
        found = nights(asked.learn, asked.then, asked.budget)
    lines = table(found)
    print("\n".join(lines))
    if asked.write:
        ROWS.write_text("".join(json.dumps(asdict(step)) + "\n" for step in found))
        PAGE.write_text(placed(PAGE.read_text(), lines))


if __name__ == "__main__":
    main()
