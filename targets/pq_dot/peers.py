"""Faiss and numpy on the work of pq-dot."""

import numpy as np

from autoresearch import Peer


def _faiss(workload, static):
    """An IndexPQ with our centroids and codes: training and adding would make others."""
    import faiss

    faiss.omp_set_num_threads(1)
    codebook, codes = static["codebook"], static["codes"]
    if codebook.shape[1] != 256:
        raise NotImplementedError("faiss packs codes of fewer bits")
    index = faiss.IndexPQ(
        len(codebook) * codebook.shape[2], len(codebook), 8, faiss.METRIC_INNER_PRODUCT
    )
    faiss.copy_array_to_vector(codebook.ravel(), index.pq.centroids)
    faiss.copy_array_to_vector(codes.ravel(), index.codes)
    index.ntotal, index.is_trained = len(codes), True
    return lambda each: index.search(each["q"][None], 10)


def _nearest(raw, each):
    """Where fewer exist faiss leaves the least float."""
    dists, ids = raw[0][0], raw[1][0]
    return {"ids": ids, "dists": np.where(ids < 0, np.float32(np.inf), 1 - dists)}


def _numpy(workload, static):
    codebook, columns = static["codebook"], np.ascontiguousarray(static["codes"].T)

    def distances(each):
        q = each["q"].reshape(len(codebook), -1, 1)
        table = np.matmul(codebook, q)[..., 0]
        sums = np.zeros(columns.shape[1], np.float32)
        for row, column in zip(table, columns, strict=True):
            sums += row.take(column)
        return table, 1 - sums

    return distances


def _distances(raw, each):
    return {"table": raw[0], "out": raw[1]}


PEERS = (
    Peer("faiss-cpu", "IndexPQ", "search", _faiss, _nearest, "ids"),
    Peer("numpy", "matmul, take", "distances", _numpy, _distances, "arrays"),
)
