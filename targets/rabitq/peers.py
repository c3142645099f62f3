"""Libraries on one-bit codes: faiss and numpy for the exact scan, faiss RaBitQ for search.

The index of faiss does not rotate by itself: given our rotated vectors it has codes and estimates
much like ours. Its search is lossy too, hence compared by recall, and ends in exact distances.
"""

import numpy as np

from autoresearch import Peer

K, KEPT_FOR_EACH = 10, 20
MODULES = {"faiss-cpu": "faiss", "numpy": "numpy"}
WEIGHTS = np.uint32(1) << np.arange(4, dtype=np.uint32)


def _numpy_scan(workload, static):
    codes = static["codes"]
    block = max(1, (1 << 18) // max(codes.shape[1] * 8, 1))  # its temporaries stay in cache

    def scan(each):
        out = np.zeros(len(codes), np.uint32)
        for start in range(0, len(codes), block):
            part = codes[start : start + block]
            for weight, plane in zip(WEIGHTS, each["planes"], strict=True):
                ones = np.bitwise_count(part & plane).sum(1, dtype=np.uint32)
                out[start : start + block] += weight * ones
        return out

    return scan


def _products(raw, each):
    return {"products": raw}


def _hammings(workload, static):
    """All Hamming distances to each of the four planes, from which a product follows:
    |c & p| = (|c| + |p| - |c ^ p|) / 2."""
    import faiss

    if len(static["codes"]) == 0 or static["codes"].shape[1] == 0:
        raise NotImplementedError("no codes")
    codes = np.ascontiguousarray(static["codes"]).view(np.uint8)
    n, width = codes.shape
    distances = np.empty((4, n), np.int32)
    faiss.omp_set_num_threads(1)

    def scan(each):
        planes = np.ascontiguousarray(each["planes"]).view(np.uint8)
        a, b, out = (faiss.swig_ptr(x) for x in (planes, codes, distances))
        faiss.hammings(a, b, 4, n, width, out)
        return static["codes"], distances

    return scan


def _from_distances(raw, each):
    codes, distances = raw
    ones = np.bitwise_count(codes).sum(1, dtype=np.int64)
    planes = np.bitwise_count(each["planes"]).sum(1, dtype=np.int64)[:, None]
    both = (ones + planes - distances) // 2
    return {"products": (WEIGHTS[:, None] * both).sum(0).astype(np.uint32)}


def _refined(make):
    """A search of twenty candidates for each answer, then of the original vectors."""

    def of(workload, static):
        import faiss

        vectors = np.ascontiguousarray(static["vectors"])
        if len(vectors) < KEPT_FOR_EACH * K:
            raise NotImplementedError("fewer vectors than candidates")
        faiss.omp_set_num_threads(1)
        base = make(faiss, vectors.shape[1])
        index = faiss.IndexRefineFlat(base)
        index.train(vectors)
        index.add(vectors)
        index.k_factor = KEPT_FOR_EACH
        return lambda each: (base, index.search(each["q"], K))

    return of


def _rabitq(faiss, d):
    index = faiss.IndexRaBitQ(d, faiss.METRIC_L2)
    index.qb = 4
    return index


def _fast_scan(faiss, d):
    index = faiss.IndexRaBitQFastScan(d, faiss.METRIC_L2)
    index.qb = 4
    return index


def _nearest(raw, each):
    dists, ids = raw[1]
    return {"ids": ids.astype(np.int64), "dists": dists}


PEERS = (
    Peer("faiss-cpu", "hammings", "scan", _hammings, _from_distances, "four distances a code"),
    Peer("numpy", "bitwise_count", "scan", _numpy_scan, _products, "products", "untouched"),
    Peer(
        "faiss-cpu",
        "IndexRaBitQ, refined",
        "search",
        _refined(_rabitq),
        _nearest,
        "ids and distances",
    ),
    Peer(
        "faiss-cpu",
        "IndexRaBitQFastScan, refined",
        "search",
        _refined(_fast_scan),
        _nearest,
        "ids and distances",
    ),
)
