"""The facts of pq-cosine: exact cosine search over product-quantised vectors."""

import autoresearch as ar

NEAREST = {"ids": "i64[10]", "dists": "f32[10]"}
EACH = {"q": "f32[d]"}
TARGET = ar.Target(
    unit="code",
    static={"codebook": "f32[M,K,ds]", "codes": "u8[n,M]"},
    prepare="prepare(codebook, codes)",
    scratch="scratch(state)",
    ops={
        "search": ar.Op(("search(state, scratch, q, ids, dists)",), EACH, NEAREST, "topk"),
        "distances": ar.Op(
            ("distance_table(state, q, table)", "compute_distances(state, table, out)"),
            EACH,
            {"table": "f32[M,K]", "out": "f32[n]"},
            "close",
        ),
    },
    site="lance-format/lance, rust/lance-index/src/vector/pq/storage.rs: "
    "PQDistCalculator::distance_all, after normalize_arrow of rust/lance-linalg/src/kernels.rs",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
