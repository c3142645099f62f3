"""The facts of dictionary: codes to the values, or to the strings, that they name."""

import autoresearch as ar

TARGET = ar.Target(
    unit="value",
    static={"longs": "i64[I]", "doubles": "f64[F]", "offsets": "i32[S]", "text": "u8[T]"},
    ops={
        "i64": ar.Op(
            steps=("decode(longs, codes, out)",),
            each={"codes": "u32[~]"},
            out={"out": "i64[~]"},
        ),
        "f64": ar.Op(
            steps=("decode(doubles, codes, out)",),
            each={"codes": "u32[~]"},
            out={"out": "f64[~]"},
        ),
        "utf8": ar.Op(
            steps=("n = decode_utf8(offsets, text, codes, out_offsets, out)",),
            each={"codes": "u32[~]"},
            out={"out_offsets": "i32[~]", "out": "u8[~n]", "n": "count"},
        ),
    },
    site="lance-format/lance, rust/lance-encoding/src/data.rs: DictionaryDataBlock::decode",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
