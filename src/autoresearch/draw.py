"""Input distributions that targets share, deterministic given the generator.

Knows shapes and distributions; nothing of targets, kernels or where the seed comes from. The
distribution `data` is a user's file, in those processes that were told to `use` one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
I32 = NDArray[np.int32]
Shape = tuple[int, ...]

DATA = "data"
_ONE_THREAD = 1 << 18  # multiply-adds: OpenBLAS wakes no second thread for a product this small


class Given(Protocol):
    """What a user's file answers: see `data.Source`."""

    def floats(self, rng: Generator, shape: Shape) -> F32: ...
    def integers(self, rng: Generator, n: int, below: int) -> NDArray[Any]: ...
    def strings(self, rng: Generator, n: int) -> tuple[I32, U8]: ...


_given: list[Given] = []


def use(given: Given) -> None:
    """From now on `data` draws from `given`. For the oracle and for peers; never in a worker."""
    _given[:] = [given]


def _file() -> Given:
    if not _given:
        raise LookupError("a distribution named data was drawn, and no file was given")
    return _given[0]


def floats(rng: Generator, shape: Shape, dist: str) -> F32:
    """f32 values of a named distribution (`FLOATS`); vectors lie along the last axis."""
    if dist == DATA:
        return _file().floats(rng, shape)
    return np.ascontiguousarray(FLOATS[dist](rng, shape), np.float32)


def codes(rng: Generator, shape: Shape, levels: int, dist: str) -> U8:
    """Integers below `levels` (at most 256) of a named distribution (`CODES`)."""
    return np.asarray(CODES[dist](rng, shape, levels), np.uint8)


def integers(rng: Generator, n: int, below: int, dist: str) -> U32:
    """u32[n] below `below` (at least 1) of a named distribution (`INTEGERS`)."""
    drawn = _file().integers if dist == DATA else INTEGERS[dist]
    return np.asarray(np.minimum(drawn(rng, n, below), below - 1), np.uint32)


def strings(rng: Generator, n: int, dist: str) -> tuple[I32, U8]:
    """n texts of a named kind (`TEXTS`) as UTF-8: offsets i32[n + 1] into data u8[offsets[n]]."""
    if dist == DATA:
        return _file().strings(rng, n)
    texts = [text.encode() for text in TEXTS[dist](rng, n)]
    offsets = np.zeros(n + 1, np.int32)
    offsets[1:] = np.cumsum([len(text) for text in texts])
    return offsets, np.frombuffer(b"".join(texts), np.uint8)


def validity(rng: Generator, n: int, nulls: float) -> U8:
    """u8[ceil(n / 8)]: a bit a row, least bit first, 1 where there is a value, 0 past n."""
    return np.packbits(rng.random(n, np.float32) >= nulls, bitorder="little")


def zipf(rng: Generator, n: int, below: int, power: float = 1.07) -> NDArray[np.int64]:
    """i64[n]: ranks with P(r) ~ (r + 1)^-power, as words in text are: by inverting the integral."""
    u, a = rng.random(n), 1.0 - power
    ranks = (1.0 + u * ((below + 1.0) ** a - 1.0)) ** (1.0 / a) - 1.0
    out: NDArray[np.int64] = np.minimum(ranks.astype(np.int64), below - 1)
    return out


def codebook(rng: Generator, sample: F32, m: int, k: int, rounds: int = 3) -> F32:
    """f32[m, k, ds]: k centroids for each of m slices of the sample's f32[s, m * ds] vectors.

    Lloyd's algorithm from k random members; a centroid that attracts nothing stays where it was.
    """
    slices = _slices(sample, m)
    size = len(sample)
    centres = slices[:, rng.choice(size, k, replace=size < k)]
    for _ in range(rounds):
        for j in range(m):
            _settle(centres[j], slices[j])
    return np.ascontiguousarray(centres)


def encode(book: F32, vectors: F32) -> U8:
    """u8[s, m]: the nearest centroid of each slice of each vector."""
    m = len(book)
    slices = _slices(vectors, m)
    out = np.empty((len(vectors), m), np.uint8)
    for j in range(m):
        out[:, j] = _nearest(book[j], slices[j])
    return out


