"""Libraries on the work of pq-l2: faiss on the same codebook and codes, numpy by its formula.

Nothing is trained or encoded anew, so that distances and ids must be the reference's. From Python
faiss offers every distance only as the hits of an unbounded range search, ids beside them.
"""

import numpy as np

from autoresearch import Peer

EVERYTHING = 1e38  # a radius beyond every distance


def _index(workload, static):
    """An IndexPQ that holds our centroids and codes as they are."""
    import faiss

    faiss.omp_set_num_threads(1)
    codebook, codes = static["codebook"], static["codes"]
    m, k, ds = codebook.shape
    if k != 256:
        raise NotImplementedError("faiss keeps a code in a byte for 256 centroids only")
    index = faiss.IndexPQ(m * ds, m, 8)
    faiss.copy_array_to_vector(codebook.ravel(), index.pq.centroids)
    faiss.copy_array_to_vector(codes.ravel(), index.codes)
    index.ntotal, index.is_trained = len(codes), True
    return index


def _search(workload, static):
    index = _index(workload, static)
    return lambda each: index.search(each["q"][None], 10)


def _nearest(raw, each):
    """Where fewer exist faiss leaves the largest float."""
    dists, ids = raw[0][0], raw[1][0]
    return {"ids": ids, "dists": np.where(ids < 0, np.float32(np.inf), dists)}


def _range(workload, static):
    import faiss

    index, shape = _index(workload, static), static["codebook"].shape[:2]

    def scan(each):
        q, table = each["q"], np.empty(shape, np.float32)
        index.pq.compute_distance_table(faiss.swig_ptr(q), faiss.swig_ptr(table))
        _, dists, ids = index.range_search(q[None], EVERYTHING)
        return table, dists, ids

    return scan


def _in_order(raw, each):
    table, dists, ids = raw
    out = np.full(len(dists), np.nan, np.float32)
    out[ids] = dists
    return {"table": table, "out": out}


def _numpy(workload, static):
    """Codes by column, as places in the flat table."""
    codebook, codes = static["codebook"], static["codes"]
    m, k, ds = codebook.shape
    places = np.ascontiguousarray((codes + k * np.arange(m)).T)

    def scan(each):
        table = np.square(each["q"].reshape(m, 1, ds) - codebook).sum(-1)
        return table, table.ravel().take(places).sum(0)

    return scan


def _scanned(raw, each):
    return dict(zip(("table", "out"), raw, strict=True))


PEERS = (
    Peer("faiss-cpu", "IndexPQ", "search", _search, _nearest, "ids"),
    Peer("faiss-cpu", "IndexPQ range_search", "distances", _range, _in_order, "distances, ids"),
    Peer("numpy", "take and sum", "distances", _numpy, _scanned, "array"),
)
