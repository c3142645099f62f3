"""Faiss on the work of ivf-flat: the same lists, scanned by IndexIVFFlat.search_preassigned."""

import numpy as np

from autoresearch import Peer


def _faiss(workload, static):
    import faiss

    faiss.omp_set_num_threads(1)
    spec = workload.spec
    quantizer = faiss.IndexFlatL2(spec["d"])
    index = faiss.IndexIVFFlat(quantizer, spec["d"], spec["nlist"])
    quantizer.add(static["centroids"])
    _fill(index, static)
    index.nprobe = spec["nprobe"]
    index.max_codes = spec["max_codes"] if workload.op == "search_capped" else 0
    unused = np.zeros((spec["nq"], spec["nprobe"]), np.float32)  # coarse distances
    return lambda each: index.search_preassigned(each["q"], 20, each["probes"], unused)


def _fill(index, static):
    """The lists as they are: training and adding would assign the vectors anew."""
    import faiss

    vectors, rows, offsets = static["vectors"], static["rows"], static["offsets"]
    for which in range(len(offsets) - 1):
        begin, end = offsets[which], offsets[which + 1]
        if end > begin:
            codes = np.ascontiguousarray(vectors[begin:end]).view(np.uint8)
            ids = np.ascontiguousarray(rows[begin:end])
            index.invlists.add_entries(which, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    index.ntotal, index.is_trained = len(vectors), True


def _answer(raw, each):
    """Where fewer exist faiss leaves the largest float."""
    dists, ids = raw
    return {"ids": ids, "dists": np.where(ids < 0, np.float32(np.inf), dists)}


PEERS = tuple(
    Peer("faiss-cpu", "IndexIVFFlat", op, _faiss, _answer, "ids")
    for op in ("search", "search_capped")
)
