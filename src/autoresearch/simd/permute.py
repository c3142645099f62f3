"""Lookups in a register by indices in a register: the best instruction that there is, or several.

Values are vectors of unsigned integers; an index counts modulo the size of the table.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir

from .emit import I8, I32, I64, Emit, Value
from .kinds import Vector
from .target import has


class Native(NamedTuple):
    """An instruction that looks `lanes` indices up in as many entries, modulo their number."""

    lanes: int
    needs: tuple[str, ...]
    name: str


def _natives(letters: str, bits: int, feature: str) -> tuple[Native, ...]:
    """AVX-512's permutation for one width of lane, narrowest first."""
    return tuple(
        Native(width // bits, (feature, *needs), f"llvm.x86.avx512.permvar.{letters}.{width}")
        for width, needs in ((128, ("avx512vl",)), (256, ("avx512vl",)), (512, ()))
        if bits < 32 or width > 128  # four words or two double words have none
    )


PERMUTES = {
    8: _natives("qi", 8, "avx512vbmi"),
    16: _natives("hi", 16, "avx512bw"),
    32: (Native(8, ("avx2",), "llvm.x86.avx2.permd"), _natives("si", 32, "avx512f")[-1]),
    64: _natives("di", 64, "avx512f"),
}
# From a table of 16 bytes, the same for every 16 indices.
NIBBLES = (
    Native(64, ("avx512bw",), "llvm.x86.avx512.pshuf.b.512"),
    Native(32, ("avx2",), "llvm.x86.avx2.pshuf.b"),
    Native(16, ("ssse3",), "llvm.x86.ssse3.pshuf.b.128"),
    Native(16, ("neon",), "llvm.aarch64.neon.tbl1.v16i8"),
)
TWO_TABLES = {8: ("qi", "avx512vbmi"), 16: ("hi", "avx512bw"), 32: ("d", "avx512f")}
TWO_TABLES[64] = ("q", "avx512f")


def permuted(e: Emit, table: Value, index: Value) -> Value:
    """table[index[i]] in lane i."""
    bits, entries, lanes = table.type.element.width, table.type.count, index.type.count
    nibble = next((native for native in NIBBLES if _there(native)), None)
    if bits == 8 and entries <= 16 and nibble:
        return _by_nibble(e, nibble, table, index)
    natives = [native for native in PERMUTES[bits] if _there(native)]
    for native in natives:
        if native.lanes >= max(entries, lanes):
            return _direct(e, native, table, index)
    if lanes > entries and lanes * bits > 128:
        return _in_halves(e, table, index)
    if natives or (bits == 8 and nibble):
        return _chosen(e, *e.halves(table), index)
    return _by_bytes(e, table, index) if nibble and bits > 8 else _one_by_one(e, table, index)


def permuted2(e: Emit, low: Value, high: Value, index: Value) -> Value:
    """(low + high)[index[i]] in lane i."""
    bits, entries = low.type.element.width, low.type.count
    letters, feature = TWO_TABLES[bits]
    width = bits * entries
    fits = width == 512 or (width >= 128 and has("avx512vl"))
    if has(feature) and fits and index.type.count == entries:
        name = f"llvm.x86.avx512.vpermi2var.{letters}.{width}"
        return e.call(name, low.type, low, index, high)
    return _chosen(e, low, high, index)


def _there(native: Native) -> bool:
    return all(map(has, native.needs))


def _modulo(e: Emit, index: Value, entries: int) -> Value:
    return e.build.and_(index, ir.Constant(index.type, [entries - 1] * index.type.count))


def _direct(e: Emit, native: Native, table: Value, index: Value) -> Value:
    lanes = index.type.count
    if table.type.count < native.lanes:
        index = _modulo(e, index, table.type.count)
    table, index = (e.cut(value, 0, native.lanes) for value in (table, index))
    return e.cut(e.call(native.name, table.type, table, index), 0, lanes)


def _by_nibble(e: Emit, native: Native, table: Value, index: Value) -> Value:
    lanes = index.type.count
    if lanes > native.lanes:
        return _in_halves(e, table, index)
    if lanes < 16:
        return e.cut(_by_nibble(e, native, table, e.cut(index, 0, 16)), 0, lanes)
    index = _modulo(e, index, table.type.count)
    fitting = [n for n in NIBBLES if _there(n) and n.lanes == lanes]
    every = e.join(*[e.cut(table, 0, 16)] * (lanes // 16))
    return e.call(fitting[0].name, every.type, *(every, index))


def _in_halves(e: Emit, table: Value, index: Value) -> Value:
    return e.join(*(permuted(e, table, half) for half in e.halves(index)))


def _chosen(e: Emit, low: Value, high: Value, index: Value) -> Value:
    """Both tables are asked; the bit above their indices says which answer counts."""
    bit = ir.Constant(index.type, [low.type.count] * index.type.count)
    upper = e.build.icmp_unsigned("!=", e.build.and_(index, bit), ir.Constant(index.type, None))
    return e.build.select(upper, permuted(e, high, index), permuted(e, low, index))


def _by_bytes(e: Emit, table: Value, index: Value) -> Value:
    """Index 3 of four-byte entries stands for the bytes 12, 13, 14, 15."""
    size, entries, lanes = table.type.element.width // 8, table.type.count, index.type.count
    each = sum(size << 8 * at for at in range(size))
    steps = sum(at << 8 * at for at in range(size))
    index = _modulo(e, index, entries)
    scaled = e.build.mul(index, ir.Constant(index.type, [each] * lanes))
    places = e.build.add(scaled, ir.Constant(index.type, [steps] * lanes))
    places = e.build.bitcast(places, Vector("u8", size * lanes).llvm)
    found = permuted(e, e.build.bitcast(table, Vector("u8", size * entries).llvm), places)
    return e.build.bitcast(found, index.type)


def _one_by_one(e: Emit, table: Value, index: Value) -> Value:
    place = e.spill(table)
    index = _modulo(e, index, table.type.count)
    found = ir.Constant(index.type, ir.Undefined)
    for lane in range(index.type.count):
        at = e.build.extract_element(index, I32(lane))
        at = at if at.type == I64 else e.build.zext(at, I64)
        slot = e.slot(place, at, table.type.element)
        value = e.build.load(slot, typ=table.type.element)
        found = e.build.insert_element(found, value, I32(lane))
    return found


def packed(e: Emit, value: Value, mask: Value, by_indices: bool) -> Value:
    """The lanes in the mask moved together, zero behind them; `by_indices` needs BMI2.

    Not `llvm.experimental.vector.compress`: LLVM 22 breaks off at vectors of 64 bits, at floats
    without AVX-512, and with AVX-512F alone.
    """
    lanes = value.type.count
    flat = e.build.bitcast(mask, ir.IntType(lanes))
    flat = flat if lanes == 64 else e.build.zext(flat, I64)
    moved = (_by_indices if by_indices else _by_stores)(e, value, mask, flat)
    counted = e.build.trunc(e.call("llvm.ctpop.i64", I64, flat), I8)
    bytes_ = Vector("u8", lanes)
    kept = e.build.icmp_unsigned("<", e.constant(bytes_, range(lanes)), e.splat(bytes_, counted))
    return e.build.select(kept, moved, ir.Constant(value.type, None))


def _by_indices(e: Emit, value: Value, _: Value, flat: Value) -> Value:
    """A byte for each bit of the mask picks among the numbers of the lanes, as `pext` does."""
    lanes, bits = value.type.count, ir.IntType(value.type.count * 8)
    chosen = e.call("llvm.x86.bmi.pdep.64", I64, flat, I64(0x0101010101010101))
    chosen = e.build.mul(chosen, I64(255))
    order = e.call("llvm.x86.bmi.pext.64", I64, I64(0x0706050403020100), chosen)
    order = order if lanes == 8 else e.build.trunc(order, bits)
    order = e.build.bitcast(order, Vector("u8", lanes).llvm)
    whole = ir.VectorType(ir.IntType(width(value.type.element)), lanes)
    order = order if whole.element == I8 else e.build.zext(order, whole)
    return e.build.bitcast(permuted(e, e.build.bitcast(value, whole), order), value.type)


def _by_stores(e: Emit, value: Value, mask: Value, _: Value) -> Value:
    """Every lane is stored, and the next over it unless it counted."""
    place, at = e.spill(value), I64(0)
    for lane in range(value.type.count):
        slot = e.slot(place, at, value.type.element)
        e.build.store(e.build.extract_element(value, I32(lane)), slot)
        at = e.build.add(at, e.build.zext(e.build.extract_element(mask, I32(lane)), I64))
    return e.build.load(place, typ=value.type)


def width(element: ir.Type) -> int:
    """Bits of a lane."""
    return {ir.FloatType(): 32, ir.DoubleType(): 64}.get(element) or int(element.width)
