"""Where going list by list overtakes going query by query: the sweep behind IndexIVFFlat's `auto`.

Prints matrix's time over csr's, by lists, lists probed and queries, with the queries that a list
gets on average in units of nlist / 512. Above 1 csr is faster.
"""

import time

import numpy as np

from autoresearch.bench_index.vectors import drawn
from autoresearch.index import IndexIVFFlat

GRID = (64, 256, 1024), (1, 4, 16), (2, 8, 32, 128)
LAPS = 15
N, D = 100_000, 128


def main() -> None:
    nlists, nprobes, nqs = GRID
    x, q = drawn(N, D, 4096)
    print("nlist  nprobe   nq    load  matrix/csr")
    for nlist in nlists:
        index = IndexIVFFlat(D, nlist)
        index.train(x[: 64 * nlist])
        index.add(x)
        for index.nprobe in nprobes:
            for nq in nqs:
                load = nq * index.nprobe / nlist * 512 / nlist
                print(f"{nlist:5} {index.nprobe:7} {nq:4} {load:7.2f} {ratio(index, q, nq):11.2f}")


def ratio(index: IndexIVFFlat, q: np.ndarray, nq: int) -> float:
    """Matrix's time over csr's: the median over laps of both, in turn, on the same queries."""
    laps = [[lap(index, mode, part) for mode in ("matrix", "csr")] for part in parts(q, nq)]
    return float(np.median([matrix / csr for matrix, csr in laps[1:]]))


def parts(q: np.ndarray, nq: int) -> list[list[np.ndarray]]:
    """For each lap batches of nq queries, some 512 in all."""
    rng, count = np.random.default_rng(nq), max(1, 512 // nq)
    return [[q[rng.choice(len(q), nq)] for _ in range(count)] for _ in range(LAPS)]


def lap(index: IndexIVFFlat, mode: str, batches: list[np.ndarray]) -> float:
    index.search_mode = mode
    begin = time.perf_counter()
    for batch in batches:
        index.search(batch, 10)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
