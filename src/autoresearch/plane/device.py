"""Code for NVIDIA's GPUs: estimates, exact selection of the least of many, and distances.

A GPU fuses multiplies into adds unless told otherwise; every product here is exact in f64, so that
it has nothing to lose by it (`ScanRequest`), and sums have the order that `ScanResponse` gives.
Knows arrays on the device; nothing of indexes.
"""

from __future__ import annotations

import numpy as np
from numba import cuda as cuda

THREADS = 128
BLOCKS = 512  # at most, of each query: several for each multiprocessor of any present GPU
LANES = 8  # sums of a distance, a thread each: neighbours in memory
DIGIT = 8  # bits of a key that a pass of the selection settles


def grid(n, rows):
    """Blocks and threads for n items of each row."""
    return (min(BLOCKS, -(-n // THREADS)), rows), THREADS


@cuda.jit
def estimates(codes, squares, scales, ones, planes, coefs, out):
    """out f64[nq, n], as `ScanRequest` defines an estimate."""
    row = cuda.blockIdx.y
    a, b, c = coefs[row, 0], coefs[row, 1], coefs[row, 2]
    for i in range(cuda.grid(1), codes.shape[0], cuda.gridsize(1)):
        product = 0
        for w in range(codes.shape[1]):
            word = codes[i, w]
            for p in range(4):
                product += cuda.popc(word & planes[row, p, w]) << p
        ahead = np.float64(a) * np.float64(product) + np.float64(b) * np.float64(ones[i])
        x = np.float32(ahead + np.float64(c))
        out[row, i] = np.float64(squares[i]) - np.float64(scales[i]) * np.float64(x)


@cuda.jit(device=True)
def _key(bits):
    """An integer that orders as the f64 of these bits does."""
    sign = np.uint64(1) << np.uint64(63)
    return ~bits if bits & sign else bits | sign


@cuda.jit
def count(bits, limits, by_id, mask, prefix, shift, counts):
    """counts i32[nq, 256]: how often each digit at `shift` comes among the keys that begin with
    `prefix` under `mask`; with `by_id` keys are the ids of the values whose key is the limit."""
    found = cuda.shared.array(256, np.int32)
    row = cuda.blockIdx.y
    for digit in range(cuda.threadIdx.x, 256, cuda.blockDim.x):
        found[digit] = 0
    cuda.syncthreads()
    for i in range(cuda.grid(1), bits.shape[1], cuda.gridsize(1)):
        key = _key(bits[row, i])
        asked = not by_id or key == limits[row]
        if by_id:
            key = np.uint64(i)
        if asked and key & mask == prefix[row]:
            cuda.atomic.add(found, (key >> shift) & np.uint64(255), 1)
    cuda.syncthreads()
    for digit in range(cuda.threadIdx.x, 256, cuda.blockDim.x):
        if found[digit]:
            cuda.atomic.add(counts, (row, digit), found[digit])


@cuda.jit
def take(bits, limits, last, taken, ids):
    """ids i64[nq, kept], in no order: where the key is below the limit, or is it up to `last`."""
    row = cuda.blockIdx.y
    for i in range(cuda.grid(1), bits.shape[1], cuda.gridsize(1)):
        key = _key(bits[row, i])
        if key < limits[row] or (key == limits[row] and np.uint64(i) <= last[row]):
            ids[row, cuda.atomic.add(taken, row, 1)] = i


def least(values, kept):
    """ids i64[nq, kept] by rising id, of the least (value, id) of each row of f64[nq, n] on the
    device: a radix selection, exact and with the same bits whatever the order of threads."""
    nq, n = values.shape
    bits = values.view(np.uint64)
    need = np.full(nq, kept, np.int64)
    none = cuda.to_device(np.zeros(nq, np.uint64))
    limits = cuda.to_device(_digits(bits, none, False, 64, need))
    last = cuda.to_device(_digits(bits, limits, True, max(n - 1, 1).bit_length(), need))
    ids, taken = cuda.device_array((nq, kept), np.int64), cuda.to_device(np.zeros(nq, np.int32))
    take[grid(n, nq)](bits, limits, last, taken, ids)
    return np.sort(ids.copy_to_host(), axis=1)


def _digits(bits, limits, by_id, width, need):
    """The need-th least key of each row, digit by digit; what remains of `need` goes on to ties."""
    nq, n = bits.shape
    found, mask = np.zeros(nq, np.uint64), 0
    for shift in range(-(-width // DIGIT) * DIGIT - DIGIT, -1, -DIGIT):
        counts = cuda.to_device(np.zeros((nq, 256), np.int32))
        asked = np.uint64(mask), cuda.to_device(found), np.uint64(shift), counts
        count[grid(n, nq)](bits, limits, by_id, *asked)
        below = np.cumsum(counts.copy_to_host(), axis=1)
        digit = (below < need[:, None]).sum(1)
        need -= np.where(digit > 0, below[np.arange(nq), digit - 1], 0)
        found |= digit.astype(np.uint64) << np.uint64(shift)
        mask |= 255 << shift
    return found


@cuda.jit
def distances(vectors, queries, at, out):
    """out[row, c] = |queries[row] - vectors[at[row, c]]|^2, inf where at is -1; eight threads each,
    in the order that `ScanResponse` gives."""
    sums = cuda.shared.array(THREADS, np.float64)
    row, t = cuda.blockIdx.y, cuda.threadIdx.x
    per_block = cuda.blockDim.x // LANES
    for first in range(cuda.blockIdx.x * per_block, at.shape[1], cuda.gridDim.x * per_block):
        c = first + t // LANES
        sums[t] = 0
        if c < at.shape[1] and at[row, c] >= 0:
            for j in range(t % LANES, queries.shape[1], LANES):
                gap = np.float64(np.float32(queries[row, j] - vectors[at[row, c], j]))
                sums[t] += gap * gap
        for half in (4, 2, 1):
            cuda.syncthreads()
            if t % LANES < half:
                sums[t] += sums[t + half]
        if t % LANES == 0 and c < at.shape[1]:
            out[row, c] = np.float32(sums[t]) if at[row, c] >= 0 else np.inf
        cuda.syncthreads()
