"""How much of an A/A pair's number is luck that lasts a whole stage, workload by workload.

Reads stored pairs of `autoresearch calibrate NAME`; measures nothing:
`.venv/bin/python scripts/luck.py dictionary`. A stage's luck moves all its pairs alike, so no
number of pairs averages it away: it should be near 0.
"""

import argparse
from pathlib import Path

import numpy as np
from offsets import stored

from autoresearch.catalog import find
from autoresearch.ledger import Ledger
from autoresearch.model import FloatArray
from autoresearch.stats import pairing


def stages(root: Path, name: str) -> list[tuple[tuple[str, ...], FloatArray]]:
    """Labels, and f64[n, w] of every stored A/A screen: the same shapes in all."""
    nulls = stored(Ledger(root), find(root, name).name)
    return [(one.workloads, pairing.stack(one.screen)) for one in nulls if len(one.screen) > 2]


def spread(found: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Standard deviations f64[w]: of pairs within their stage, and of the stages beyond that."""
    within = np.mean([D.var(0, ddof=1) for D in found], axis=0)
    chance = np.mean([D.var(0, ddof=1) / len(D) for D in found], axis=0)
    seen = np.mean([D.mean(0) ** 2 for D in found], axis=0)
    return np.sqrt(within), np.sqrt(np.maximum(seen - chance, 0.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a target with A/A trials in this project's ledger")
    asked = parser.parse_args()
    found = stages(Path.cwd(), asked.name)
    if not found:
        parser.exit(1, f"no A/A trials of {asked.name}: run `autoresearch calibrate` first\n")
    within, lasting = spread([D for _, D in found])
    print(f"{asked.name}: {len(found)} stages; % within a stage, % that lasts a stage")
    for label, one, other in zip(found[0][0], within, lasting, strict=True):
        print(f"{100 * one:6.1f}{100 * other:6.1f}  {label}")


if __name__ == "__main__":
    main()
