"""What every kernel must do, ours or a user's: each check answers with a sentence, empty when kept.

Use it in your own tests: `assert contract.failures(MyKernel()) == []`. It holds the definition of
`ScanRequest` and `ScanResponse` a second time, in numpy; it knows no kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .model import ANY_DIM, F32, KernelCaps, ScanRequest, ScanResponse, Snapshot, VectorKernel

# n, d, k, kept: nothing to drop, nothing to find, tails of words and lanes, more than one tile.
SHAPES = (
    *((300, 64, 10, 200), (7, 1, 3, 20), (1, 100, 2, 5), (65, 130, 1, 1), (0, 64, 3, 6)),
    *((999, 100, 10, 40), (333, 768, 5, 100), (17_000, 64, 10, 200)),
)
SEED = 20_240_611
CLOSE = 1e-5  # of |q|^2 + |v|^2, where a kernel may add in any order


def request(shape: tuple[int, int, int, int], caps: KernelCaps, extra: int = 0) -> ScanRequest:
    """A request with many equal codes, of a batch that the caps allow."""
    n, d, k, kept = shape
    d = min(d, caps.max_dim)
    rng, nq, w = np.random.default_rng(SEED + n + d), max(caps.min_batch, 2) + extra, -(-d // 64)
    source = rng.integers(0, max(n // 2, 1), n)  # every code about twice: ties
    words = rng.integers(0, 1 << 64, (max(n, 1), w), np.uint64)
    factors = np.abs(rng.standard_normal((3, max(n, 1)), np.float32))
    factors *= np.array([[9], [3], [40]], np.float32)
    squares, scales, ones = (np.round(row)[source] for row in factors)
    squares += np.float32(1 << 20)  # where the estimates' differences are lost in 32 bits
    vectors = rng.standard_normal((n, d), np.float32)
    vectors[n // 2 :] = vectors[: n - n // 2]
    return ScanRequest(
        Snapshot(words[source], squares, scales, ones, vectors),
        rng.standard_normal((nq, d), np.float32),
        rng.integers(0, 1 << 64, (nq, 4, w), np.uint64),
        rng.standard_normal((nq, 3), np.float32) * np.array([0.1, 0.1, 5], np.float32),
        *(k, kept),
    )


def candidates(request: ScanRequest) -> NDArray[np.int64]:
    """The candidates i64[nq, kept] of a request, in numpy."""
    held, found = request.index, request.blank().candidates
    for row, (planes, coefs) in enumerate(zip(request.planes, request.coefs, strict=True)):
        products = np.zeros(len(held.codes), np.int64)
        for p in range(4):
            products += np.bitwise_count(held.codes & planes[p]).sum(1, dtype=np.int64) << p
        a, b, c = coefs.astype(np.float64)
        x = (a * products + b * held.ones.astype(np.float64) + c).astype(np.float32)
        estimates = held.squares.astype(np.float64) - held.scales.astype(np.float64) * x
        least = np.sort(np.argsort(estimates, kind="stable")[: request.kept])
        found[row, : len(least)] = least
    return found


def distances(q: F32, vectors: F32) -> F32:
    """|q - v|^2 of each row of vectors, added in the order that `ScanResponse` defines."""
    gaps = (q - vectors).astype(np.float64) ** 2
    gaps = np.pad(gaps, ((0, 0), (0, -q.size % 8)))
    sums = np.zeros((len(vectors), 8))
    for start in range(0, gaps.shape[1], 8):
        sums += gaps[:, start : start + 8]
    for half in (4, 2, 1):
        sums = sums[:, :half] + sums[:, half : 2 * half]
    return sums[:, 0].astype(np.float32)


def nearest(request: ScanRequest, found: NDArray[np.int64]) -> ScanResponse:
    """The whole answer, given the candidates."""
    answer = replace(request.blank(), candidates=found)
    for row, q in enumerate(request.queries):
        ids = found[row][found[row] >= 0]
        dists = distances(q, request.index.vectors[ids])
        best = np.lexsort((ids, dists))[: request.k]
        answer.ids[row, : len(best)], answer.dists[row, : len(best)] = ids[best], dists[best]
    return answer


def is_described(kernel: VectorKernel) -> str:
    caps = kernel.caps()
    sound = caps.min_batch >= 1 and 1 <= caps.max_dim <= ANY_DIM and caps == kernel.caps()
    if not (kernel.id and sound):
        return f"id {kernel.id!r} and {caps} do not describe a kernel."
    return ""


def finds_the_candidates(kernel: VectorKernel) -> str:
    """The scan is exact on every kernel, ties by id, rising, -1 behind."""
    for asked in _requests(kernel):
        found, expected = kernel.scan(asked).candidates, candidates(asked)
        if found.dtype != np.int64 or not np.array_equal(found, expected):
            return f"candidates differ{_where(asked, found, expected)}"
    return ""


def finds_the_nearest(kernel: VectorKernel) -> str:
    """Bit by bit with `deterministic`, else within `CLOSE`."""
    for asked in _requests(kernel):
        got = kernel.scan(asked)
        expected = nearest(asked, candidates(asked))
        told = _differs(asked, got, expected, kernel.caps().deterministic)
        if told:
            return told
    return ""


def leaves_its_input_alone(kernel: VectorKernel) -> str:
    for asked in _requests(kernel):
        before = [array.copy() for array in _inputs(asked)]
        kernel.scan(asked)
        if not all(map(np.array_equal, before, _inputs(asked))):
            return f"the request was written to{_where(asked)}"
    return ""


def holds_nothing(kernel: VectorKernel) -> str:
    """Another index in between changes nothing."""
    first, second = request(SHAPES[0], kernel.caps()), request(SHAPES[5], kernel.caps())
    before = kernel.scan(first)
    kernel.scan(second)
    return _same(kernel, before, kernel.scan(first), "after another index was asked")


def takes_queries_one_by_one(kernel: VectorKernel) -> str:
    """A query has the same answer whatever else is in its batch."""
    caps = kernel.caps()
    whole = request(SHAPES[0], caps, extra=max(caps.min_batch, 2))
    half = len(whole.queries) // 2
    first = replace(
        whole, queries=whole.queries[:half], planes=whole.planes[:half], coefs=whole.coefs[:half]
    )
    got = kernel.scan(whole)
    cut = ScanResponse(got.candidates[:half], got.ids[:half], got.dists[:half])
    return _same(kernel, kernel.scan(first), cut, "in another batch")


def serves_threads(kernel: VectorKernel) -> str:
    asked = [request(SHAPES[number], kernel.caps()) for number in (0, 5)] * 4
    alone = [kernel.scan(one) for one in asked]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(kernel.scan, asked))
    told = (_same(kernel, a, b, "with threads") for a, b in zip(alone, together, strict=True))
    return next(filter(None, told), "")


CHECKS: tuple[Callable[[VectorKernel], str], ...] = (
    *(is_described, finds_the_candidates, finds_the_nearest, leaves_its_input_alone),
    *(holds_nothing, takes_queries_one_by_one, serves_threads),
)


def failures(kernel: VectorKernel) -> list[str]:
    """What the kernel breaks, a sentence each."""
    told = ((check.__name__, check(kernel)) for check in CHECKS)
    return [f"{kernel.id}, {name}: {sentence}" for name, sentence in told if sentence]


def _requests(kernel: VectorKernel) -> Iterator[ScanRequest]:
    return (request(shape, kernel.caps()) for shape in SHAPES)


def _inputs(asked: ScanRequest) -> tuple[NDArray[np.generic], ...]:
    return (*asked.index.arrays(), asked.queries, asked.planes, asked.coefs)


def _where(
    asked: ScanRequest,
    got: NDArray[np.int64] | None = None,
    expected: NDArray[np.int64] | None = None,
) -> str:
    n, d = asked.index.vectors.shape
    place = f" at n={n}, d={d}, k={asked.k}, kept={asked.kept}"
    if got is None or expected is None or got.shape != expected.shape:
        return f"{place}."
    row, column = np.argwhere(got != expected)[0] if (got != expected).any() else (0, 0)
    return f"{place}: query {row} has {got[row, column]} for {expected[row, column]}."


def _differs(asked: ScanRequest, got: ScanResponse, expected: ScanResponse, exact: bool) -> str:
    if exact:
        if not np.array_equal(got.ids, expected.ids):
            return f"ids differ{_where(asked, got.ids, expected.ids)}"
        same = np.array_equal(got.dists, expected.dists) and got.dists.dtype == np.float32
        return "" if same else f"bits of distances differ{_where(asked)}"
    if got.ids.shape != expected.ids.shape or ((got.ids < 0) != (expected.ids < 0)).any():
        return f"the number of answers differs{_where(asked)}"
    told = (_strays(asked, got, expected, row) for row in range(len(got.ids)))
    return next(filter(None, told), "")


def _strays(asked: ScanRequest, got: ScanResponse, expected: ScanResponse, row: int) -> str:
    """Whether a row is not what some order of additions could give."""
    ids = got.ids[row][got.ids[row] >= 0]
    if len(set(ids)) < len(ids) or not set(ids) <= set(expected.candidates[row]):
        return f"query {row} has ids twice, or that are no candidates{_where(asked)}"
    q, vectors = asked.queries[row], asked.index.vectors[ids]
    room = CLOSE * (np.float64(q @ q) + (vectors.astype(np.float64) ** 2).sum(1))
    dists, best = got.dists[row][: len(ids)], expected.dists[row][: len(ids)]
    true = distances(q, vectors)
    if (np.abs(dists - true) > room).any() or (np.abs(dists - best) > room).any():
        return f"query {row} has distances that no order of adding gives{_where(asked)}"
    return "" if (np.diff(dists) >= 0).all() else f"query {row} is out of order{_where(asked)}"


def _same(kernel: VectorKernel, a: ScanResponse, b: ScanResponse, when: str) -> str:
    """Equal candidates, and with `deterministic` equal bits of all."""
    same = np.array_equal(a.candidates, b.candidates)
    if kernel.caps().deterministic:
        same = same and np.array_equal(a.ids, b.ids) and np.array_equal(a.dists, b.dists)
    return "" if same else f"another answer came out {when}."
