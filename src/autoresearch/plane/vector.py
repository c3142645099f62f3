"""The `cpu-simd` kernel's code: the product's scan of rabitq, tile by tile, and vectors behind it.

A tile of codes stays in the cache while every query of a batch passes over it. Each sum has the
order that `plain.py` gives it: the bits are the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .. import simd
from ..compiled import kept
from ..kernels import product
from .plain import enter, estimate, in_order, insert

_scan = product("rabitq").scan
_prepare = product("rabitq").prepare

TILE = 1 << 14  # codes: 1.5 MB at 768 dimensions, and products that stay in the second cache


def tiles(index):
    """The product's own layout of each tile of codes."""
    none = np.empty((0, 64 * index.codes.shape[1]), np.float32)
    return [_prepare(index.codes[at : at + TILE], none) for at in range(0, len(index.codes), TILE)]


@njit(nogil=True)
def scan(state, first, squares, scales, ones, planes, coefs, candidates, estimates):
    """Let the codes of one tile, the first of id `first`, enter the heaps of all queries."""
    products = np.empty(min(TILE, squares.size - first), np.uint32)
    for r in range(planes.shape[0]):
        _scan(state, planes[r], products)
        _select(products, first, squares, scales, ones, coefs[r], candidates[r], estimates[r])


@njit(nogil=True)
def _select(products, first, squares, scales, ones, coefs, ids, estimates):
    a = simd.splat(simd.f64x8, np.float64(coefs[0]))
    b = simd.splat(simd.f64x8, np.float64(coefs[1]))
    c = simd.splat(simd.f64x8, np.float64(coefs[2]))
    even = products.size - products.size % 8
    for i in range(0, even, 8):
        counts = simd.bitcast(simd.i32x8, simd.load(simd.u32x8, products, i))
        ahead = a * simd.convert(simd.f64x8, counts) + b * _wide(ones, first + i)
        x = simd.convert(simd.f64x8, simd.convert(simd.f32x8, ahead + c))
        found = _wide(squares, first + i) - _wide(scales, first + i) * x
        near = simd.bits(found < estimates[0])
        while near:
            lane = simd.ctz(near)
            _enter_one(products, i + lane, first, squares, scales, ones, coefs, ids, estimates)
            near = simd.clear_lowest(near)
    for i in range(even, products.size):
        _enter_one(products, i, first, squares, scales, ones, coefs, ids, estimates)


@njit(nogil=True)
def _wide(array, i):
    return simd.convert(simd.f64x8, simd.load(simd.f32x8, array, i))


@njit(nogil=True)
def _enter_one(products, i, first, squares, scales, ones, coefs, ids, estimates):
    at = first + i
    found = estimate(products[i], squares[at], scales[at], ones[at], coefs)
    if found < estimates[0]:
        enter(ids, estimates, at, found)


@njit(nogil=True)
def rerank(vectors, queries, candidates, ids, dists):
    """The nearest candidates of every query, which are put in order too."""
    for r in range(queries.shape[0]):
        row = candidates[r]
        in_order(row)
        for c in range(row.size):
            if row[c] < 0:
                break
            if c + 2 < row.size and row[c + 2] >= 0:
                _fetch(vectors, row[c + 2])
            insert(ids[r], dists[r], row[c], _distance(queries[r], vectors, row[c]))


@njit(nogil=True)
def _fetch(vectors, i):
    """The first lines of a row; the processor's own prefetcher finds the rest."""
    for j in range(0, min(256, vectors.shape[1]), 16):
        simd.prefetch(vectors, (i, j))


@njit(nogil=True)
def _distance(q, vectors, i):
    sums = simd.zero(simd.f64x8)
    even = q.size - q.size % 8
    for j in range(0, even, 8):
        gap = simd.load(simd.f32x8, q, j) - simd.load(simd.f32x8, vectors, (i, j))
        wide = simd.convert(simd.f64x8, gap)
        sums = sums + wide * wide
    if even < q.size:
        left = simd.first(simd.m8, q.size - even)
        gap = simd.load_masked(simd.f32x8, q, even, left) - simd.load_masked(
            simd.f32x8, vectors, (i, even), left
        )
        wide = simd.convert(simd.f64x8, gap)
        sums = sums + wide * wide
    return np.float32(simd.reduce_add(sums))


kept(globals())
