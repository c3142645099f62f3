"""Every operation of `autoresearch.simd` as an expression, and the same in numpy.

Run as a program it prints what each case computes, in hexadecimal: tests start it for other
processors, where it must print the same.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from autoresearch import simd
from autoresearch.simd.names import KINDS, VECTORS, WIDTHS

Array = np.ndarray[Any, Any]
FLOATS = ("f32", "f64")
INTEGERS = tuple(kind for kind in KINDS if kind not in FLOATS)
NARROW = tuple(kind for kind in INTEGERS if not kind.endswith("64"))
SLOT = 64  # bytes that a type has in every buffer


def dtype(kind: str) -> np.dtype[Any]:
    return np.dtype(f"{kind[0]}{int(kind[1:]) // 8}")


def types(*kinds: str, widths: tuple[int, ...] = (), shift: int = 0) -> tuple[str, ...]:
    """Types of these kinds: of all `widths`, else of one width each, by turns."""
    turns = [(kind, (WIDTHS[(n + shift) % 4],)) for n, kind in enumerate(kinds)]
    wanted = [(kind, w) for kind, ws in turns for w in widths or ws]
    named = (f"{kind}x{width // int(kind[1:])}" for kind, width in wanted)
    return tuple(name if name in VECTORS else f"{name.split('x')[0]}x2" for name in named)


@dataclass(frozen=True)
class Case:
    """`text` in terms of T, x, y, z (loaded), and what it stores, as numpy has it."""

    name: str
    text: str
    expected: Callable[..., Any]
    types: tuple[str, ...]
    data: str = "plain"


def numbers(kind: str, data: str, rng: np.random.Generator) -> Array:
    """64 bytes of lanes: the whole range of integers, or small; floats with or without oddities."""
    kind_of = dtype(kind)
    count = SLOT // kind_of.itemsize
    if kind not in FLOATS:
        whole = np.frombuffer(rng.bytes(SLOT), kind_of).copy()
        edge = np.iinfo(kind_of)
        whole[rng.integers(0, count, 3)] = [edge.max, edge.min, edge.max]
        return whole % 7 if data == "small" else whole
    values = (rng.normal(size=count) * 100).astype(kind_of)
    if data == "odd":
        values[:8] = rng.permuted(np.array([np.nan, np.inf, -np.inf, 0, -0.0, 3e9, -3e9, 1e-30]))[
            : values[:8].size
        ]
    return values


def buffers(case: Case) -> tuple[Array, Array, Array]:
    """Three operands for every type of a case, always the same."""
    rng = np.random.default_rng(sum(case.name.encode()))
    made = [
        np.concatenate(
            [numbers(VECTORS[t][0], case.data, rng).view(np.uint8) for t in case.types]
        )
        for _ in range(3)
    ]
    return made[0], made[1], made[2]


def source(case: Case) -> str:
    lines = ["def run(a, b, c, out):"]
    for n, name in enumerate(case.types):
        kind, lanes = VECTORS[name]
        spell = {"KIND": kind, "LANES": lanes, "BITS": int(kind[1:]), "M": f"simd.m{lanes}"}
        text = case.text
        for old, new in {"{T}": f"simd.{name}", **{f"{{{k}}}": v for k, v in spell.items()}}.items():
            text = text.replace(old, str(new))
        body = f"""\
            x = simd.load(simd.{name}, a, {SLOT * n})
            y = simd.load(simd.{name}, b, {SLOT * n})
            z = simd.load(simd.{name}, c, {SLOT * n})
            simd.store(out, {SLOT * n}, {text})
        """
        for operand in ("x", "y", "z"):
            body = body.replace(f"            {operand} = ", f"            {operand}{n} = ")
        lines.append(textwrap.indent(textwrap.dedent(_numbered(body, n)), "    "))
    return "\n".join(lines)


def _numbered(body: str, n: int) -> str:
    """x, y, z of one type in names of their own."""
    import re

    return re.sub(r"\b([xyz])\b(?! = )", rf"\g<1>{n}", body)


def run(case: Case) -> list[bytes]:
    """What the compiled case stores, for each type."""
    a, b, c = buffers(case)
    out = np.zeros_like(a)
    names: dict[str, Any] = {"simd": simd, "np": np, "ORDER": ORDER}
    exec(source(case), names)
    njit(names["run"])(a, b, c, out)
    return [out[at : at + SLOT].tobytes() for at in range(0, out.size, SLOT)]


def expected(case: Case) -> Iterator[bytes]:
    """What numpy says of each type, zero up to the slot's end."""
    for n, name in enumerate(case.types):
        kind, lanes = VECTORS[name]
        operands = (
            given[SLOT * n : SLOT * (n + 1)].view(dtype(kind))[:lanes] for given in buffers(case)
        )
        with np.errstate(all="ignore"):
            yield np.asarray(case.expected(*operands)).tobytes().ljust(SLOT, b"\0")