def resample(rng: Generator, rows: U8, n: int, mutated: float = 0.3) -> U8:
    """u8[n, m]: rows drawn from `rows` in which a share of the codes comes from another row.

    Each column keeps its own frequencies, hence n may far exceed the rows that were encoded.
    """
    first, other = rng.integers(0, len(rows), (2, n))
    swapped = rng.integers(0, 256, (n, rows.shape[1]), dtype=np.uint8) < int(256 * mutated)
    out: U8 = rows[first]
    np.copyto(out, rows[other], where=swapped)
    return out


def _clustered(rng: Generator, shape: Shape) -> NDArray[Any]:
    centres = rng.standard_normal((200, shape[-1]), np.float32)
    return centres[rng.integers(0, 200, shape[:-1])] + _normal(rng, shape) * np.float32(0.5)


def _latent(rng: Generator, shape: Shape) -> NDArray[Any]:
    """As embeddings: clusters that overlap in few hidden directions, and a little noise in all."""
    hidden = _clustered(rng, (*shape[:-1], 16))
    return hidden @ _normal(rng, (16, shape[-1])) + _normal(rng, shape) * np.float32(0.3)


def _normal(rng: Generator, shape: Shape) -> F32:
    return rng.standard_normal(shape, np.float32)


def _uniform(rng: Generator, shape: Shape) -> F32:
    return rng.random(shape, np.float32)


def _wide(rng: Generator, shape: Shape) -> NDArray[Any]:
    return _normal(rng, shape) * np.exp2(rng.integers(-30, 31, shape)).astype(np.float32)


