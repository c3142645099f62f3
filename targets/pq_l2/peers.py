"""Libraries on the work of pq-l2: faiss on the same codebook and codes, numpy by its formula.

Nothing is trained or encoded anew, so that distances and ids must be the reference's. From Python
faiss offers every distance only as the hits of an unbounded range search, ids beside them; that of
an IndexIVFPQ with one list runs over the codes with a table, that of IndexPQ one code at a time.
"""

import numpy as np

from autoresearch import Peer

EVERYTHING = 1e38  # a radius beyond every distance


def _index(workload, static):
    """An IndexPQ that holds our centroids and codes as they are."""
    import faiss

    codes = static["codes"]
    m, ds = _shape(static)
    index = faiss.IndexPQ(m * ds, m, 8)
    faiss.copy_array_to_vector(static["codebook"].ravel(), index.pq.centroids)
    faiss.copy_array_to_vector(codes.ravel(), index.codes)
    index.ntotal, index.is_trained = len(codes), True
    return index


def _one_list(static):
    """The same as the only list of an IndexIVFPQ; no residuals, hence any centre will do."""
    import faiss

    codes = static["codes"]
    m, ds = _shape(static)
    centre = faiss.IndexFlatL2(m * ds)
    centre.add(np.zeros((1, m * ds), np.float32))
    index = faiss.IndexIVFPQ(centre, m * ds, 1, m, 8)
    index.by_residual = False
    faiss.copy_array_to_vector(static["codebook"].ravel(), index.pq.centroids)
    ids = np.arange(len(codes))
    if len(codes):
        index.invlists.add_entries(0, len(codes), faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    index.ntotal, index.is_trained = len(codes), True
    return index, centre


def _shape(static):
    import faiss

    faiss.omp_set_num_threads(1)
    m, k, ds = static["codebook"].shape
    if k != 256:
        raise NotImplementedError("faiss keeps a code in a byte for 256 centroids only")
    return m, ds


def _search(workload, static):
    index = _index(workload, static)
    return lambda each: index.search(each["q"][None], 10)


def _nearest(raw, each):
    """Where fewer exist faiss leaves the largest float."""
    dists, ids = raw[0][0], raw[1][0]
    return {"ids": ids, "dists": np.where(ids < 0, np.float32(np.inf), dists)}


def _range(workload, static):
    import faiss

    (index, centre), shape = _one_list(static), static["codebook"].shape[:2]

    def scan(each, centre=centre):  # faiss does not keep what an index refers to
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
    """Column by column, so that numpy adds long arrays."""
    codebook, columns = static["codebook"], np.ascontiguousarray(static["codes"].T)
    m, _, ds = codebook.shape

    def scan(each):
        table = np.square(each["q"].reshape(m, 1, ds) - codebook).sum(-1)
        out = np.zeros(columns.shape[1], np.float32)
        for row, codes in zip(table, columns, strict=True):
            out += row.take(codes)
        return table, out

    return scan


def _scanned(raw, each):
    return dict(zip(("table", "out"), raw, strict=True))


PEERS = (
    Peer("faiss-cpu", "IndexPQ", "search", _search, _nearest, "ids"),
    Peer("faiss-cpu", "IVFPQ range_search", "distances", _range, _in_order, "distances, ids"),
    Peer("numpy", "take and sum", "distances", _numpy, _scanned, "array"),
)
