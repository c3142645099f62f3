"""What ivf-flat is checked and timed on: vectors in the list of the centroid that is nearest.

A spec holds nq queries, n vectors of d components in nlist lists, nprobe lists for each query, the
limit max_codes (search has none) and the distribution of the vectors.
"""

import numpy as np

from autoresearch import Work, Workload, draw

K, TRUE = 20, 10  # neighbours returned, and those of them that recall counts
TRAIN = 8  # vectors behind a centroid


def _spec(op, *values):
    names = ("nq", "n", "d", "nlist", "nprobe", "max_codes", "dist")
    return Workload(op, dict(zip(names, values, strict=True)))


BATTERY = tuple(
    _spec(op, *shape)
    for op in ("search", "search_capped")
    for shape in (
        (0, 100, 8, 4, 2, 10, "normal"),
        (3, 0, 16, 4, 2, 10, "normal"),
        (1, 1, 1, 1, 1, 1, "uniform"),
        (2, 30, 3, 9, 9, 7, "normal"),
        (13, 700, 33, 20, 6, 100, "clustered"),
        (65, 1000, 16, 200, 7, 20, "uniform"),
        (25, 500, 67, 9, 3, 99, "sparse"),
        (7, 600, 128, 12, 4, 150, "mostly_zero"),
        (12, 400, 100, 10, 10, 0, "wide"),
        (5, 300, 40, 8, 3, 1, "outlier"),
        (3, 200, 24, 6, 6, 64, "zero"),
        (4, 260, 768, 8, 2, 40, "clustered"),
        (9, 1500, 70, 5, 3, 200, "latent"),
        (1, 300, 130, 2, 2, 90, "latent"),
    )
)

WORKLOADS = (
    _spec("search", 1, 16_384, 128, 64, 16, 0, "latent"),
    _spec("search", 1, 16_384, 128, 64, 16, 0, "sparse"),
    _spec("search", 1, 4_096, 768, 64, 8, 0, "latent"),
    _spec("search", 64, 16_384, 128, 128, 4, 0, "latent"),
    _spec("search", 64, 16_384, 128, 128, 4, 0, "uniform"),
    _spec("search", 64, 4_096, 768, 64, 2, 0, "normal"),
    _spec("search", 2048, 16_384, 128, 512, 1, 0, "clustered"),
    _spec("search_capped", 1, 16_384, 128, 64, 16, 3000, "sparse"),
    _spec("search_capped", 32, 16_384, 128, 128, 12, 1000, "latent"),
    _spec("search_capped", 16, 16_384, 128, 128, 16, 1500, "normal"),
)

# Queries and lists stay as they are: their product is what an operation costs.
JITTER = {
    "n": range(12_000, 16_384),
    "d": (96, 100, 128, 144),
    "dist": ("latent", "latent", "latent", "clustered", "sparse", "uniform", "normal"),
}

DATA = "vectors"


