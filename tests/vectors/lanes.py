"""Cases of what works lane by lane."""

from __future__ import annotations

from autoresearch.simd.names import KINDS, WIDTHS

from .case import FLOATS, WHOLE, Case, types

EVERY = types(*KINDS)
FLOAT = types(*FLOATS, widths=WIDTHS)
INTEGER = types(*WHOLE)
NARROW = types(*(kind for kind in WHOLE if kind[1:] != "64"))
SIGNS = ("==", "!=", "<", "<=", ">", ">=")

OPERATORS = (
    Case("add", "x + y", "x + y", types(*KINDS, widths=WIDTHS)),
    Case("sub", "x - y", "x - y", types(*KINDS, shift=1)),
    Case("mul", "x * y", "x * y", types(*KINDS, shift=2)),
    Case("div", "x / y", "x / y", FLOAT),
    Case("neg", "-x", "-x", types(*KINDS, shift=3)),
    Case("and", "x & y", "x & y", INTEGER),
    Case("or", "x | y", "x | y", types(*WHOLE, shift=1)),
    Case("xor", "x ^ y", "x ^ y", types(*WHOLE, shift=2)),
    Case("not", "~x", "~x", types(*WHOLE, shift=3)),
    Case("number", "(3 + x) * 2 - 1", "(3 + x) * 2 - 1", EVERY),
    Case("float number", "(0.5 - x) / 2.5 * 3", "(x.dtype.type(0.5) - x) / x.dtype.type(2.5) * 3", FLOAT),
    Case("left", "x << (y & 127)", "shifted(x, y & 127, True)", INTEGER),
    Case("right", "x >> (y & 127)", "shifted(x, y & 127, False)", INTEGER),
    Case("right small", "x >> y", "shifted(x, y, False)", INTEGER, "small"),
    Case("left by 3", "x << 3", "x << 3", types(*WHOLE, shift=3)),
    Case("right by 3", "x >> 3", "x >> 3", types(*WHOLE, shift=3)),
    *(Case(f"x {s} y", f"simd.bits(x {s} y)", f"bits(x {s} y)", EVERY) for s in SIGNS),
    *(Case(f"odd {s}", f"simd.bits(x {s} y)", f"bits(x {s} y)", FLOAT, "odd") for s in SIGNS),
    *(Case(f"few {s}", f"simd.bits(x {s} y)", f"bits(x {s} y)", INTEGER, "small") for s in ("==", ">=")),
)  # fmt: skip

FUNCTIONS = (
    Case("min", "simd.min(x, y)", "np.where(x < y, x, y)", types(*KINDS, shift=1), "odd"),
    Case("max", "simd.max(x, y)", "np.where(x > y, x, y)", types(*KINDS, shift=2), "odd"),
    Case("abs", "simd.abs(x)", "np.abs(x)", types(*KINDS, shift=2)),
    Case("sqrt", "simd.sqrt(simd.abs(x))", "np.sqrt(np.abs(x))", FLOAT),
    Case("fma", "simd.fma(x, y, z)", "fused(x, y, z)", FLOAT),
    Case("add_sat", "simd.add_sat(x, y)", "clipped(wide(x) + wide(y), x)", INTEGER),
    Case("sub_sat", "simd.sub_sat(x, y)", "clipped(wide(x) - wide(y), x)", INTEGER),
    Case("avg", "simd.avg(x, y)", "wrapped((wide(x) + wide(y) + 1) // 2, x)", NARROW),
    Case("mulhi", "simd.mulhi(x, y)", "wrapped(wide(x) * wide(y) // 2 ** (8 * x.itemsize), x)", NARROW),
    Case("popcount", "simd.popcount(x)", "popcount(x)", types(*WHOLE, widths=(128, 512))),
    Case("clz", "simd.clz(x)", "clz(x)", INTEGER, "small"),
    Case("ctz", "simd.ctz(x)", "ctz(x)", INTEGER, "small"),
    Case("rotate", "simd.rotate(x, y)", "funnelled(x, x, y)", INTEGER),
    Case("funnel", "simd.funnel(x, y, z)", "funnelled(x, y, z)", types(*WHOLE, shift=1)),
    Case("select", "simd.select(x < y, y, z)", "np.where(x < y, y, z)", EVERY),
    Case("select number", "simd.select(x < y, x, 7)", "np.where(x < y, x, x.dtype.type(7))", EVERY),
    *(
        Case(
            f"dot {n}",
            f"simd.dot(simd.bitcast(simd.i32x{n}, z), simd.bitcast(simd.u8x{4 * n}, x), y)",
            "dotted(x, y, z)",
            (f"i8x{4 * n}",),
        )
        for n in (4, 8, 16)
    ),
)  # fmt: skip

MAKING = (
    Case("splat", "simd.splat(T, 7) + x", "x + x.dtype.type(7)", EVERY),
    Case("zero", "simd.zero(T)", "x * 0", INTEGER),
    Case("iota", "simd.iota(T)", "np.arange(x.size).astype(x.dtype)", EVERY),
    Case("lane", "simd.lane(x, 1)", "x[1]", EVERY),
    Case("lane around", "simd.lane(x, a[0] * LANES + 1)", "x[1]", EVERY),
    Case("with_lane", "simd.with_lane(x, 1, 9)", "np.where(np.arange(x.size) == 1, x.dtype.type(9), x)", EVERY),
    Case("vector", "simd.vector(T, (3, -1, 2, 250)) + x", "wrapped([3, -1, 2, 250], x) + x", ("i16x4", "u32x4", "u64x4", "i32x4")),
    Case("vector of floats", "simd.vector(T, (0.5, -2.0, 3, 0.0)) + x", "x + np.array([0.5, -2.0, 3, 0.0], x.dtype)", ("f32x4", "f64x4")),
    Case("bitcast", "simd.bitcast(simd.u8x64, x)", "x.view(np.uint8)", types(*KINDS, widths=(512,))),
    *(
        Case(
            f"convert to {kind}",
            f"simd.convert(simd.{kind}x8, x)",
            f"converted(x, '{kind[0]}{int(kind[1:]) // 8}')",
            tuple(f"{k}x8" for k in KINDS),
            "odd",
        )
        for kind in KINDS
    ),
    *(
        Case(f"saturate {a} {b}", f"simd.saturate(simd.{b}x8, x)", f"clipped(x, empty('{b[0]}{int(b[1:]) // 8}'))", (f"{a}x8",))
        for a, b in (("i16", "u8"), ("i16", "i8"), ("u16", "u8"), ("u16", "i8"), ("i32", "u16"), ("i32", "i16"), ("u32", "u8"), ("i64", "i32"))
    ),
)  # fmt: skip

CASES = (*OPERATORS, *FUNCTIONS, *MAKING)
