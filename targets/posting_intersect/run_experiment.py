"""The facts of posting-intersect: which ids two or three sorted lists have in common."""

import autoresearch as ar

TARGET = ar.Target(
    unit="element",
    ops={
        "two": ar.Op(
            steps=("n = intersect(a, b, out)",),
            each={"a": "u32[~]", "b": "u32[~]"},
            out={"out": "u32[~n]", "n": "count"},
        ),
        "three": ar.Op(
            steps=("n = intersect3(a, b, c, out)",),
            each={"a": "u32[~]", "b": "u32[~]", "c": "u32[~]"},
            out={"out": "u32[~n]", "n": "count"},
        ),
    },
    site="lance-format/lance, rust/lance-index/src/scalar/ngram.rs: NGramPostingList::intersect",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
