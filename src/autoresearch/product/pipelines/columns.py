"""Scans of encoded columns, chunk by chunk: decode, filter, and take what has passed.

One scan is over numbers (bit-packed and dictionary-encoded), one over text (FSST with bit-packed
lengths, and a column of tags).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ... import draw as drawing
from ..pipeline import Array, Arrays, Inputs, Kit, Pipeline, Run, Size, room

WIDTH = 17  # bits of the integer column
CODED = 13  # bits of a code: 8192 doubles in the dictionary
CHUNK, CHUNKS = 1 << 16, 8
TEXTS, TEXT_CHUNKS = 1 << 13, 8
TAGS = 200


def _packed(inputs: Inputs, rng: Generator, layout: str, width: int, n: int, chunks: int) -> Array:
    """u32[chunks, words]: uniform integers as the layout packs them."""
    spec = {"layout": layout, "width": width, "n": n, "dist": "uniform"}
    each = inputs("bitpack").each
    return np.stack([each(rng, spec, {})["packed"] for _ in range(chunks)])


def _draw_numbers(inputs: Inputs, rng: Generator, size: Size) -> dict[str, Array]:
    n = size.of(CHUNK // 1024) * 1024
    return {
        "a": _packed(inputs, rng, "fastlanes", WIDTH, n, CHUNKS),
        "codes": _packed(inputs, rng, "decode", CODED, n, CHUNKS),
        "doubles": rng.standard_normal(1 << CODED),
        "longs": rng.integers(-(1 << 63), 1 << 63, (CHUNKS, n)),
        "x": (rng.uniform(0.5, 0.9, size.batches) * (1 << WIDTH)).astype(np.int32),
        "y": rng.standard_normal(size.batches),
    }


def _open_numbers(kit: Kit, arrays: Arrays) -> Run:
    """SELECT long WHERE a > x AND b < y."""
    bitpack, dictionary, predicate, take = (
        kit[name] for name in ("bitpack", "dictionary", "predicate", "take")
    )
    n = arrays["longs"].shape[1]
    a, codes, rows = (room(n, np.uint32) for _ in range(3))
    b, out = room(n, np.float64), room(n, np.int64)

    def chunk(i: int, x: np.int32, y: float) -> Array:
        bitpack.fastlanes(WIDTH, arrays["a"][i], a)
        bitpack.decode(CODED, arrays["codes"][i], codes)
        dictionary.decode(arrays["doubles"], codes, b)
        found = predicate.filter_select(a.view(np.int32), b, x, y, rows)
        take.take(arrays["longs"][i], rows[:found], out[:found])
        return out[:found].copy()

    def run(batch: int) -> dict[str, Array]:
        x, y = arrays["x"][batch], float(arrays["y"][batch])
        return {"longs": np.concatenate([chunk(i, x, y) for i in range(CHUNKS)])}

    return run


def _draw_text(inputs: Inputs, rng: Generator, size: Size) -> dict[str, Array]:
    n = size.of(TEXTS // 1024) * 1024
    pool = inputs("fsst").static(rng, {"dist": "urls", "n": 1 << 16, "table": "same"})
    picks = rng.integers(0, len(pool["offsets"]) - 1, n * TEXT_CHUNKS)
    codes, ends = _gathered(pool["codes"], pool["code_offsets"], picks)
    names, text = drawing.strings(rng, TAGS, "english")
    lengths = np.diff(pool["offsets"])[picks].astype(np.uint8)  # one byte each: packed at 8 bits
    return {
        "a": _packed(inputs, rng, "fastlanes", WIDTH, n, TEXT_CHUNKS),
        "tags": rng.integers(0, TAGS, (TEXT_CHUNKS, n), np.uint8),
        "symbols": pool["symbols"],
        "symbol_lengths": pool["lengths"],
        "codes": codes,
        "code_ends": np.append(0, ends[n - 1 :: n]),
        "lengths": lengths.view(np.uint32).reshape(TEXT_CHUNKS, -1),
        "names": names,
        "text": text,
        "x": (rng.uniform(0.8, 0.95, size.batches) * (1 << WIDTH)).astype(np.int32),
        "listed": rng.integers(0, TAGS, (size.batches, 8), np.uint8),
    }


def _gathered(values: Array, offsets: Array, picks: Array) -> tuple[Array, Array]:
    """The picked stretches of values one after the other, and where each of them ends."""
    sizes = np.diff(offsets)[picks]
    ends = np.cumsum(sizes)
    inside = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
    return values[np.repeat(offsets[picks], sizes) + inside], ends


class Texts:
    """SELECT url, tag name WHERE a > x OR tag IN (eight): both columns as Arrow strings."""

    def __init__(self, kit: Kit, arrays: Arrays) -> None:
        self.kit, self.arrays = kit, arrays
        self.n = n = arrays["tags"].shape[1]
        self.a, self.lengths = room(n, np.uint32), room(n, np.uint32)
        self.bits, self.offsets = room(-(-n // 8), np.uint8), room(n + 1, np.int32)
        self.whole, self.out = (room(256 * n, np.uint8) for _ in range(2))
        self.ends = room(n + 1, np.int32)

    def rows(self, i: int, x: np.int32, listed: Array) -> Array:
        """u32: which rows of chunk i pass."""
        arrays, tags = self.arrays, self.arrays["tags"][i]
        self.kit["bitpack"].fastlanes(WIDTH, arrays["a"][i], self.a)
        self.kit["predicate"].filter_either(self.a.view(np.int32), tags, x, listed, self.bits)
        passed = np.unpackbits(self.bits, count=self.n, bitorder="little")
        return np.flatnonzero(passed).astype(np.uint32)

    def urls(self, i: int, rows: Array) -> tuple[Array, Array]:
        arrays, kit = self.arrays, self.kit
        kit["bitpack"].decode(8, arrays["lengths"][i], self.lengths)
        np.cumsum(self.lengths, out=self.offsets[1:])
        begin, end = arrays["code_ends"][i : i + 2]
        codes = arrays["codes"][begin:end]
        kit["fsst"].decode(arrays["symbols"], arrays["symbol_lengths"], codes, self.whole)
        ends = self.ends[: len(rows) + 1]
        size = kit["take"].take_utf8(self.offsets, self.whole, rows, ends, self.out)
        return ends.copy(), self.out[:size].copy()

    def names(self, i: int, rows: Array) -> tuple[Array, Array]:
        arrays, codes = self.arrays, self.arrays["tags"][i][rows].astype(np.uint32)
        ends = self.ends[: len(rows) + 1]
        decode = self.kit["dictionary"].decode_utf8
        size = decode(arrays["names"], arrays["text"], codes, ends, self.out)
        return ends.copy(), self.out[:size].copy()

    def run(self, batch: int) -> dict[str, Array]:
        parts = []
        for i in range(TEXT_CHUNKS):
            rows = self.rows(i, self.arrays["x"][batch], self.arrays["listed"][batch])
            parts.append((*self.urls(i, rows), *self.names(i, rows)))
        columns = ("url_ends", "urls", "name_ends", "names")
        return {
            name: np.concatenate(part)
            for name, part in zip(columns, zip(*parts, strict=True), strict=True)
        }


def _open_text(kit: Kit, arrays: Arrays) -> Run:
    return Texts(kit, arrays).run


_NUMBERS = ("bitpack", "dictionary", "predicate", "take")
PIPELINES = (
    Pipeline("scan-numbers", _NUMBERS, "exact", _draw_numbers, _open_numbers),
    Pipeline("scan-text", (*_NUMBERS, "fsst"), "exact", _draw_text, _open_text),
)