ORDER = (5, 0, 3, 3)


def bits_of(mask: Array) -> np.uint64:
    return np.uint64(sum(int(bit) << lane for lane, bit in enumerate(mask)))


def wide(x: Array) -> Array:
    return x.astype(object)


def clipped(value: Any, x: Array) -> Array:
    edge = np.iinfo(x.dtype)
    return np.clip(value, edge.min, edge.max).astype(x.dtype)


def shifted(left: bool, x: Array, by: Array) -> Array:
    last = 8 * x.itemsize - 1
    amounts = [int(b) % (1 << last + 1) for b in by]
    moved = [
        (int(v) << b if left else int(v) >> b) if b <= last else (0 if left else int(v) >> last)
        for v, b in zip(x, amounts, strict=True)
    ]
    if not left and x.dtype.kind == "u":
        moved = [m if b <= last else 0 for m, b in zip(moved, amounts, strict=True)]
    return wrapped(moved, x)


def wrapped(values: Any, x: Array) -> Array:
    bits = 8 * x.itemsize
    unsigned = np.array([int(v) % (1 << bits) for v in values], np.dtype(f"u{x.itemsize}"))
    return unsigned.view(x.dtype)


def funnelled(high: Array, low: Array, by: Array) -> Array:
    bits = 8 * high.itemsize
    joined = [
        ((int(h) % (1 << bits)) << bits | int(lo) % (1 << bits)) << int(b) % bits >> bits
        for h, lo, b in zip(high, low, by, strict=True)
    ]
    return wrapped(joined, high)


def halved(x: Array, pair: Callable[[Array, Array], Array]) -> Array:
    while x.size > 1:
        x = pair(x[: x.size // 2], x[x.size // 2 :])
    return x


def fused(x: Array, y: Array, z: Array) -> Array:
    if x.dtype == np.float32:  # the product is exact in 53 bits, and so is the sum, nearly always
        from fractions import Fraction

        exact = [Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)) for a, b, c in
                 zip(x, y, z, strict=True)]  # fmt: skip
        return np.array([_rounded(e) for e in exact], np.float32)
    from fractions import Fraction

    return np.array(
        [float(Fraction(a) * Fraction(b) + Fraction(c)) for a, b, c in
         zip(x.tolist(), y.tolist(), z.tolist(), strict=True)]
    )  # fmt: skip


def _rounded(exact: Any) -> np.float32:
    """The nearest float32, from its neighbours: rounding twice may miss it."""
    near = np.float32(float(exact))
    around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    from fractions import Fraction

    return min(around, key=lambda v: abs(Fraction(float(v)) - exact))


def sign(x: Array) -> int:
    return -1


CASES: list[Case] = []


def case(name: str, text: str, want: Callable[..., Any], of: tuple[str, ...], data: str = "plain") -> None:
    CASES.append(Case(name, text, want, of, data))


