"""What pq-cosine is checked and timed on: codes of drawn vectors that were divided by their length.

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
    vectors = _unit(draw.floats(rng, (max(TRAIN, min(n, ENCODED)), _d(spec)), _vectors(dist)))
    # The battery checks arithmetic: there random members do for centroids, at a tenth of the time.
    codebook = draw.codebook(rng, vectors[:TRAIN], m, k, rounds=3 if n > SMALL else 0)
    if dist.startswith("codes_"):
        codes = draw.codes(rng, (n, m), k, dist.removeprefix("codes_"))
    else:
        codes = draw.resample(rng, draw.encode(codebook, vectors), n, mutated=0.1)
    return {"codebook": codebook, "codes": codes}


def each(rng, spec, static):
    """A query of the same distribution; among clusters near a stored vector. Of any length."""
    codes, shape = static["codes"], (_d(spec),)
    if spec["dist"] != "clustered":
        return {"q": draw.floats(rng, shape, _vectors(spec["dist"]))}
    near = static["codebook"][np.arange(spec["m"]), codes[rng.integers(len(codes))]]
    noise = np.float32(0.5 / np.sqrt(_d(spec))) * draw.floats(rng, shape, "normal")
    return {"q": np.float32(np.exp(rng.standard_normal())) * (near.ravel() + noise)}


def truth(workload, static):
    """A function of `each`: every distance has the scale |u|^2 + |c|^2, with u = q / |q|; search
    also needs the distance at any ids."""
    return (_nearest if workload.op == "search" else _scales)(**static)


def _nearest(codebook, codes):
    slices = np.arange(len(codebook))

    def of(each):
        u = _unit(each["q"].astype(np.float64))

        def at(ids):
            c = codebook[slices, codes[ids]].reshape(*ids.shape, -1).astype(np.float64)
            return ((u - c) ** 2).sum(-1), u @ u + (c * c).sum(-1)

        return {"n": len(codes), "at": at}

    return of


def _scales(codebook, codes):
    norms = (codebook * codebook).sum(-1)
    totals = np.zeros(len(codes), np.float32)
    for m, row in enumerate(norms):
        totals += row.take(codes[:, m])

    def of(each):
        terms = (_unit(each["q"]) ** 2).reshape(len(norms), -1).sum(-1)
        return {"scale": {"table": terms[:, None] + norms, "out": terms.sum() + totals}}

    return of


def capacity(spec, each):
    return {}


def work(workload):
    """An exact scan reads every code and the codebook once, and fills its outputs once."""
    spec = workload.spec
    table = spec["m"] * spec["k"]
    written = 4 * (table + spec["n"]) if workload.op == "distances" else 120
    read = spec["n"] * spec["m"] + 4 * table * spec["ds"] + 4 * _d(spec)
    return Work(bytes=read + written, fmas=table * spec["ds"], units=spec["n"])


def _unit(vectors):
    """Divided by their length; a vector of zeros stays one."""
    lengths = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    return vectors / np.where(lengths > 0, lengths, 1)


def _d(spec):
    return spec["m"] * spec["ds"]


def _vectors(dist):
    return "normal" if dist.startswith("codes_") else dist
