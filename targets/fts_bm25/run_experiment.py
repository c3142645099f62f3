"""The facts of fts-bm25: the ten best documents of a query over an inverted index."""

import autoresearch as ar

TARGET = ar.Target(
    unit="query",
    static={
        "docs": "u32[P]",
        "freqs": "u16[P]",
        "offsets": "i64[ends]",
        "norms": "u8[N]",
        "discounts": "f32[256]",
        "weights": "f32[V]",
    },
    prepare="prepare(docs, freqs, offsets, norms, discounts, weights)",
    scratch="scratch(state)",
    ops={
        "search": ar.Op(
            steps=("search(state, scratch, terms, ids, scores)",),
            each={"terms": "u32[~]"},
            out={"ids": "i64[10]", "scores": "f32[10]"},
            oracle="topk_max",
        ),
    },
    site="lance-format/lance, rust/lance-index/src/scalar/inverted/wand.rs: Wand::search",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
