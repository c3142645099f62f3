"""What pq-dot is checked and timed on: codebooks by k-means, codes by encoding drawn vectors.

A spec holds m, ds, k (M, ds, K of the codebook), n codes and the distribution of the vectors;
a distribution named `codes_*` draws the codes themselves instead.
"""

import numpy as np

from autoresearch import Work, Workload, draw

TRAIN = 1024  # vectors behind a codebook
SMALL = 5000  # codes: the battery's shapes lie below, timed ones above
ENCODED = 8192  # vectors encoded; more codes are resampled from these


def _both(m, ds, k, n, dist):
    spec = {"m": m, "ds": ds, "k": k, "n": n, "dist": dist}
    return Workload("search", spec), Workload("distances", spec)


BATTERY = (
    *_both(16, 8, 256, 0, "normal"),
    *_both(16, 8, 256, 1, "uniform"),
    *_both(16, 8, 256, 9, "clustered"),
    *_both(1, 1, 256, 11, "normal"),
    *_both(3, 5, 256, 67, "sparse"),
    *_both(16, 16, 256, 63, "mostly_zero"),
    *_both(96, 8, 256, 129, "wide"),
    *_both(96, 8, 256, 1025, "outlier"),
    *_both(24, 4, 256, 1000, "zero"),
    *_both(7, 9, 16, 333, "normal"),
    *_both(2, 3, 1, 30, "uniform"),
    *_both(16, 8, 256, 1023, "codes_constant"),
    *_both(16, 8, 256, 4099, "codes_few"),
    *_both(32, 4, 256, 2051, "codes_skewed"),
)

WORKLOADS = (
    Workload("search", {"m": 16, "ds": 8, "k": 256, "n": 20_000, "dist": "clustered"}),
    Workload("search", {"m": 16, "ds": 8, "k": 256, "n": 20_000, "dist": "sparse"}),
    Workload("search", {"m": 16, "ds": 16, "k": 256, "n": 20_000, "dist": "uniform"}),
    Workload("search", {"m": 96, "ds": 8, "k": 256, "n": 20_000, "dist": "clustered"}),
    Workload("search", {"m": 96, "ds": 8, "k": 256, "n": 20_000, "dist": "sparse"}),
    Workload("search", {"m": 16, "ds": 8, "k": 256, "n": 1_000_000, "dist": "clustered"}),
    Workload("distances", {"m": 16, "ds": 8, "k": 256, "n": 20_000, "dist": "uniform"}),
    Workload("distances", {"m": 16, "ds": 16, "k": 256, "n": 20_000, "dist": "clustered"}),
    Workload("distances", {"m": 96, "ds": 8, "k": 256, "n": 20_000, "dist": "sparse"}),
    Workload("distances", {"m": 96, "ds": 8, "k": 256, "n": 20_000, "dist": "uniform"}),
)

# A hidden workload replaces all of these at once: one alone could make an operation of a second.
JITTER = {
    "m": (8, 12, 16, 20, 32, 48, 64, 96),
    "ds": (4, 8, 12, 16),
    "n": range(12_000, 28_000),
    "dist": ("clustered", "sparse", "uniform", "normal"),
}

DATA = "vectors"


def data(rows, width):
    """About eight components a slice, as far as the width can be divided so."""
    m = min((m for m in range(1, width + 1) if width % m == 0), key=lambda m: abs(width / m - 8))
    return _both(m, width // m, 256, 20_000, "data")


def static(rng, spec):
    m, k, n, dist = spec["m"], spec["k"], spec["n"], spec["dist"]
    given = dist.startswith("codes_")
    vectors = draw.floats(rng, (max(TRAIN, min(n, ENCODED)), _d(spec)), _vectors(dist))
    # The battery checks arithmetic: there random members do for centroids, at a tenth of the time.
    codebook = draw.codebook(rng, vectors[:TRAIN], m, k, rounds=3 if n > SMALL else 0)
    if given:
        codes = draw.codes(rng, (n, m), k, dist.removeprefix("codes_"))
    else:
        codes = draw.resample(rng, draw.encode(codebook, vectors), n, mutated=0.1)
    return {"codebook": codebook, "codes": codes}


def each(rng, spec, static):
    """A query of the same distribution; among clusters it lies near a stored vector."""
    codes, shape = static["codes"], (_d(spec),)
    if spec["dist"] != "clustered" or not len(codes):
        return {"q": draw.floats(rng, shape, _vectors(spec["dist"]))}
    near = static["codebook"][np.arange(spec["m"]), codes[rng.integers(len(codes))]]
    return {"q": near.ravel() + np.float32(0.5) * draw.floats(rng, shape, "normal")}


def truth(workload, static):
    """A function of `each`, made once per workload, that declares what outputs are held against.

    The scale is the sum of |q_j c_j| for a table entry, and one more for a distance.
    """
    return (_nearest if workload.op == "search" else _scales)(**static)


def _nearest(codebook, codes):
    slices = np.arange(len(codebook))

    def of(each):
        q = each["q"].astype(np.float64)

        def at(ids):
            terms = q * codebook[slices, codes[ids]].reshape(*ids.shape, -1)
            return 1 - terms.sum(-1), 1 + np.abs(terms).sum(-1)

        return {"n": len(codes), "at": at}

    return of


def _scales(codebook, codes):
    sizes = np.abs(codebook)
    columns = np.ascontiguousarray(codes.T, np.intp)

    def of(each):
        q = np.abs(each["q"]).reshape(len(sizes), -1, 1)
        table = np.matmul(sizes, q)[..., 0]
        out = np.ones(len(codes), np.float32)
        for row, column in zip(table, columns, strict=True):
            out += row.take(column)
        return {"scale": {"table": table, "out": out}}

    return of


def capacity(spec, each):
    return {}


def work(workload):
    """An exact scan reads every code and the codebook once, and fills its outputs once."""
    spec = workload.spec
    table, codes = spec["m"] * spec["k"], spec["n"] * spec["m"]
    written = 4 * (table + spec["n"]) if workload.op == "distances" else 120
    read = codes + 4 * table * spec["ds"] + 4 * _d(spec)
    return Work(bytes=read + written, fmas=table * spec["ds"], units=spec["n"])


def _d(spec):
    return spec["m"] * spec["ds"]


def _vectors(dist):
    return "normal" if dist.startswith("codes_") else dist