def data(rows, width):
    """Lists of about 128 vectors; the wider they are, the fewer of them an operation scans."""
    n, nprobe = min(rows, 16_384), max(1, min(8, 1024 // width))
    shape = (n, width, max(2 * nprobe, n // 128), 2 * nprobe)
    capped = _spec("search_capped", 64, *shape, 128 * nprobe, "data")
    return _spec("search", 1, *shape, 0, "data"), capped


def static(rng, spec):
    n, nlist = spec["n"], spec["nlist"]
    drawn = draw.floats(rng, (max(n, 2 * nlist), spec["d"]), spec["dist"])
    centroids = _centroids(rng, drawn[: max(TRAIN * nlist, 2048)], nlist)
    lists = _scores(centroids, drawn[:n]).argmin(1)
    rows = np.argsort(lists, kind="stable")
    offsets = np.append(0, np.cumsum(np.bincount(lists, minlength=nlist)))
    return {"vectors": drawn[rows], "rows": rows, "offsets": offsets, "centroids": centroids}


def _centroids(rng, sample, nlist):
    """Means of parts, halved between two random members until there are enough: like hierarchical
    k-means it gives lists of similar lengths, where one pass of Lloyd's would not."""
    parts = [sample]
    while len(parts) < nlist:
        part = parts.pop(0)
        a, b = part[rng.choice(len(part), 2)]
        order, half = np.argsort(part @ (a - b)), len(part) // 2
        parts += [part[order[:half]], part[order[half:]]]
    return np.stack([part.mean(0) for part in parts])


def each(rng, spec, static):
    """Queries alike, near stored vectors where these are clustered or latent; and their lists."""
    dist, shape, vectors = spec["dist"], (spec["nq"], spec["d"]), static["vectors"]
    q = draw.floats(rng, shape, "normal" if dist == "clustered" else dist)
    if dist in ("clustered", "latent"):
        near, one, other = vectors[rng.integers(spec["n"], size=(3, spec["nq"]))]
        q = near + (q / 2 if dist == "clustered" else (one - other) / 4)
    return {"q": q, "probes": _nearest(q, spec, static), "max_codes": spec["max_codes"]}


def _nearest(q, spec, static):
    """i64[nq, nprobe]: the nearest lists, nearest first."""
    scores = _scores(static["centroids"], q)
    best = np.argpartition(scores, spec["nprobe"] - 1, axis=1)[:, : spec["nprobe"]]
    return np.take_along_axis(best, np.argsort(np.take_along_axis(scores, best, 1), axis=1), 1)


def _scores(centroids, points):
    """|c|^2 - 2 p.c, which ranks as |p - c|^2."""
    return points @ (-2 * centroids).T + (centroids * centroids).sum(-1)


def truth(workload, static):
    """A function of `each`: distances at any ids, of scale |q|^2 + |x|^2 and NaN outside the probed
    lists, which no answer can match; for the capped search also the true ten."""
    vectors, rows, offsets = static["vectors"], static["rows"], static["offsets"]
    place, norms = np.argsort(rows), (vectors * vectors).sum(-1)
    lists = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))

    def of(each):
        q, probes = each["q"], each["probes"]

        def at(ids):
            where = place[ids]
            probed = (lists[where][..., None] == probes[:, None, :]).any(-1)
            true = np.where(probed, _far(q[:, None], vectors[where]), np.nan)
            return true, (q * q).sum(-1, keepdims=True) + norms[where]

        capped = zip(q, probes, strict=True) if workload.op == "search_capped" else ()
        found = [_ten(*one, vectors, norms, rows, offsets) for one in capped]
        return {"n": len(vectors), "at": at, "ids": np.array(found).reshape(-1, TRUE)}

    return of


def _far(q, vectors):
    gap = q - vectors
    return np.einsum("...d,...d", gap, gap)


def _ten(q, probes, vectors, norms, rows, offsets):
    """The ids of the nearest, -1 where there are fewer. Products only choose whom to compare."""
    spans = [slice(offsets[p], offsets[p + 1]) for p in probes]
    inside = np.concatenate([np.arange(span.start, span.stop) for span in spans])
    scores = np.concatenate([norms[span] - 2 * (vectors[span] @ q) for span in spans])
    if len(inside) > 2 * TRUE:
        inside = inside[scores <= np.partition(scores, 2 * TRUE)[2 * TRUE]]
    best = rows[inside[np.argsort(_far(q, vectors[inside]), kind="stable")[:TRUE]]]
    return np.append(best, np.full(TRUE - len(best), -1))


def capacity(spec, each):
    return {}


def work(workload):
    """Search reads lists of average length once and computes a dense distance for each candidate;
    a lossy one must at least compute the distances that it returns."""
    spec, capped = workload.spec, workload.op == "search_capped"
    nq, d = spec["nq"], spec["d"]
    scanned = spec["n"] * spec["nprobe"] / spec["nlist"]
    needed = min(scanned, K) if capped else scanned
    moved = nq * (4 * d + 8 * spec["nprobe"] + 12 * K) + 4 * d * needed
    units = min(scanned, spec["max_codes"] or scanned) if capped else scanned
    return Work(bytes=moved, fmas=nq * needed * d, units=nq * units)
