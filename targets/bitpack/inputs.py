"""What bitpack is checked and timed on: integers below 2^width, packed afresh for every operation.

A spec holds the layout (the op's name), the width in bits, n values and their distribution.
"""

import numpy as np

from autoresearch import Work, Workload, draw

DATA = "integers"
BLOCK, LANES = 1024, 32  # FastLanes for u32: values a block, words side by side
GROUPS = (0, 64, 32, 96)  # where eight consecutive rows of a block start in its values
ROWS = np.array([GROUPS[row // 8] + 128 * (row % 8) for row in range(32)])
EDGES = (0, 1, 2, 31, 32, 33, 127, 1023, 1024, 1025, 2048, 4099)
SPREAD = ("uniform", "skewed", "clustered", "few", "sorted", "runs", "largest")


def _workload(op, width, n, dist):
    return Workload(op, {"layout": op, "width": width, "n": n, "dist": dist})


def _both(width, n, dist):
    return _workload("decode", width, n, dist), _workload("fastlanes", width, n, dist)


# Every width; lengths and distributions run in cycles of 12 and 7, so that their pairs all differ.
BATTERY = tuple(
    workload
    for width in range(1, 33)
    for workload in _both(width, EDGES[5 * width % 12], SPREAD[width % 7])
) + (*_both(1, 1, "largest"), *_both(32, 1, "largest"), *_both(31, 3000, "uniform"))

WORKLOADS = (
    _workload("decode", 1, 1 << 16, "runs"),
    _workload("decode", 7, 1 << 20, "skewed"),
    _workload("decode", 11, 1 << 16, "clustered"),
    _workload("decode", 17, 1 << 16, "uniform"),
    _workload("decode", 24, 1 << 20, "uniform"),
    _workload("fastlanes", 1, 1 << 20, "uniform"),
    _workload("fastlanes", 3, 1 << 16, "skewed"),
    _workload("fastlanes", 7, 1 << 16, "runs"),
    _workload("fastlanes", 11, 1 << 20, "uniform"),
    _workload("fastlanes", 24, 1 << 16, "clustered"),
)

JITTER = {
    "width": range(2, 29),
    "n": range(40_000, 90_000),
    "dist": ("uniform", "skewed", "clustered", "runs", "sorted"),
}


def data(rows, width):
    """A user's integers at two widths, fitted into each as `draw` does it."""
    n = min(rows, 1 << 16)
    return (*_both(11, n, "data"), *_both(24, n, "data"))


def static(rng, spec):
    return {}


def each(rng, spec, static):
    width = spec["width"]
    values = draw.integers(rng, spec["n"], 1 << width, spec["dist"])
    pack = _blocks if spec["layout"] == "fastlanes" else _stream
    return {"width": width, "packed": pack(values, width)}


def capacity(spec, each):
    return {"out": spec["n"]}


def work(workload):
    """Every packed bit is read once, and every value written."""
    n, width = workload.spec["n"], workload.spec["width"]
    return Work(bytes=-(-n * width // 8) + 4 * n, units=n)


def _stream(values, width):
    """32 values fill `width` words exactly: they are packed as one column of `_words`."""
    columns = _padded(values, 32).reshape(-1, 32).T
    return _words(columns, width).T.ravel()[: -(-values.size * width // 32)]


def _blocks(values, width):
    """Lanes of 32 values as columns, rows in FastLanes order, word groups block by block."""
    blocks = _padded(values, BLOCK).reshape(-1, BLOCK)
    rows = (blocks[:, start : start + LANES].ravel() for start in ROWS)
    words = _words(rows, width).reshape(width, -1, LANES)
    return np.ascontiguousarray(words.swapaxes(0, 1)).ravel()


def _words(rows, width):
    """u32[width, m] of 32 rows u32[m]: column j holds the values of all rows at j, bit by bit."""
    out = None
    for i, row in enumerate(rows):
        out = np.zeros((width + 1, row.size), np.uint32) if out is None else out
        word, shift = divmod(i * width, 32)
        out[word] |= row << np.uint32(shift)
        if shift + width > 32:
            out[word + 1] |= row >> np.uint32(32 - shift)
    return out[:width]


def _padded(values, to):
    out = np.zeros(-(-values.size // to) * to, np.uint32)
    out[: values.size] = values
    return out
