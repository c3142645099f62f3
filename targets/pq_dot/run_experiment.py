"""The facts of pq-dot: exact dot search and distances over product-quantised vectors."""

import autoresearch as ar

TARGET = ar.Target(
    unit="code",
    static={"codebook": "f32[M,K,ds]", "codes": "u8[n,M]"},
    prepare="prepare(codebook, codes)",
    scratch="scratch(state)",
    ops={
        "search": ar.Op(
            steps=("search(state, scratch, q, ids, dists)",),
            each={"q": "f32[d]"},
            out={"ids": "i64[10]", "dists": "f32[10]"},
            oracle="topk",
        ),
        "distances": ar.Op(
            steps=("distance_table(state, q, table)", "compute_distances(state, table, out)"),
            each={"q": "f32[d]"},
            out={"table": "f32[M,K]", "out": "f32[n]"},
            oracle="close",
        ),
    },
    site="lance-format/lance, rust/lance-index/src/vector/pq/storage.rs: "
    "PQDistCalculator::distance_all, with build_distance_table_dot of distance.rs beside it",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
