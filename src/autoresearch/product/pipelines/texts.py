"""Full-text search over a corpus of a million documents in four segments: OR and AND queries.

Each segment is an index of its own, as a search engine writes them. OR ranks by BM25; AND is a
filter, as words that must all be there before anything else is looked at.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ..pipeline import Array, Arrays, Inputs, Kit, Merger, Pipeline, Run, Size, room, rows

SEGMENTS, DOCS, BEST = 4, 250_000, 10
LENGTH, VOCABULARY, TERMS = 16, 30_000, 5  # words of a title with its summary
QUERIES = 12
INDEX = ("docs", "freqs", "offsets", "norms", "discounts", "weights")


def _corpus(inputs: Inputs, rng: Generator, size: Size, dist: str) -> dict[str, Array]:
    """Segments 0 to 3 under `docs0`, ...; queries of two to five words of one kind."""
    fts = inputs("fts-bm25")
    words = {"length": LENGTH, "vocab": size.of(VOCABULARY, 300), "words": "zipf"}
    spec = {"docs": size.of(DOCS, 500), **words, "dist": dist, "terms": TERMS}
    segments = [fts.static(rng, spec) for _ in range(SEGMENTS)]
    n = size.batches * QUERIES
    asked = [fts.each(rng, spec, segments[0])["terms"] for _ in range(n)]
    arrays = {f"{name}{i}": part[name] for i, part in enumerate(segments) for name in INDEX}
    arrays["counts"] = np.array([len(t) for t in asked], np.int64).reshape(-1, QUERIES)
    padded = [np.append(t, np.zeros(TERMS - len(t), np.uint32)) for t in asked]
    arrays["terms"] = np.array(padded, np.uint32).reshape(-1, QUERIES, TERMS)
    return arrays


def _draw_or(inputs: Inputs, rng: Generator, size: Size) -> dict[str, Array]:
    return _corpus(inputs, rng, size, "natural")


def _draw_and(inputs: Inputs, rng: Generator, size: Size) -> dict[str, Array]:
    return _corpus(inputs, rng, size, "heavy")


def _queries(arrays: Arrays, batch: int) -> list[Array]:
    counts = arrays["counts"][batch]
    return [terms[:n] for terms, n in zip(arrays["terms"][batch], counts, strict=True)]


def _segments(arrays: Arrays) -> tuple[list[dict[str, Array]], list[int]]:
    """The arrays of each segment, and the first document of each."""
    parts = [{name: arrays[f"{name}{i}"] for name in INDEX} for i in range(SEGMENTS)]
    return parts, np.cumsum([0, *(len(part["norms"]) for part in parts)]).tolist()


def _open_or(kit: Kit, arrays: Arrays) -> Run:
    """The ten best by BM25 of each segment, merged."""
    (parts, first), kernel = _segments(arrays), kit["fts-bm25"]
    states = [kernel.prepare(*(part[name] for name in INDEX)) for part in parts]
    scratch = [kernel.scratch(state) for state in states]
    merger = Merger(kit, SEGMENTS, BEST, BEST)
    ids, scores = rows(SEGMENTS, BEST, np.int64), rows(SEGMENTS, BEST, np.float32)
    begins = np.array(first[:-1])[:, None]

    def one(terms: Array) -> tuple[Array, Array]:
        for state, own, found, best in zip(states, scratch, ids, scores, strict=True):
            kernel.search(state, own, terms, found, best)
        return merger(-scores, ids + begins)

    def run(batch: int) -> dict[str, Array]:
        answers = [one(terms) for terms in _queries(arrays, batch)]
        found, least = (np.stack(part) for part in zip(*answers, strict=True))
        return {"ids": found, "dists": least}

    return run


class Every:
    """AND of the two or three rarest words as a filter: all documents that have them."""

    def __init__(self, kit: Kit, arrays: Arrays) -> None:
        self.arrays, self.kernel = arrays, kit["posting-intersect"]
        self.parts, self.first = _segments(arrays)
        self.states = [self.kernel.prepare(part["docs"], part["offsets"]) for part in self.parts]
        self.out = room(max(len(part["norms"]) for part in self.parts), np.uint32)

    def found(self, i: int, terms: Array) -> Array:
        """u32: the documents of segment i."""
        offsets = self.parts[i]["offsets"]
        begins, ends = offsets[terms], offsets[terms + 1]
        rarest = np.argsort(ends - begins)[:3]
        if len(rarest) == 3:
            lists = [self.parts[i]["docs"][begins[t] : ends[t]] for t in rarest]
            n = self.kernel.intersect3(*lists, self.out)
        else:
            one, other = (int(terms[t]) for t in rarest)
            n = self.kernel.intersect_held(self.states[i], one, other, self.out)
        return self.out[:n] + np.uint32(self.first[i])

    def run(self, batch: int) -> dict[str, Array]:
        found = [
            self.found(i, terms) for terms in _queries(self.arrays, batch) for i in range(SEGMENTS)
        ]
        counts = np.array([len(ids) for ids in found], np.int64)
        return {"counts": counts, "ids": np.concatenate(found)}


def _open_and(kit: Kit, arrays: Arrays) -> Run:
    return Every(kit, arrays).run


PIPELINES = (
    Pipeline("fts-or", ("fts-bm25", "topk-merge"), "ranked", _draw_or, _open_or),
    Pipeline("fts-and", ("posting-intersect",), "exact", _draw_and, _open_and),
)
