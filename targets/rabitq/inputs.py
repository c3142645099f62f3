"""What rabitq is checked and timed on: vectors after a random rotation, and the signs of them.

A spec holds n codes of d dimensions, nq queries, the distribution, and if `vectors` are kept too.
"""

import numpy as np

from autoresearch import Work, Workload, draw

DATA, K = "vectors", 10
ENCODED = 8192  # vectors encoded for scan; more codes are copies with an eighth of the bits flipped
SPREAD = ("normal", "uniform", "clustered", "sparse", "mostly_zero", "wide", "outlier", "zero")


def _workload(op, n, d, nq, dist):
    kept = int(op == "search")
    return Workload(op, {"n": n, "d": d, "nq": nq, "dist": dist, "vectors": kept})


_NS = (0, 1, 7, 9, 10, 11, 63, 65, 129, 257, 300, 500, 777, 1025, 1999, 4099)
_DS = (64, 1, 64, 100, 128, 768, 192, 64, 320, 192, 832, 130, 64, 128, 256, 576)
BATTERY = tuple(
    _workload(op, n, d, 1 + n % 3, dist)
    for n, d, dist in zip(_NS, _DS, SPREAD * 2, strict=True)
    for op in ("scan", "search")
)

# None near the size of a second cache, 2 MB here: that would measure whose pages lie well.
WORKLOADS = (
    _workload("scan", 8_000, 768, 1, "sparse"),
    _workload("scan", 50_000, 128, 1, "uniform"),
    _workload("scan", 200_000, 256, 1, "clustered"),
    _workload("scan", 1_000_000, 768, 1, "normal"),
    _workload("search", 4_000, 128, 1, "clustered"),
    _workload("search", 4_000, 256, 8, "normal"),
    _workload("search", 2_000, 768, 8, "clustered"),
    _workload("search", 2_000, 768, 8, "uniform"),
)

JITTER = {"n": range(3_000, 6_000), "d": (192, 256, 300, 384), "dist": SPREAD[:4]}


def data(rows, width):
    n = min(rows, 10_000)
    return _workload("scan", n, width, 1, "data"), _workload("search", n, width, 8, "data")


def static(rng, spec):
    """The index, and beyond what is declared what queries need: the rotation and the centre."""
    n, width, d = spec["n"], spec["d"], -(-spec["d"] // 64) * 64
    count = n if spec["vectors"] else min(n, ENCODED)
    rotation = np.linalg.qr(rng.standard_normal((d, d), np.float32))[0][:width]
    drawn = draw.floats(rng, (count, width), spec["dist"]) @ rotation
    centre = drawn.sum(0) / np.float32(max(count, 1))
    vectors = drawn - centre
    codes = np.packbits(vectors >= 0, axis=1, bitorder="little").view(np.uint64)
    if n > count:
        flips = np.packbits(rng.random((count, d), np.float32) < 1 / 8, axis=1).view(np.uint64)
        codes = codes[rng.integers(0, count, n)] ^ flips[rng.integers(0, count, n)]
    kept = vectors[: n * spec["vectors"]]
    return {"codes": codes, "vectors": kept, "rotation": rotation, "centre": centre}


def each(rng, spec, static):
    """Queries of the same distribution, near a vector among clusters; the first also as levels."""
    vectors, dist = static["vectors"], spec["dist"]
    near = dist == "clustered" and len(vectors) > 0
    q = draw.floats(rng, (spec["nq"], spec["d"]), "normal" if near else dist) @ static["rotation"]
    if near:
        q = vectors[rng.integers(len(vectors), size=len(q))] + np.float32(0.5) * q
    else:
        q -= static["centre"]
    low, spread = q[0].min(), np.ptp(q[0])
    levels = (q[0] - low) * (15 / spread) + 0.5 if spread > 0 else np.full(q.shape[1], 15)
    bits = levels.astype(np.uint8) >> np.arange(4, dtype=np.uint8)[:, None] & 1
    return {"q": q, "planes": np.packbits(bits, axis=1, bitorder="little").view(np.uint64)}


def truth(workload, static):
    """For search: the distance at any ids, of scale |q|^2 + |o|^2, and the true ten."""
    squares = (static["vectors"] ** 2).sum(1)

    def of(each):
        q, vectors = each["q"], static["vectors"]
        scores = np.full((len(q), max(len(vectors), K)), np.inf, np.float32)
        scores[:, : len(vectors)] = squares - 2 * (vectors @ q.T).T  # q @ vectors.T takes 1.7 times
        best = np.argpartition(scores, K - 1, axis=1)[:, :K]

        def at(ids):
            gap = q[:, None].astype(np.float64) - vectors[ids]
            return (gap * gap).sum(-1), (q * q).sum(1, keepdims=True) + squares[ids]

        return {"n": len(vectors), "at": at, "ids": np.where(best < len(vectors), best, -1)}

    return of if workload.op == "search" else lambda each: {}


def capacity(spec, each):
    return {}


def work(workload):
    """A scan reads every code; a lossy search must only compute the distances that it returns."""
    n, d, nq = workload.spec["n"], -(-workload.spec["d"] // 64) * 64, workload.spec["nq"]
    if workload.op == "scan":
        return Work(bytes=n * (d // 8 + 4) + d // 2, units=n)
    found = min(n, K)
    return Work(nq * (4 * d + 12 * K) + 4 * d * found, fmas=nq * found * d, units=nq * n)
