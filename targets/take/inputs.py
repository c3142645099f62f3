"""What take is checked and timed on: a source once, indices afresh for every operation.

A spec holds the op, how many entries the source has, n, how the indices lie (`draw.INTEGERS`, or
`blocks`), the components of a row, and of strings the kind of text. Of n values a quarter as many
strings and a sixteenth as many rows are taken, which cost that much more each.
"""

import numpy as np

from autoresearch import Work, Workload, draw

DATA = "text"
PER = {"rows": 16, "utf8": 4}
BLOCK = 64  # indices that follow each other, as in a page that was read
DRAWN = 1 << 14  # texts; a larger source is made of stretches of these
LEAST = {"english": 12, "urls": 35, "logs": 60}  # bytes of a text on average, at least
DISTS = (*draw.INTEGERS, "blocks")


def _take(op, source, n, dist, text="", width=128):
    facts = {"op": op, "source": source, "n": n, "dist": dist}
    return Workload(op, {**facts, "width": width, "text": text})


def _every(source, n, dist, width=128):
    fixed = (_take(op, source, n, dist) for op in ("words", "longs", "nullable"))
    texts = (_take("utf8", source, n * PER["utf8"], dist, text) for text in ("mixed", "logs"))
    return (*fixed, *texts, _take("rows", source, n * PER["rows"], dist, width=width))


BATTERY = (
    *_every(0, 0, "uniform"),
    *_every(5, 0, "uniform", 0),
    *_every(1, 1, "uniform", 1),
    *_every(1, 17, "largest", 3),
    *_every(8, 7, "uniform", 128),
    *_every(9, 64, "sorted", 127),
    *(w for i, dist in enumerate(DISTS) for w in _every(1000, 101 + 3 * i, dist, 1 + 9 * i)),
    *_every(70, 131, "blocks", 129),
    *_every(4099, 1023, "uniform", 16),
    _take("utf8", 50, 800, "uniform", "empty"),
    _take("utf8", 2000, 4000, "skewed", "english"),
    _take("utf8", 2000, 4000, "blocks", "urls"),
)

WORKLOADS = (
    _take("words", 1 << 16, 1 << 16, "uniform"),
    _take("words", 1 << 24, 1 << 16, "uniform"),
    _take("words", 1 << 20, 1 << 16, "blocks"),
    _take("longs", 1 << 16, 1 << 16, "uniform"),
    _take("longs", 1 << 21, 1 << 16, "sorted"),
    _take("nullable", 1 << 16, 1 << 16, "uniform"),
    _take("nullable", 1 << 20, 1 << 16, "sorted"),
    _take("rows", 1 << 17, 1 << 16, "uniform"),
    _take("rows", 1 << 14, 1 << 16, "blocks"),
    _take("utf8", 1 << 16, 1 << 16, "uniform", "english"),
    _take("utf8", 1 << 20, 1 << 16, "sorted", "english"),
    _take("utf8", 1 << 18, 1 << 16, "blocks", "urls"),
)

JITTER = {
    "source": range(40_000, 120_000),
    "n": range(40_000, 90_000),
    "dist": ("uniform", "sorted", "blocks", "skewed"),
}


def data(rows, width):
    """The user's texts by random positions: a few of them, and as many as a cache cannot hold."""
    sizes = ((1 << 13, 1 << 15), (1 << 18, 1 << 16))
    return tuple(_take("utf8", min(rows, most), n, "data", "data") for most, n in sizes)


def static(rng, spec):
    """The source of the spec's op; the others are empty."""
    op, size = spec["op"], spec["source"]
    longs = size if op in ("longs", "nullable") else 0
    offsets, text = _texts(rng, size if op == "utf8" else 0, spec["text"] or "empty")
    return {
        "words": rng.integers(0, 1 << 32, size if op == "words" else 0, np.uint32),
        "longs": rng.integers(-(1 << 63), 1 << 63, longs),
        "valid": draw.validity(rng, size if op == "nullable" else 0, 0.1),
        "rows": rng.random((size if op == "rows" else 0, spec["width"]), np.float32),
        "offsets": offsets,
        "text": text,
    }


def each(rng, spec, static):
    n, size = _count(spec), spec["source"]
    if spec["dist"] == "blocks" and size:
        starts = rng.integers(0, max(size - BLOCK, 0) + 1, -(-n // BLOCK))
        indices = ((starts[:, None] + np.arange(BLOCK)).ravel()[:n] % size).astype(np.uint32)
    else:
        dist = "uniform" if spec["dist"] in ("data", "blocks") else spec["dist"]
        indices = draw.integers(rng, n, max(size, 1), dist)
    if spec["op"] != "utf8":
        return {"indices": indices}
    lengths = np.diff(static["offsets"])
    return {"indices": indices, "total": np.int64(lengths[indices].sum())}


def capacity(spec, each):
    return {"out_offsets": _count(spec) + 1, "out": int(each.get("total", 0))}


def work(workload):
    """Indices are read, everything taken is written, and what was taken twice is read once."""
    spec = workload.spec
    n, source = _count(spec), max(spec["source"], 1)
    size = {"words": 4, "rows": 4 * spec["width"]}.get(workload.op, 8)
    if workload.op == "utf8":
        size = 4 + LEAST.get(spec["text"], 0)
    distinct = source * -np.expm1(-n / source) if spec["dist"] != "skewed" else 1
    bits = n / 8 if workload.op == "nullable" else 0
    return Work(bytes=max(4 * n + size * (n + 0.9 * distinct) + bits, 64), units=max(n, 1))


def _count(spec):
    return spec["n"] // PER.get(spec["op"], 1)


def _texts(rng, size, kind):
    """Offsets and bytes of `size` texts, a large number of them in stretches of those drawn."""
    if size <= DRAWN or kind == "data":
        return draw.strings(rng, size, kind)
    offsets, text = draw.strings(rng, DRAWN, kind)
    starts = rng.integers(0, DRAWN - BLOCK, -(-size // BLOCK))
    lengths = np.diff(offsets)[(starts[:, None] + np.arange(BLOCK)).ravel()[:size]]
    pieces = [text[offsets[at] : offsets[at + BLOCK]] for at in starts]
    ends = np.append(0, np.cumsum(lengths)).astype(np.int32)
    return ends, np.concatenate(pieces)[: ends[-1]]
