"""What dictionary is checked and timed on: a dictionary once, codes afresh for every operation.

A spec holds the type of the values (the op's name), k of them, n codes and their distribution;
of strings also the kind of text and their mean width in bytes (those of `mixed` are as drawn).
"""

import numpy as np

from autoresearch import Work, Workload, draw

DATA = "integers"
MIXED = 44  # bytes of the longest string of `draw`'s mixed text: eleven characters of four
SOURCE = 2000  # texts that strings are cut from
ODD = (np.nan, np.inf, -np.inf, -0.0, 5e-324)
DISTS = ("uniform", "skewed", "runs", "sorted", "few", "clustered", "largest")


def _workload(op, k, n, dist, text="", width=8):
    spec = {"type": op, "k": k, "n": n, "dist": dist, "text": text, "width": width}
    return Workload(op, spec)


def _each_op(k, n, dist):
    """Of strings both cut ones and mixed ones, some of them empty."""
    return (
        _workload("i64", k, n, dist),
        _workload("f64", k, n, dist),
        _workload("utf8", k, n, dist, "urls", 1 + n % 40),
        _workload("utf8", k, n, dist, "mixed", MIXED),
    )


BATTERY = (
    *_each_op(0, 0, "uniform"),
    *_each_op(1, 1, "uniform"),
    *_each_op(3, 0, "uniform"),
    *(w for i, dist in enumerate(DISTS) for w in _each_op(200, 1021 + 7 * i, dist)),
    *(w for i, n in enumerate((2, 7, 8, 15, 17, 64)) for w in _each_op(5 + 60 * i, n, "uniform")),
    *_each_op(1500, 333, "skewed"),
    _workload("utf8", 9, 100, "uniform", "empty", 0),
    _workload("utf8", 300, 500, "uniform", "logs", 150),
)

WORKLOADS = (
    _workload("i64", 200, 1 << 16, "skewed"),
    _workload("i64", 200_000, 1 << 20, "uniform"),
    _workload("f64", 5000, 1 << 16, "runs"),
    _workload("f64", 200_000, 1 << 16, "sorted"),
    _workload("utf8", 200, 1 << 18, "few", "english", 10),
    _workload("utf8", 5000, 1 << 16, "uniform", "english", 10),
    _workload("utf8", 200_000, 1 << 16, "skewed", "english", 10),
    _workload("utf8", 200, 1 << 16, "runs", "logs", 24),
    _workload("utf8", 5000, 1 << 16, "skewed", "urls", 24),
    _workload("utf8", 200_000, 1 << 16, "uniform", "urls", 24),
)

JITTER = {
    "n": range(40_000, 90_000),
    "k": (150, 300, 1000, 5000, 20_000, 100_000),
    "dist": ("uniform", "skewed", "runs", "sorted"),
}


def data(rows, width):
    """A user's integers as codes, fitted below k as `draw` does it: their order and runs stay."""
    n = min(rows, 1 << 16)
    return (
        _workload("i64", 5000, n, "data"),
        _workload("utf8", 200, n, "data", "english", 10),
        _workload("utf8", 5000, n, "data", "urls", 24),
    )


def static(rng, spec):
    """The dictionary of the spec's type; those of other types are empty."""
    kind, k = spec["type"], spec["k"]
    longs = rng.integers(-(1 << 63), 1 << 63, k if kind == "i64" else 0)
    doubles = rng.standard_normal(k if kind == "f64" else 0)
    doubles[: len(ODD)] = ODD[: doubles.size]
    none = np.zeros(1, np.int32), np.empty(0, np.uint8)
    offsets, text = _strings(rng, spec) if kind == "utf8" else none
    return {"longs": longs, "doubles": doubles, "offsets": offsets, "text": text}


def each(rng, spec, static):
    return {"codes": draw.integers(rng, spec["n"], max(spec["k"], 1), spec["dist"])}


def capacity(spec, each):
    n = spec["n"]
    if spec["type"] != "utf8":
        return {"out": n}
    return {"out_offsets": n + 1, "out": n * _range(spec)[1]}


def work(workload):
    """Every code is read and every row written; what is read of the dictionary lies in a cache."""
    spec = workload.spec
    least = 4 + _range(spec)[0] if workload.op == "utf8" else 8
    return Work(bytes=spec["n"] * (4 + least), units=spec["n"])


def _range(spec):
    """Bytes of the shortest and of the longest string that the dictionary may hold."""
    half = spec["width"] // 2
    return (0, MIXED) if spec["text"] == "mixed" else (spec["width"] - half, spec["width"] + half)


def _strings(rng, spec):
    if spec["text"] == "mixed":
        return draw.strings(rng, spec["k"], "mixed")
    _, text = draw.strings(rng, SOURCE, spec["text"])
    least, most = _range(spec)
    return _cut(rng, text, rng.integers(least, most + 1, spec["k"]), most)


def _cut(rng, text, lengths, longest):
    """Strings of these lengths from random places of the text: offsets i32[k + 1] and bytes."""
    begins = rng.integers(0, max(text.size - longest, 1), lengths.size)
    offsets = np.append(0, np.cumsum(lengths))
    inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return offsets.astype(np.int32), text[np.repeat(begins, lengths) + inside]