def _outlier(rng: Generator, shape: Shape) -> F32:
    out = _normal(rng, shape)
    out[..., shape[-1] // 2] *= np.float32(1000)
    return out


def _masked(share: float) -> Callable[[Generator, Shape], NDArray[Any]]:
    return lambda rng, shape: _normal(rng, shape) * (rng.random(shape, np.float32) < share)


FLOATS: dict[str, Callable[[Generator, Shape], NDArray[Any]]] = {
    "normal": _normal,
    "uniform": _uniform,
    "clustered": _clustered,
    "latent": _latent,
    "sparse": _masked(0.1),
    "mostly_zero": _masked(0.01),
    "wide": _wide,
    "outlier": _outlier,
    "zero": lambda rng, shape: np.zeros(shape, np.float32),
}


def _runs(rng: Generator, n: int, below: int) -> NDArray[Any]:
    """Runs of equal values, 16 long on average, as in a column sorted by another one."""
    starts = rng.random(n) < 1 / 16
    return rng.integers(0, below, n)[np.maximum.accumulate(np.where(starts, np.arange(n), 0))]


def _near(rng: Generator, n: int, below: int) -> NDArray[Any]:
    """Near one of 64 centres, which follow each other in stretches."""
    centre = np.repeat(rng.integers(0, below, 64), -(-n // 64))[:n]
    out: NDArray[np.int64] = np.abs(centre + rng.integers(-500, 501, n)) % below
    return out


INTEGERS: dict[str, Callable[[Generator, int, int], NDArray[Any]]] = {
    "uniform": lambda rng, n, below: rng.integers(0, below, n),
    "skewed": zipf,
    "clustered": _near,
    "few": lambda rng, n, below: rng.choice(rng.integers(0, below, 3), n),
    "sorted": lambda rng, n, below: np.sort(rng.integers(0, below, n)),
    "runs": _runs,
    "largest": lambda rng, n, below: np.full(n, below - 1),
}


_COMMON = ("the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with")


def _words(rng: Generator, n: int) -> list[str]:
    """A vocabulary of up to n made-up words: short ones first, as in any language."""
    syllables = re.findall("..", "tareinoniscoalerandeenstnoralitomeriusve")
    lengths = 1 + rng.poisson(np.linspace(0.3, 2.5, n))
    return ["".join(rng.choice(syllables, k)) for k in lengths]


def _sentences(rng: Generator, n: int) -> list[str]:
    words = np.array([*_COMMON, *_words(rng, 4000)], object)
    lengths = rng.integers(1, 9, n)
    drawn = words[zipf(rng, int(lengths.sum()), len(words))]
    return [" ".join(part) for part in np.split(drawn, np.cumsum(lengths)[:-1])] if n else []


def _urls(rng: Generator, n: int) -> list[str]:
    hosts, pages = _words(rng, 50), _words(rng, 400)
    host, page, number = zipf(rng, n, 50), zipf(rng, n, 400), rng.integers(0, 10**6, n)
    return [
        f"https://www.{hosts[h]}.example/{pages[p]}/{pages[q % 400]}?id={q}"
        for h, p, q in zip(host.tolist(), page.tolist(), number.tolist(), strict=True)
    ]


def _logs(rng: Generator, n: int) -> list[str]:
    levels, parts = ("INFO", "INFO", "INFO", "WARN", "ERROR"), _words(rng, 60)
    ms = np.cumsum(rng.integers(1, 900, n)).tolist()
    level, part, code = rng.integers(0, 5, n), zipf(rng, n, 60), rng.integers(0, 1 << 32, n)
    return [
        f"2024-05-17T{t // 3600000 % 24:02}:{t // 60000 % 60:02}:{t // 1000 % 60:02}.{t % 1000:03}Z"
        f" {levels[le]} {parts[p]}: request {c:08x} took {c % 977} ms"
        for t, le, p, c in zip(ms, level.tolist(), part.tolist(), code.tolist(), strict=True)
    ]


def _mixed(rng: Generator, n: int) -> list[str]:
    """One to four bytes a character, and empty texts."""
    alphabet = np.array(
        [*"abc eto 019", *"\u00e9\u00fc\u03b1\u0436", *"\u4e2d\u20ac", "\U0001f600"]
    )
    return ["".join(rng.choice(alphabet, k)) for k in rng.integers(0, 12, n)]


TEXTS: dict[str, Callable[[Generator, int], list[str]]] = {
    "english": _sentences,
    "urls": _urls,
    "logs": _logs,
    "mixed": _mixed,
    "empty": lambda rng, n: [""] * n,
}

CODES: dict[str, Callable[[Generator, Shape, int], NDArray[Any]]] = {
    "uniform": lambda rng, shape, levels: rng.integers(0, levels, shape, np.uint8, endpoint=False),
    "skewed": lambda rng, shape, levels: levels * rng.random(shape) ** 4,
    "few": lambda rng, shape, levels: rng.choice(rng.integers(0, levels, 3), shape),
    "constant": lambda rng, shape, levels: np.full(shape, levels - 1),
}


def _slices(vectors: F32, m: int) -> F32:
    """f32[m, s, ds], each slice contiguous."""
    return np.ascontiguousarray(vectors.reshape(len(vectors), m, -1).swapaxes(0, 1))


def _nearest(centres: F32, points: F32) -> NDArray[np.intp]:
    """argmin |p - c|^2 = argmin (|c|^2 - 2 p.c), in blocks that stay in cache."""
    folded = (-2 * centres).T
    norms = (centres * centres).sum(-1)
    rows = max(1, _ONE_THREAD // centres.size)
    out = np.empty(len(points), np.intp)
    scores = np.empty((min(rows, len(points)), len(centres)), np.float32)
    for start in range(0, len(points), rows):
        block = points[start : start + rows]
        part = scores[: len(block)]
        np.matmul(block, folded, out=part)
        part += norms
        part.argmin(axis=1, out=out[start : start + rows])
    return out


def _settle(centres: F32, points: F32) -> None:
    """One round: every centre that attracts points moves to their mean."""
    nearest = _nearest(centres, points)
    count = np.bincount(nearest, minlength=len(centres))
    sums = [np.bincount(nearest, column, len(centres)) for column in points.T]
    kept = count > 0
    centres[kept] = (np.stack(sums, axis=1)[kept] / count[kept, None]).astype(np.float32)
