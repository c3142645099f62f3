"""The facts of posting-intersect: which ids two or three sorted lists have in common."""

import autoresearch as ar

LIST = "u32[~]"
OUT = {"out": "u32[~n]", "n": "count"}

TARGET = ar.Target(
    unit="element",
    static={"ids": "u32[I]", "starts": "i64[L]"},
    prepare="prepare(ids, starts)",
    ops={
        "two": ar.Op(("n = intersect(a, b, out)",), {"a": LIST, "b": LIST}, OUT),
        "three": ar.Op(("n = intersect3(a, b, c, out)",), {"a": LIST, "b": LIST, "c": LIST}, OUT),
        "held": ar.Op(("n = intersect_held(state, i, j, out)",), {"i": "i64", "j": "i64"}, OUT),
    },
    site="lance-format/lance, rust/lance-index/src/scalar/ngram.rs: NGramPostingList::intersect",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
