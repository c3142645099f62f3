"""The facts of predicate: filters over columns, to bits and to row numbers."""

import autoresearch as ar

PAIR = {"x": "i32", "y": "f64"}
BITS = {"bits": "u8[r/8]"}
ROWS = {"rows": "u32[~n]", "n": "count"}
KLEENE = "filter_nullable(a, valid_a, b, valid_b, x, y, bits, valid)"

TARGET = ar.Target(
    unit="row",
    static={"a": "i32[r]", "b": "f64[rb]", "codes": "u32[rc]", "tags": "u8[rt]"}
    | {"valid_a": "u8[va]", "valid_b": "u8[vb]"},
    ops={
        "bitmap": ar.Op(("filter_bitmap(a, b, x, y, bits)",), PAIR, BITS),
        "select": ar.Op(("n = filter_select(a, b, x, y, rows)",), PAIR, ROWS),
        "either": ar.Op(
            ("filter_either(a, codes, x, listed, bits)",), {"x": "i32", "listed": "u32[8]"}, BITS
        ),
        "either_u8": ar.Op(
            ("filter_either(a, tags, x, listed, bits)",), {"x": "i32", "listed": "u8[8]"}, BITS
        ),
        "nullable": ar.Op((KLEENE,), PAIR, BITS | {"valid": "u8[r/8]"}),
    },
    site="lance-format/lance, rust/lance-index/src/scalar/btree/flat.rs: FlatIndex::eval_expr",
)

if __name__ == "__main__":
    ar.run_experiment(__file__)