def _arithmetic() -> None:
    every = types(*KINDS)
    case("add", "x + y", lambda x, y, z: x + y, types(*KINDS, widths=WIDTHS))
    case("sub", "x - y", lambda x, y, z: x - y, types(*KINDS, shift=1))
    case("mul", "x * y", lambda x, y, z: x * y, types(*KINDS, shift=2))
    case("div", "x / y", lambda x, y, z: x / y, types(*FLOATS, widths=WIDTHS))
    case("neg", "-x", lambda x, y, z: -x, types(*KINDS, shift=3))
    case("and", "x & y", lambda x, y, z: x & y, types(*INTEGERS))
    case("or", "x | y", lambda x, y, z: x | y, types(*INTEGERS, shift=1))
    case("xor", "x ^ y", lambda x, y, z: x ^ y, types(*INTEGERS, shift=2))
    case("not", "~x", lambda x, y, z: ~x, types(*INTEGERS, shift=3))
    case("number", "(3 + x) * 2 - 1", lambda x, y, z: (3 + x) * 2 - 1, every)
    case("left", "x << (y & 127)", lambda x, y, z: shifted(True, x, y & 127), types(*INTEGERS))
    case("right", "x >> (y & 127)", lambda x, y, z: shifted(False, x, y & 127), types(*INTEGERS))
    case("right small", "x >> y", lambda x, y, z: shifted(False, x, y), types(*INTEGERS), "small")
    case("left by 3", "x << 3", lambda x, y, z: x << 3, types(*INTEGERS, shift=3))
    case("right by 3", "x >> 3", lambda x, y, z: x >> 3, types(*INTEGERS, shift=3))
    for data in ("plain", "odd", "small"):
        kinds = KINDS if data == "plain" else FLOATS if data == "odd" else INTEGERS
        for sign_, ufunc in (("==", np.equal), ("!=", np.not_equal), ("<", np.less),
                            ("<=", np.less_equal), (">", np.greater), (">=", np.greater_equal)):  # fmt: skip
            case(f"{sign_} {data}", f"simd.bits(x {sign_} y)",
                 lambda x, y, z, f=ufunc: bits_of(f(x, y)), types(*kinds), data)  # fmt: skip


