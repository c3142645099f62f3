"""The facts of ivf-flat: the scan of inverted lists that a coarse step has chosen."""

import autoresearch as ar

LISTS = {"offsets": "i64[bounds]", "centroids": "f32[nlist,d]"}
EACH = {"q": "f32[nq,d]", "probes": "i64[nq,nprobe]"}
OUT = {"ids": "i64[nq,20]", "dists": "f32[nq,20]"}
CAPPED = "search_capped(state, scratch, q, probes, max_codes, ids, dists)"
TARGET = ar.Target(
    unit="candidate",
    static={"vectors": "f32[n,d]", "rows": "i64[n]", **LISTS},
    prepare="prepare(vectors, rows, offsets, centroids)",
    scratch="scratch(state)",
    ops={
        "search": ar.Op(("search(state, scratch, q, probes, ids, dists)",), EACH, OUT, "topk"),
        "search_capped": ar.Op((CAPPED,), EACH | {"max_codes": "i64"}, OUT, "recall"),
    },
    site="facebookresearch/faiss, faiss/IndexIVF.cpp: IndexIVF::search_preassigned; "
    "lance-format/lance, rust/lance-index/src/vector/flat/index.rs: FlatIndex::search",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
