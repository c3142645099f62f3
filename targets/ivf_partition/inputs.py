"""What ivf-partition is checked and timed on: centroids and queries of one distribution.

A spec holds nq queries, nlist centroids of d components, nprobe and the distribution.
"""

import numpy as np

from autoresearch import Work, Workload, draw

MEMBERS = 4  # vectors whose mean is a centroid
BLOCK = 64  # queries whose centroids are gathered at once


def _select(*values):
    return Workload(
        "select", dict(zip(("nq", "nlist", "d", "nprobe", "dist"), values, strict=True))
    )


BATTERY = (
    _select(0, 10, 8, 4, "normal"),
    _select(3, 0, 8, 4, "normal"),
    _select(1, 1, 1, 1, "uniform"),
    _select(2, 5, 3, 9, "normal"),
    _select(1, 67, 33, 67, "clustered"),
    _select(13, 100, 16, 1, "uniform"),
    _select(65, 129, 24, 10, "sparse"),
    _select(12, 64, 128, 20, "mostly_zero"),
    _select(25, 333, 100, 32, "wide"),
    _select(7, 200, 40, 16, "outlier"),
    _select(5, 50, 17, 8, "zero"),
    _select(11, 95, 768, 12, "clustered"),
    _select(64, 1023, 128, 128, "normal"),
)

# With 768 components, and with 4096 centroids, 64 queries would take the reference too long.
WORKLOADS = (
    _select(1, 1024, 128, 16, "clustered"),
    _select(1, 1024, 768, 16, "sparse"),
    _select(1, 4096, 128, 32, "uniform"),
    _select(1, 4096, 768, 32, "clustered"),
    _select(64, 1024, 128, 16, "clustered"),
    _select(64, 1024, 128, 16, "normal"),
    _select(48, 4096, 128, 32, "uniform"),
    _select(24, 1024, 768, 16, "clustered"),
    _select(24, 1024, 768, 1, "sparse"),
    _select(6, 4096, 768, 32, "normal"),
)

# The number of queries stays: with these it is what an operation costs.
JITTER = {
    "nlist": range(700, 1200),
    "d": (96, 100, 128, 160, 200),
    "nprobe": range(8, 41),
    "dist": ("clustered", "sparse", "uniform", "normal"),
}

DATA = "vectors"


def data(rows, width):
    nlist, nq = max(1, min(rows // MEMBERS, 1024)), max(1, min(64, 16_384 // width))
    nprobe = min(16, nlist)
    return _select(1, nlist, width, nprobe, "data"), _select(nq, nlist, width, nprobe, "data")


def static(rng, spec):
    """Means of few vectors: shorter than the vectors are, as the centroids of an index are; among
    clusters a vector and its like."""
    shape = (spec["nlist"], spec["d"])
    if spec["dist"] == "clustered":
        return {"centroids": draw.floats(rng, shape, "clustered")}
    vectors = draw.floats(rng, (MEMBERS, *shape), spec["dist"])
    return {"centroids": vectors.mean(0, dtype=np.float32)}


def each(rng, spec, static):
    """Queries of the same distribution; among clusters they lie near a centroid."""
    clustered = spec["dist"] == "clustered"
    q = draw.floats(rng, (spec["nq"], spec["d"]), "normal" if clustered else spec["dist"])
    if clustered:
        q = static["centroids"][rng.integers(spec["nlist"], size=spec["nq"])] + np.float32(0.5) * q
    return {"q": q, "nprobe": spec["nprobe"]}


def truth(workload, static):
    """A function of `each`: the distance at any ids, of scale |q|^2 + |c|^2."""
    centroids = static["centroids"]
    norms = (centroids * centroids).sum(-1)

    def of(each):
        q = each["q"]
        lengths = (q * q).sum(-1, keepdims=True)

        def at(ids):
            parts = [slice(i, i + BLOCK) for i in range(0, len(q), BLOCK)]
            gaps = (q[part][:, None] - centroids[ids[part]] for part in parts)
            true = [np.einsum("qkd,qkd->qk", gap, gap) for gap in gaps]
            return np.concatenate(true), lengths + norms[ids]

        return {"n": len(centroids), "at": at}

    return of


def capacity(spec, each):
    return {}


def work(workload):
    """Centroids are read once, and every distance to them is dense."""
    spec = workload.spec
    nq, nlist, d = spec["nq"], spec["nlist"], spec["d"]
    moved = 4 * nlist * d + nq * (4 * d + 12 * spec["nprobe"])
    return Work(bytes=moved, fmas=nq * nlist * d, units=nq * nlist)