def _lanes() -> None:
    every, whole = types(*KINDS, shift=1), types(*INTEGERS)
    for data in ("plain", "odd"):
        case(f"min {data}", "simd.min(x, y)", lambda x, y, z: np.where(x < y, x, y), every, data)
        case(f"max {data}", "simd.max(x, y)", lambda x, y, z: np.where(x > y, x, y), every, data)
    case("abs", "simd.abs(x)", lambda x, y, z: np.abs(x), types(*KINDS, shift=2), "odd")
    case("sqrt", "simd.sqrt(simd.abs(x))", lambda x, y, z: np.sqrt(np.abs(x)), types(*FLOATS, widths=WIDTHS))
    case("fma", "simd.fma(x, y, z)", lambda x, y, z: fused(x, y, z), types(*FLOATS, widths=WIDTHS))
    case("add_sat", "simd.add_sat(x, y)", lambda x, y, z: clipped(wide(x) + wide(y), x), whole)
    case("sub_sat", "simd.sub_sat(x, y)", lambda x, y, z: clipped(wide(x) - wide(y), x), whole)
    case("avg", "simd.avg(x, y)", lambda x, y, z: wrapped((wide(x) + wide(y) + 1) // 2, x), types(*NARROW))
    case("mulhi", "simd.mulhi(x, y)",
         lambda x, y, z: wrapped(wide(x) * wide(y) // (1 << 8 * x.itemsize), x), types(*NARROW, shift=1))  # fmt: skip
    case("popcount", "simd.popcount(x)",
         lambda x, y, z: wrapped([(int(v) % (1 << 8 * x.itemsize)).bit_count() for v in x], x), types(*INTEGERS, widths=WIDTHS))  # fmt: skip
    case("clz", "simd.clz(x)",
         lambda x, y, z: wrapped([8 * x.itemsize - (int(v) % (1 << 8 * x.itemsize)).bit_length() for v in x], x), whole, "small")  # fmt: skip
    case("ctz", "simd.ctz(x)",
         lambda x, y, z: wrapped([(int(v) & -int(v)).bit_length() - 1 if v else 8 * x.itemsize for v in x], x), whole, "small")  # fmt: skip
    case("rotate", "simd.rotate(x, y)", lambda x, y, z: funnelled(x, x, y), whole)
    case("funnel", "simd.funnel(x, y, z)", funnelled, whole)
    case("funnel by 5", "simd.funnel(x, y, 5)", lambda x, y, z: funnelled(x, y, x * 0 + 5), whole)
    case("select", "simd.select(x < y, y, z)", lambda x, y, z: np.where(x < y, y, z), types(*KINDS, widths=WIDTHS))
    case("dot", "simd.dot(simd.bitcast(simd.i32x{Q}, z), simd.bitcast(simd.u8x{LANES}, x), y)".replace("{Q}", "4"),
         _dotted, ("i8x16",))  # fmt: skip
    for n in (8, 16):
        case(f"dot {n}", f"simd.dot(simd.bitcast(simd.i32x{n}, z), simd.bitcast(simd.u8x{{LANES}}, x), y)",
             _dotted, (f"i8x{4 * n}",))  # fmt: skip


def _dotted(x: Array, y: Array, z: Array) -> Array:
    products = x.view(np.uint8).astype(np.int64) * y.astype(np.int64)
    total = z.view(np.int32)
    return wrapped(total.astype(np.int64) + products.reshape(-1, 4).sum(1), total)


def _making() -> None:
    case("splat", "simd.splat({T}, 7) + x", lambda x, y, z: x + x.dtype.type(7), types(*KINDS))
    case("zero", "simd.zero({T})", lambda x, y, z: x * 0, types(*INTEGERS))
    case("iota", "simd.iota({T})", lambda x, y, z: np.arange(x.size).astype(x.dtype), types(*KINDS))
    case("lane", "simd.lane(x, 1)", lambda x, y, z: x[1], types(*KINDS))
    case("lane at", "simd.lane(x, a[0])", lambda x, y, z: x[1], types("u8", "u8"), "one")
    case("with_lane", "simd.with_lane(x, 1, 9)", lambda x, y, z: np.where(np.arange(x.size) == 1, x.dtype.type(9), x), types(*KINDS, shift=1))
    halves = types(*KINDS, widths=(256, 512))
    case("low", "simd.low(x)", lambda x, y, z: x[: x.size // 2], halves)
    case("high", "simd.high(x)", lambda x, y, z: x[x.size // 2 :], halves)
    case("concat", "simd.concat(simd.high(x), simd.low(y))", lambda x, y, z: np.concatenate([x[x.size // 2 :], y[: y.size // 2]]), halves)
    case("vector", "simd.vector({T}, (3, -1, 2, 250)) + x", lambda x, y, z: wrapped([3, -1, 2, 250], x) + x, ("u8x8", "i16x4", "u32x4", "u64x4", "i32x4")[1:])
    case("shuffle", "simd.shuffle(x, ORDER)", lambda x, y, z: x[list(ORDER)], types("f32", "u16", "i16", "u32", widths=(256, 512)))
    case("shuffle two", "simd.shuffle(x, y, (0, 15, 7, 8))", lambda x, y, z: np.concatenate([x, y])[[0, 15, 7, 8]], ("f32x8", "u32x8", "i64x8", "u16x8"))
    for target in KINDS:
        lanes = 8
        sources = tuple(f"{k}x{lanes}" for k in KINDS if f"{k}x{lanes}" in VECTORS and f"{target}x{lanes}" in VECTORS)
        case(f"convert {target}", f"simd.convert(simd.{target}x{lanes}, x)", lambda x, y, z, t=target: _converted(x, t), sources, "odd")
    for target, source_ in (("u8", "i16"), ("i8", "i16"), ("u8", "u16"), ("u16", "i32"), ("i16", "i32"), ("u8", "u32"), ("i32", "i64"), ("i8", "u16"), ("u8", "i32")):
        case(f"saturate {source_} {target}", f"simd.saturate(simd.{target}x8, x)",
             lambda x, y, z, t=target: clipped(wide(x), np.empty(0, dtype(t))), (f"{source_}x8",))  # fmt: skip
    case("bitcast", "simd.bitcast(simd.u8x64, x)", lambda x, y, z: x.view(np.uint8), types(*KINDS, widths=(512,)))


def _converted(x: Array, target: str) -> Array:
    to = dtype(target)
    if target in FLOATS:
        return x.astype(to)
    if x.dtype.kind != "f":
        return wrapped(x, np.empty(0, to))
    edge = np.iinfo(to)
    whole = [0 if np.isnan(v) else v if np.isinf(v) else int(v) for v in x.tolist()]
    return np.array([min(max(v, edge.min), edge.max) for v in whole], to)


def _across() -> None:
    for size in (8, 16, 32, 64):
        unsigned, order = types(f"u{size}", widths=WIDTHS), f"u{size}"
        case(f"lookup {size}", "simd.lookup(x, y)", lambda x, y, z: x[y % x.size], unsigned)
        case(f"lookup2 {size}", "simd.lookup2(x, z, y)", lambda x, y, z: np.concatenate([x, z])[y % (2 * x.size)], unsigned)
        smaller = types(f"u{size}", widths=WIDTHS[1:] if size < 64 else WIDTHS[2:])
        case(f"lookup {size} in a half", "simd.lookup(simd.low(x), y)", lambda x, y, z: x[y % (x.size // 2)], smaller)
        case(f"lookup {size} of a half", "simd.lookup(x, simd.low(y))", lambda x, y, z: x[y[: x.size // 2] % x.size], smaller)
        assert order in KINDS
    case("lookup nibble", "simd.lookup(simd.vector(simd.u8x16, NIBBLES), x)".replace("NIBBLES", str(tuple(range(0, 160, 10)))),
         lambda x, y, z: (x % 16 * 10).astype(np.uint8), types("u8", widths=WIDTHS))  # fmt: skip
    case("lookup floats", "simd.lookup(x, simd.bitcast(simd.i{BITS}x{LANES}, y))", lambda x, y, z: x[y.view(f"u{y.itemsize}") % x.size], types(*FLOATS, widths=WIDTHS))
    every = types(*KINDS, widths=WIDTHS)
    case("compress", "simd.compress(x, y > z)", lambda x, y, z: np.append(x[y > z], np.zeros((y <= z).sum(), x.dtype)), every)
    case("expand", "simd.expand(x, y > z)", _expanded, every)
    whole = types(*INTEGERS, widths=WIDTHS)
    case("reduce_add", "simd.reduce_add(x)", lambda x, y, z: halved(x, np.add), every)
    case("reduce_min", "simd.reduce_min(x)", lambda x, y, z: x.min(), every)
    case("reduce_max", "simd.reduce_max(x)", lambda x, y, z: x.max(), every)
    case("reduce_and", "simd.reduce_and(x | y)", lambda x, y, z: np.bitwise_and.reduce(x | y), types(*INTEGERS))
    case("reduce_or", "simd.reduce_or(x & y)", lambda x, y, z: np.bitwise_or.reduce(x & y), types(*INTEGERS))
    case("reduce_xor", "simd.reduce_xor(x)", lambda x, y, z: np.bitwise_xor.reduce(x), types(*INTEGERS))
    assert whole


def _expanded(x: Array, y: Array, z: Array) -> Array:
    out = np.zeros_like(x)
    out[y > z] = x[: (y > z).sum()]
    return out


def _masks() -> None:
    every = types(*KINDS, widths=WIDTHS)
    case("count", "simd.count(x > y)", lambda x, y, z: (x > y).sum(), every)
    case("any all", "np.uint8(simd.any(x > y)) * 2 + np.uint8(simd.all(x == x))", lambda x, y, z: np.int64((x > y).any() * 2 + 1), types(*KINDS))
    case("logic", "simd.bits((x > y) & (y > z) | ~(x > z) ^ (x == x))", lambda x, y, z: bits_of((x > y) & (y > z) | ~(x > z) ^ (x == x)), types(*KINDS))
    case("mask", "simd.select(simd.mask({M}, 0x5A5A5A5A5A5A5A5A), x, y)", lambda x, y, z: np.where(0x5A5A5A5A5A5A5A5A >> np.arange(x.size) & 1, x, y), every)
    case("first", "simd.bits(simd.first({M}, np.int64(a[0]) - 20))", lambda x, y, z: x, ())
    case("halves", "simd.bits(simd.concat(simd.high(x > y), simd.low(x > y)))", lambda x, y, z: bits_of(np.roll(x > y, x.size // 2)), types(*KINDS, widths=WIDTHS[2:]))
    case("load_masked", "simd.load_masked({T}, b, 8, x > y)", lambda x, y, z: x, ())


for build in (_arithmetic, _lanes, _making, _across, _masks):
    build()
CASES[:] = [c for c in CASES if c.types and c.data != "one"]


if __name__ == "__main__":
    chosen = [c for c in CASES if not sys.argv[1:] or c.name in sys.argv[1:]]
    json.dump({c.name: [part.hex() for part in run(c)] for c in chosen}, sys.stdout)
