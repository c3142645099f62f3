"""Libraries that select partitions: faiss as a flat index and as a function, and BLAS by numpy.

BLAS takes its number of threads from OPENBLAS_NUM_THREADS when it is loaded, hence not from here.
"""

import numpy as np

from autoresearch import Peer


def _index(workload, static):
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(workload.spec["d"])
    index.add(static["centroids"])
    return lambda each: index.search(each["q"], int(each["nprobe"]))


def _knn(workload, static):
    import faiss

    faiss.omp_set_num_threads(1)
    if not workload.spec["nlist"] or not workload.spec["nq"]:
        raise NotImplementedError("knn takes no empty matrix")
    return lambda each: faiss.knn(each["q"], static["centroids"], int(each["nprobe"]))


def _faiss_answer(raw, each):
    """Where there are fewer, faiss leaves the largest float."""
    dists, ids = raw
    return {"ids": ids, "dists": np.where(ids < 0, np.float32(np.inf), dists)}


def _numpy(workload, static):
    """|q - c|^2 = |q|^2 - 2 q.c + |c|^2, with the last two from one product and kept norms."""
    nprobe, folded = workload.spec["nprobe"], np.ascontiguousarray(-2 * static["centroids"].T)
    norms = (static["centroids"] ** 2).sum(-1)
    if nprobe > len(norms):
        raise NotImplementedError("argpartition takes no more than there are")

    def select(each):
        q = each["q"]
        scores = q @ folded
        scores += norms
        ids = np.argpartition(scores, nprobe - 1, axis=1)[:, :nprobe]
        best = np.take_along_axis(scores, ids, 1)
        order = np.argsort(best, axis=1)
        dists = np.take_along_axis(best, order, 1) + (q * q).sum(-1, keepdims=True)
        return np.take_along_axis(ids, order, 1), dists

    return select


def _numpy_answer(raw, each):
    return {"ids": raw[0], "dists": raw[1]}


PEERS = (
    Peer("faiss-cpu", "IndexFlatL2", "select", _index, _faiss_answer, "ids"),
    Peer("faiss-cpu", "knn", "select", _knn, _faiss_answer, "ids", "untouched"),
    Peer("numpy", "matmul, argpartition", "select", _numpy, _numpy_answer, "ids"),
)
