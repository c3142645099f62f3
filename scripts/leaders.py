"""How many vectors of a list are still to be compared after bounds from its leading directions.

Gaussian vectors whose i-th direction has a variance of i**-fall; the ten nearest of a list are
wanted. Numbers of decision 0027: `.venv/bin/python scripts/leaders.py`.
"""

import numpy as np

LIST, D, WANTED, QUERIES = 400, 128, 10, 200


def compared(fall: float, m: int) -> tuple[float, float]:
    """The share of a vector's square that m directions hold, and how many bounds they leave."""
    rng, size = np.random.default_rng(0), np.arange(1.0, D + 1) ** (-fall / 2)
    counts = []
    for _ in range(QUERIES):
        gaps = ((rng.standard_normal((LIST, D)) - rng.standard_normal(D)) * size) ** 2
        worst = np.sort(gaps.sum(1))[WANTED - 1]
        counts.append((gaps[:, :m].sum(1) <= worst).sum())
    return float((size[:m] ** 2).sum() / (size**2).sum()), float(np.mean(counts))


if __name__ == "__main__":
    for fall in (1.0, 1.5, 2.0, 3.0):
        for m in (16, 32, 64):
            held, left = compared(fall, m)
            print(f"variance i**-{fall}: {m} of {D} hold {held:.1%}, leave {left:.0f} of {LIST}")
