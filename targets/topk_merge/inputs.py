"""What topk-merge is checked and timed on: runs as partitions, shards or sorted pages return them.

A spec holds how many runs a query has, their greatest length, k, the number of queries, the
distribution of scores (`dist`), and whether the lengths vary (`ragged`).
"""

import numpy as np

from autoresearch import Work, Workload, draw


def _spec(runs, length, dist, ragged):
    return {"runs": runs, "length": length, "dist": dist, "ragged": ragged}


def _topk(runs, length, k, nq, dist="uniform", ragged=0):
    return Workload("topk", _spec(runs, length, dist, ragged) | {"k": k, "nq": nq})


def _full(runs, length, dist="uniform", ragged=0):
    return Workload("full", _spec(runs, length, dist, ragged) | {"k": 0, "nq": 1})


SPREAD = ("uniform", "normal", "nearer", "ties", "equal", "apart", "wide")
EDGES = ((0, 5), (1, 0), (1, 1), (1, 20), (2, 3), (3, 7), (7, 17), (8, 10), (9, 9), (33, 40))
KS = (1, 2, 10, 20, 1000)

# Distributions and k run in cycles of 7 and 5 beside the ten shapes, twice over.
BATTERY = (
    *(
        workload
        for i, (runs, length) in enumerate(EDGES * 2)
        for workload in (
            _topk(runs, length, KS[i % 5], 1 + 2 * (i % 2), SPREAD[i % 7], i // 10),
            _full(runs, length, SPREAD[(i + 3) % 7], i // 10),
        )
    ),
    *(_topk(1000, 4, 30, 2, dist, 1) for dist in ("ties", "nearer", "apart")),
    *(_full(257, 9, dist, 1) for dist in ("ties", "wide", "normal")),
    *(_topk(16, 100, 1500, 2, dist) for dist in ("ties", "uniform")),
    _full(2, 3000, "equal"),
    _full(5, 1200, "ties", 1),
)

WORKLOADS = (
    _topk(8, 100, 100, 64),
    _topk(32, 20, 20, 64, "nearer"),
    _topk(32, 100, 100, 1, "ties"),
    _topk(128, 100, 100, 1, "nearer"),
    _topk(128, 20, 20, 64, "ties", 1),
    _topk(1024, 20, 20, 1),
    _topk(16, 1000, 1000, 1, "normal"),
    _topk(1024, 100, 1000, 1, "nearer", 1),
    _full(16, 1000, "nearer", 1),
    _full(64, 512, "uniform"),
    _full(1024, 32, "ties"),
    _full(8, 16_384, "normal"),
)

JITTER = {
    "runs": (12, 16, 24, 32),
    "length": range(100, 180),
    "k": range(60, 100),
    "nq": range(6, 13),
    "dist": ("uniform", "normal", "nearer", "ties"),
    "ragged": (0, 1),
}


def static(rng, spec):
    """Nothing is known in advance but how much there may be of it."""
    runs = spec["runs"] * spec["nq"]
    return {"limits": np.array([runs, runs * spec["length"]], np.int64)}


def each(rng, spec, static):
    runs, length = spec["runs"] * spec["nq"], spec["length"]
    scores = np.sort(_scores(rng, spec["nq"], spec["runs"], length, spec["dist"]), axis=1)
    ids = (rng.integers(0, 1000, scores.shape, np.uint64) << np.uint64(32)) | rng.integers(
        0, 1 << 20, scores.shape, np.uint64
    )  # fragment and row, as in the row addresses of Lance
    tied = (scores[:, 1:] == scores[:, :-1]).any(axis=1)
    order = np.lexsort((ids[tied], scores[tied]))
    ids[tied] = np.take_along_axis(ids[tied], order, axis=1)
    sizes = rng.integers(0, length + 1, runs) if spec["ragged"] else np.full(runs, length)
    kept = np.arange(length) < sizes[:, None]
    offsets = np.append(0, np.cumsum(sizes)).astype(np.int64)
    shape = {"runs": spec["runs"], "k": spec["k"], "nq": spec["nq"]}
    return shape | {"offsets": offsets, "scores": scores[kept], "ids": ids[kept]}


def capacity(spec, each):
    return {"merged": each["scores"].size, "merged_ids": each["scores"].size}


def work(workload):
    """Every head is looked at, and every entry that is written has been read; ragged runs are half
    full on average."""
    spec = workload.spec
    runs, queries = spec["runs"], spec["nq"]
    entries = runs * spec["length"] / (1 + spec["ragged"])
    if workload.op == "full":
        return Work(bytes=queries * (24 * entries + 8 * runs), units=queries * entries)
    taken = min(spec["k"], entries)
    read = 8 * taken + 4 * max(runs, taken) + 8 * runs
    return Work(bytes=queries * (read + 12 * spec["k"]), units=queries * spec["k"])


def _scores(rng, nq, runs, length, dist):
    """f32[nq * runs, length] in any order; 0.0 is added to rid them of -0.0."""
    shape, rank = (nq * runs, length), np.tile(np.arange(runs), nq)[:, None]
    if dist == "ties":  # as from a table of bytes, or Hamming distances
        values = rng.integers(0, 60, shape)
    elif dist == "equal":
        values = np.ones(shape)
    elif dist == "apart":  # runs that do not overlap, in any order
        values = rng.random(shape) + rng.permuted(rank.reshape(nq, runs), axis=1).reshape(-1, 1)
    elif dist == "nearer":  # partitions in the order they are probed: the first are the nearest
        values = rng.gamma(4.0, 1.0, shape) + 6.0 * rank / max(runs, 1)
    else:
        values = draw.floats(rng, shape, dist)
    return values.astype(np.float32) + np.float32(0)
