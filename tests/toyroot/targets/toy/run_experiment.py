"""The facts of toy: small enough for hundreds of trials in a test."""

import autoresearch as ar

TARGET = ar.Target(
    unit="value",
    static={"weights": "f32[n]"},
    prepare="prepare(weights)",
    scratch="scratch(state)",
    ops={
        "weigh": ar.Op(
            steps=("weigh(state, scratch, x, total)",),
            each={"x": "f32[n]"},
            out={"total": "f32[1]"},
            oracle="close",
        ),
        "select": ar.Op(
            steps=("n = select(x, bound, rows)",),
            each={"x": "f32[~]", "bound": "f32"},
            out={"rows": "u32[~n]", "n": "count"},
        ),
    },
    site="nowhere: it exists to test the harness",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
