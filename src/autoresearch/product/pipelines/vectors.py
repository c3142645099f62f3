"""Vector search over an inverted file: flat, product-quantised and one-bit vectors in its lists.

The coarse step chooses lists for each query; what a list holds is scanned by the op; partial
results meet in a merge. Clusters, lists and queries are drawn as ivf-flat's own workloads are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from ... import draw as drawing
from ..pipeline import Array, Arrays, Inputs, Kit, Merger, Pipeline, Run, Size, room, rows

D, K, TRUE = 128, 20, 10
NPROBE = 8  # lists of thousands, where each has a state of its own
M = 16  # slices of eight components
ROTATED = 256  # components of a vector behind a one-bit code
TRAIN = 8192  # vectors behind a codebook
WIDEST = 64  # queries of a batch


def _lists(
    inputs: Inputs, rng: Generator, size: Size, n: int, nlist: int, **other: int | str
) -> dict[str, Array]:
    """Vectors list by list, and batches of queries near them."""
    flat = inputs("ivf-flat")
    least = {"nq": size.of(WIDEST, 4), "n": size.of(n, 400), "nlist": size.of(nlist, 8)}
    spec = {**least, "d": D, "nprobe": 4, "max_codes": 0, "dist": "clustered", **other}
    static = flat.static(rng, spec)
    q = np.stack([flat.each(rng, spec, static)["q"] for _ in range(size.batches)])
    return {**static, "q": q}


def _scale(q: Array, vectors: Array) -> Array:
    """|q|^2 + |x|^2 with the longest x: the terms behind any distance."""
    longest = (vectors * vectors).sum(-1).max()
    scale: Array = (q * q).sum(-1) + longest
    return scale


class Coarse:
    """The lists nearest to some queries, by the kernel of ivf-partition."""

    def __init__(self, kit: Kit, centroids: Array, width: int, nprobe: int) -> None:
        self.kernel = kit["ivf-partition"]
        self.state = self.kernel.prepare(centroids)
        self.scratch = self.kernel.scratch(self.state)
        self.nprobe = min(nprobe, len(centroids))
        self.probes = room((width, self.nprobe), np.int64)
        self.far = room((width, self.nprobe), np.float32)

    def __call__(self, q: Array) -> Array:
        """i64[width, nprobe] for q f32[width, d]; overwritten by the next call."""
        self.kernel.select(self.state, self.scratch, q, self.nprobe, self.probes, self.far)
        return self.probes


def _draw_flat(inputs: Inputs, rng: Generator, size: Size) -> dict[str, Array]:
    drawn = _lists(inputs, rng, size, 1 << 17, 512, dist="latent")
    return {**drawn, "scale": _scale(drawn["q"], drawn["vectors"])}


def _open_flat(kit: Kit, arrays: Arrays, width: int) -> Run:
    """`width` queries at a time; 0 is all of a batch."""
    kernel, q = kit["ivf-flat"], arrays["q"]
    nq = q.shape[1]
    width = width or nq
    coarse = Coarse(kit, arrays["centroids"], width, 16)
    state = kernel.prepare(*(arrays[a] for a in ("vectors", "rows", "offsets", "centroids")))
    scratch = kernel.scratch(state)
    ids, dists = room((width, K), np.int64), room((width, K), np.float32)

    def run(batch: int) -> dict[str, Array]:
        found, far = np.empty((nq, K), np.int64), np.empty((nq, K), np.float32)
        for at in range(0, nq, width):
            some = q[batch, at : at + width]
            kernel.search(state, scratch, some, coarse(some), ids, dists)
            found[at : at + width], far[at : at + width] = ids, dists
        return {"ids": found, "dists": far}

    return run


def _draw_pq(inputs: Inputs, rng: Generator, size: Size, metric: str) -> dict[str, Array]:
    """Codes of residuals for L2, where a list's centroid carries most of a vector; else of the
    vectors themselves, of length one for cosine."""
    drawn = _lists(inputs, rng, size, 1 << 17, 32)
    vectors, offsets = drawn["vectors"], drawn["offsets"]
    if metric == "l2":
        vectors = vectors - np.repeat(drawn["centroids"], np.diff(offsets), 0)
    if metric == "cosine":
        vectors = vectors / np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    sample = vectors[rng.permutation(len(vectors))[:TRAIN]]
    book = drawing.codebook(rng, sample, M, 256)
    kept = {name: drawn[name] for name in ("rows", "offsets", "centroids", "q")}
    scale = _scale(drawn["q"], vectors)
    return {**kept, "codebook": book, "codes": drawing.encode(book, vectors), "scale": scale}


def _searcher(
    kit: Kit, target: str, arrays: Arrays, states: list[object], near: Callable[..., Array]
) -> Run:
    """Query by query, list by list, a state for each: `near(q, probes)` is what the kernel is asked
    in each of them."""
    kernel, q = kit[target], arrays["q"]
    scratch = [kernel.scratch(state) for state in states]
    coarse = Coarse(kit, arrays["centroids"], 1, NPROBE)
    merger = Merger(kit, coarse.nprobe, TRUE, TRUE)
    ids, dists = rows(coarse.nprobe, TRUE, np.int64), rows(coarse.nprobe, TRUE, np.float32)

    def one(query: Array) -> tuple[Array, Array]:
        probes = coarse(query[None])[0]
        for at, asked, own, far in zip(probes, near(query, probes), ids, dists, strict=True):
            if asked.ndim == 2:
                own, far = own[None], far[None]
            kernel.search(states[at], scratch[at], asked, own, far)
        found, least = merger(dists, ids + arrays["offsets"][probes, None])
        return np.where(found < 0, -1, arrays["rows"][found]), least

    def run(batch: int) -> dict[str, Array]:
        answers = [one(query) for query in q[batch]]
        found, far = (np.stack(part) for part in zip(*answers, strict=True))
        return {"ids": found, "dists": far}

    return run


def _open_pq(kit: Kit, arrays: Arrays, target: str) -> Run:
    book, centroids = arrays["codebook"], arrays["centroids"]
    states = [kit[target].prepare(book, codes) for codes in _parts(arrays, "codes")]

    def near(query: Array, probes: Array) -> Array:
        if target == "pq-l2":
            left: Array = query - centroids[probes]
            return left
        return np.repeat(query[None], len(probes), 0)

    return _searcher(kit, target, arrays, states, near)


def _parts(arrays: Arrays, name: str) -> list[Array]:
    """What each list holds of an array."""
    return [arrays[name][a:b] for a, b in pairwise(arrays["offsets"].tolist())]


def _draw_bits(inputs: Inputs, rng: Generator, size: Size) -> dict[str, Array]:
    """Residuals after a random rotation, and their signs; the true ten of all."""
    drawn = _lists(inputs, rng, size, 1 << 16, 32, d=ROTATED)
    vectors, q = drawn["vectors"], drawn["q"]
    rotation = np.linalg.qr(rng.standard_normal((ROTATED, ROTATED), np.float32))[0]
    own = np.repeat(drawn["centroids"], np.diff(drawn["offsets"]), 0)
    turned = np.ascontiguousarray((vectors - own) @ rotation)
    far = (vectors * vectors).sum(-1) - 2 * q.reshape(-1, ROTATED) @ vectors.T
    true = drawn["rows"][np.argpartition(far, TRUE, axis=1)[:, :TRUE]]
    return {
        **{name: drawn[name] for name in ("rows", "offsets", "centroids", "q")},
        "rotation": rotation,
        "turned": turned,
        "codes": np.packbits(turned >= 0, axis=1, bitorder="little").view(np.uint64),
        "true": true.reshape(*q.shape[:2], TRUE),
        "scale": _scale(q, vectors),
    }


def _open_bits(kit: Kit, arrays: Arrays) -> Run:
    both = zip(_parts(arrays, "codes"), _parts(arrays, "turned"), strict=True)
    states = [kit["rabitq"].prepare(codes, turned) for codes, turned in both]

    def near(query: Array, probes: Array) -> Array:
        turned: Array = (query - arrays["centroids"][probes]) @ arrays["rotation"]
        return turned[:, None]

    return _searcher(kit, "rabitq", arrays, states, near)


def _pq(metric: str) -> Pipeline:
    uses = ("ivf-partition", f"pq-{metric}", "topk-merge")
    opened = partial(_open_pq, target=f"pq-{metric}")
    return Pipeline(f"ivf-pq-{metric}", uses, "ranked", partial(_draw_pq, metric=metric), opened)


_FLAT = ("ivf-partition", "ivf-flat")
PIPELINES = (
    Pipeline("ivf-flat", _FLAT, "ranked", _draw_flat, partial(_open_flat, width=1)),
    Pipeline("ivf-flat-batch", _FLAT, "ranked", _draw_flat, partial(_open_flat, width=0)),
    _pq("l2"),
    _pq("cosine"),
    _pq("dot"),
    Pipeline(
        "ivf-rabitq", ("ivf-partition", "rabitq", "topk-merge"), "lossy", _draw_bits, _open_bits
    ),
)
