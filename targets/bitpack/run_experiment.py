"""The facts of bitpack: decoding packed integers, consecutive and interleaved."""

import autoresearch as ar

EACH = {"width": "i64", "packed": "u32[~]"}

TARGET = ar.Target(
    unit="int",
    ops={
        "decode": ar.Op(("decode(width, packed, out)",), EACH, {"out": "u32[~]"}),
        "fastlanes": ar.Op(("fastlanes(width, packed, out)",), EACH, {"out": "u32[~]"}),
    },
    site="lance-format/lance, rust/lance-encoding/src/encodings/physical/bitpacking.rs: "
    "InlineBitpacking::unchunk calls unchecked_unpack of rust/compression/bitpacking (fastlanes); "
    "its 2.0 format, physical/bitpack.rs: BitpackedPageDecoder::decode (decode)",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
