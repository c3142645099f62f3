"""The facts of take: values, rows and strings by their positions."""

import autoresearch as ar

UTF8 = "n = take_utf8(offsets, text, indices, out_offsets, out)"

TARGET = ar.Target(
    unit="value",
    static={"words": "u32[s]", "longs": "i64[l]", "valid": "u8[v]", "rows": "f32[t,w]"}
    | {"offsets": "i32[o]", "text": "u8[c]"},
    ops={
        "words": ar.Op(
            steps=("take(words, indices, out)",),
            each={"indices": "u32[n]"},
            out={"out": "u32[n]"},
        ),
        "longs": ar.Op(
            steps=("take(longs, indices, out)",),
            each={"indices": "u32[n]"},
            out={"out": "i64[n]"},
        ),
        "nullable": ar.Op(
            steps=("take_nullable(longs, valid, indices, out, out_valid)",),
            each={"indices": "u32[n]"},
            out={"out": "i64[n]", "out_valid": "u8[n/8]"},
        ),
        "rows": ar.Op(
            steps=("take_rows(rows, indices, out)",),
            each={"indices": "u32[n]"},
            out={"out": "f32[n,w]"},
        ),
        "utf8": ar.Op(
            steps=(UTF8,),
            each={"indices": "u32[~]", "total": "i64"},  # the room that `out` gets
            out={"out_offsets": "i32[~]", "out": "u8[~n]", "n": "count"},
        ),
    },
    site="lance-format/lance, rust/lance/src/dataset/take.rs: do_take_rows",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
