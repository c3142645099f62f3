"""The facts of rabitq: exact products of one-bit codes, and search that ends in distances."""

import autoresearch as ar

PRODUCTS = {"products": "u32[n]"}
NEAREST = {"ids": "i64[nq,10]", "dists": "f32[nq,10]"}
TARGET = ar.Target(
    unit="code",
    static={"codes": "u64[n,w]", "vectors": "f32[rows,d]"},
    prepare="prepare(codes, vectors)",
    scratch="scratch(state)",
    ops={
        "scan": ar.Op(("scan(state, planes, products)",), {"planes": "u64[4,w]"}, PRODUCTS),
        "search": ar.Op(
            ("search(state, scratch, q, ids, dists)",), {"q": "f32[nq,d]"}, NEAREST, "recall"
        ),
    },
    site="lance-format/lance, rust/lance-index/src/vector/bq/storage.rs: RabitDistCalculator",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
