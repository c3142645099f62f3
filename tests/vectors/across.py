"""Cases of what moves lanes, and of masks."""

from __future__ import annotations

from autoresearch.simd.names import KINDS, WIDTHS

from .case import FLOATS, WHOLE, Case, types

EVERY = types(*KINDS)
HALVES = types(*KINDS, widths=(256,))
WIDE = types("f32", "u8", "i16", "u64", widths=WIDTHS)

MOVES = (
    Case("low", "simd.low(x)", "x[: x.size // 2]", HALVES),
    Case("high", "simd.high(x)", "x[x.size // 2 :]", HALVES),
    Case("concat", "simd.concat(simd.high(x), simd.low(y))", "np.append(x[x.size // 2 :], y[: y.size // 2])", HALVES),
    Case("shuffle", "simd.shuffle(x, ORDER)", "x[ORDER]", ("f32x8", "u16x8", "i16x32", "u32x16")),
    Case("shuffle two", "simd.shuffle(x, y, (0, 15, 7, 8))", "np.append(x, y)[[0, 15, 7, 8]]", ("f32x8", "u32x8", "i64x8", "u16x8")),
    Case("lookup nibble", f"simd.lookup(simd.vector(simd.u8x16, {tuple(range(0, 160, 10))}), x)", "(x % 16 * 10).astype(np.uint8)", types("u8", widths=WIDTHS)),
    Case("lookup floats", "simd.lookup(x, simd.bitcast(simd.i_BITS_x_LANES_, y))", "x[y.view(f'u{y.itemsize}') % x.size]", types(*FLOATS, widths=WIDTHS)),
    Case("compress", "simd.compress(x, y > z)", "compressed(x, y > z)", WIDE),
    Case("expand", "simd.expand(x, y > z)", "expanded(x, y > z)", WIDE),
)  # fmt: skip


def _lookups(bits: int) -> tuple[Case, ...]:
    every = types(f"u{bits}", widths=WIDTHS)
    halves = types(f"u{bits}", widths=WIDTHS[1:] if bits < 64 else WIDTHS[2:])
    return (
        Case(f"lookup {bits}", "simd.lookup(x, y)", "x[y % x.size]", every),
        Case(f"lookup2 {bits}", "simd.lookup2(x, z, y)", "np.append(x, z)[y % (2 * x.size)]", every),
        Case(f"lookup {bits} in a half", "simd.lookup(simd.low(x), y)", "x[y % (x.size // 2)]", halves),
        Case(f"lookup {bits} of a half", "simd.lookup(x, simd.low(y))", "x[y[: x.size // 2] % x.size]", halves),
    )  # fmt: skip


LOOKUPS = tuple(case for bits in (8, 16, 32, 64) for case in _lookups(bits))

LOGIC = "(x > y) & (y > z) | ~(x > z) ^ (x == x)"
PATTERN = 0x5A5A5A5A5A5A5A5A
MASKS = (
    Case("count", "simd.count(x > y)", "(x > y).sum()", types(*KINDS, widths=(64, 512))),
    Case("any", "np.uint64(simd.any(x > y))", "np.uint64((x > y).any())", EVERY),
    Case("all", "np.uint64(simd.all(x > y))", "np.uint64((x > y).all())", EVERY),
    Case("all of all", "np.uint64(simd.all(x == x))", "np.uint64(1)", EVERY),
    Case("logic", f"simd.bits({LOGIC})", f"bits({LOGIC})", EVERY),
    Case("mask", f"simd.select(simd.mask(M, {PATTERN}), x, y)", f"np.where({PATTERN} >> np.arange(x.size) & 1, x, y)", EVERY),
    Case("halves of masks", "simd.bits(simd.concat(simd.high(x > y), simd.low(x > y)))", "bits(np.roll(x > y, x.size // 2))", HALVES),
    *(
        Case(f"first {n}", f"simd.bits(simd.first(M, {n}))", f"bits(np.arange(x.size) < {n})", EVERY)
        for n in (-1, 3, 300)
    ),
    Case("load_masked", "simd.load_masked(T, b, 0, x > z)", "np.where(x > z, y, 0).astype(x.dtype)", ("u8x16",)),
)  # fmt: skip

REDUCTIONS = (
    Case("reduce_add", "simd.reduce_add(x)", "halved(x, np.add)", types(*KINDS, widths=(64, 512))),
    Case("reduce_min", "simd.reduce_min(x)", "x.min()", types(*KINDS, widths=(512,))),
    Case("reduce_max", "simd.reduce_max(x)", "x.max()", types(*KINDS, widths=(128,))),
    Case("reduce_and", "simd.reduce_and(x | y)", "np.bitwise_and.reduce(x | y)", types(*WHOLE)),
    Case("reduce_or", "simd.reduce_or(x & y)", "np.bitwise_or.reduce(x & y)", types(*WHOLE)),
    Case("reduce_xor", "simd.reduce_xor(x)", "np.bitwise_xor.reduce(x)", types(*WHOLE)),
)

CASES = (*MOVES, *LOOKUPS, *MASKS, *REDUCTIONS)
