"""Every public name of `autoresearch.simd`, and the vector types by kind and width.

Imports nothing: the screen runs this file to learn what a kernel may name, without numba.
"""

WIDTHS = (64, 128, 256, 512)  # bits
KINDS = ("f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")
VECTORS = {
    f"{kind}x{width // int(kind[1:])}": (kind, width // int(kind[1:]))
    for kind in KINDS
    for width in WIDTHS
    if width > int(kind[1:])
}
MASKS = {f"m{lanes}": lanes for lanes in (2, 4, 8, 16, 32, 64)}
OPERATIONS = (
    # memory
    *("load", "store", "load_masked", "store_masked", "store_stream", "gather", "prefetch"),
    # making vectors and taking them apart
    *("splat", "zero", "iota", "vector", "lane", "with_lane", "low", "high", "concat"),
    # lane by lane
    *("min", "max", "abs", "sqrt", "fma", "add_sat", "sub_sat", "avg", "mulhi", "dot"),
    *("popcount", "clz", "ctz", "rotate", "funnel", "clear_lowest", "select"),
    # from one type to another
    *("convert", "saturate", "bitcast"),
    # across lanes
    *("shuffle", "lookup", "lookup2", "compress", "expand"),
    *("reduce_add", "reduce_min", "reduce_max", "reduce_and", "reduce_or", "reduce_xor"),
    # masks
    *("bits", "mask", "first", "any", "all", "count"),
    # while compiling
    *("has", "unroll", "repeat", "put"),
)
NAMES = (*VECTORS, *MASKS, *OPERATIONS)
