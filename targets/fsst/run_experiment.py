"""The facts of fsst: text from symbol codes, as FSST stores it."""

import autoresearch as ar

TARGET = ar.Target(
    unit="output byte",
    static={"symbols": "u64[256]", "lengths": "u8[256]"},
    ops={
        "decode": ar.Op(
            steps=("n = decode(symbols, lengths, codes, out)",),
            each={"codes": "u8[~]"},
            out={"out": "u8[~n]", "n": "count"},
        ),
    },
    site="lance-format/lance, rust/compression/fsst/src/fsst.rs: decompress, called by "
    "FsstMiniBlockDecompressor in rust/lance-encoding/src/encodings/physical/fsst.rs",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
