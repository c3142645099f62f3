"""Libraries that merge sorted results: faiss, pyarrow by both keys, and numpy.

faiss decides ties as it likes: after its call entries of equal score are put in order, those of
the last score are chosen again, and workloads made of ties are left to the others.
"""

import numpy as np

from autoresearch import Peer

TIED = ("ties", "equal")
MODULES = {"faiss-cpu": "faiss", "pyarrow": "pyarrow", "numpy": "numpy"}


def _queries(each):
    """The slice of entries of each query."""
    bounds = each["offsets"][:: max(each["runs"], 1)]
    return [
        slice(bounds[q], bounds[q + 1]) if each["runs"] else slice(0) for q in range(each["nq"])
    ]


def _filled(parts, k):
    """Scores f32[nq, k] and ids u64[nq, k] of rows that may be shorter."""
    best = np.full((len(parts), k), np.inf, np.float32)
    best_ids = np.full((len(parts), k), np.iinfo(np.uint64).max, np.uint64)
    for q, (scores, ids) in enumerate(parts):
        best[q, : scores.size], best_ids[q, : ids.size] = scores, ids
    return {"best": best, "best_ids": best_ids}


def _answer_topk(raw, each):
    return _filled([(np.asarray(s), np.asarray(i)) for s, i in raw], each["k"])


def _answer_full(raw, each):
    return {"merged": np.asarray(raw[0]), "merged_ids": np.asarray(raw[1])}


def _numpy_topk(workload, static):
    def least(scores, ids, k):
        if k < scores.size:
            kept = np.flatnonzero(scores <= np.partition(scores, k - 1)[k - 1])
            scores, ids = scores[kept], ids[kept]
        order = np.lexsort((ids, scores))[:k]
        return scores[order], ids[order]

    def merge(each):
        scores, ids, k = each["scores"], each["ids"], each["k"]
        return [least(scores[part], ids[part], k) for part in _queries(each)]

    return merge


def _numpy_full(workload, static):
    def merge(each):
        order = np.lexsort((each["ids"], each["scores"]))
        return each["scores"][order], each["ids"][order]

    return merge


def _pyarrow_topk(workload, static):
    import pyarrow as pa
    from pyarrow import compute

    pa.set_cpu_count(1)
    keys = [("score", "ascending"), ("id", "ascending")]

    def merge(each):
        scores, ids = pa.array(each["scores"]), pa.array(each["ids"])
        out = []
        for part in _queries(each):
            where, count = int(part.start or 0), int(part.stop - (part.start or 0))
            table = pa.table({"score": scores.slice(where, count), "id": ids.slice(where, count)})
            order = compute.select_k_unstable(table, k=int(each["k"]), sort_keys=keys)
            out.append((table["score"].take(order), table["id"].take(order)))
        return out

    return merge


def _pyarrow_full(workload, static):
    import pyarrow as pa
    from pyarrow import compute

    pa.set_cpu_count(1)
    keys = [("score", "ascending"), ("id", "ascending")]

    def merge(each):
        table = pa.table({"score": each["scores"], "id": each["ids"]})
        order = compute.sort_indices(table, sort_keys=keys)
        return table["score"].take(order), table["id"].take(order)

    return merge


def _faiss(workload, static):
    import faiss

    if workload.spec["dist"] in TIED or workload.spec["runs"] == 0:
        raise NotImplementedError("faiss decides ties as it likes and needs a run")
    faiss.omp_set_num_threads(1)
    return lambda packed: faiss.merge_knn_results(*packed)


def _faiss_pack(workload, static, each):
    """The same entries as f32[runs, nq, k] and i64[runs, nq, k], runs cut or filled up to k."""
    shape = (each["nq"], each["runs"], each["k"])
    scores, ids = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int64)
    sizes = np.minimum(np.diff(each["offsets"]), each["k"])
    for run, (begin, size) in enumerate(zip(each["offsets"], sizes, strict=False)):
        place = divmod(run, each["runs"])
        scores[place][:size] = each["scores"][begin : begin + size]
        ids[place][:size] = each["ids"][begin : begin + size].view(np.int64)
    return np.ascontiguousarray(scores.swapaxes(0, 1)), np.ascontiguousarray(ids.swapaxes(0, 1))


def _answer_faiss(raw, each):
    best, ids = np.where(raw[1] < 0, np.float32(np.inf), raw[0]), raw[1].view(np.uint64).copy()
    for q, part in enumerate(_queries(each)):
        last = best[q] == best[q, -1]
        tied = np.sort(each["ids"][part][each["scores"][part] == best[q, -1]])[: last.sum()]
        if tied.size:
            ids[q, last] = tied
    order = np.lexsort((ids, best))
    return {
        "best": np.take_along_axis(best, order, axis=1),
        "best_ids": np.take_along_axis(ids, order, axis=1),
    }


PEERS = (
    Peer(
        "faiss-cpu",
        "merge_knn_results",
        "topk",
        _faiss,
        _answer_faiss,
        "ids and scores",
        pack=_faiss_pack,
    ),
    Peer(
        "pyarrow",
        "select_k_unstable",
        "topk",
        _pyarrow_topk,
        _answer_topk,
        "arrow arrays",
        "untouched",
    ),
    Peer(
        "pyarrow",
        "sort_indices",
        "full",
        _pyarrow_full,
        _answer_full,
        "arrow arrays",
        "untouched",
    ),
    Peer(
        "numpy",
        "partition and lexsort",
        "topk",
        _numpy_topk,
        _answer_topk,
        "arrays",
        "untouched",
    ),
    Peer("numpy", "lexsort", "full", _numpy_full, _answer_full, "arrays", "untouched"),
)
