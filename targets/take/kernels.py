"""Values, rows and strings by their positions: copies in whole registers, prefetched where far.

Sources that exceed the nearest caches are asked for some tens of entries ahead, so that misses
overlap; of strings first the offsets, then the bytes they name. A bitmap is read by words that are
gathered as values are: eight bits of validity become a mask, and NULLs are masked away. A string is
copied without a look at its length, sixteen or sixty-four bytes as the mean of the source suggests:
the next one overwrites the surplus, and only longer ones take more steps.
"""

import numpy as np
from autoresearch import simd
from numba import njit

KNOBS = {
    "stream": (512, 256, 1024),
    "ahead": (128, 64, 256),
    "near": (1048576, 524288, 2097152),
    "rows": (4, 2, 8),
    "strings": (16, 8, 32),
    "narrow": (12, 10, 16),
}
STREAM = KNOBS["stream"][0]  # values between what is read or written in order and its prefetch
AHEAD = KNOBS["ahead"][0]  # values between a prefetch and its use
NEAR = KNOBS["near"][0]  # bytes of a source that is not prefetched
ROWS = KNOBS["rows"][0]  # rows between a prefetch and its use
STRINGS = KNOBS["strings"][0]  # strings between the prefetch of their bytes and the copy
NARROW = KNOBS["narrow"][0]  # bytes of a mean string, up to which most of them fit sixteen


@njit
def take(values, indices, out):
    """By single loads: among 16 million entries a gather takes 6 % longer, elsewhere as long."""
    whole = indices.size // 8 * 8
    far = whole - AHEAD if values.size * values.itemsize > NEAR else 0
    for i in range(0, whole, 8):
        if i < far:
            ask_eight(values, indices, i + AHEAD)
        simd.prefetch(indices, i + STREAM)
        simd.prefetch(out, i + STREAM)
        for j in simd.unroll(8):
            out[np.uint64(i + j)] = values[np.uint64(simd.load(np.uint32, indices, i + j))]
    for i in range(whole, indices.size):
        out[i] = values[np.uint64(indices[i])]


@njit
def ask_eight(values, indices, i):
    """Without a branch: the test of `far` in here as well cost 30 ns a call on that path."""
    for j in simd.unroll(8):
        simd.prefetch(values, simd.load(np.uint32, indices, i + j))


@njit
def take_nullable(values, valid, indices, out, out_valid):
    """The last store may run over the end of `out` by seven values."""
    words = valid[: valid.size // 4 * 4].view(np.uint32)  # the last bits may lie behind them
    whole = indices.size // 8 * 8
    far = whole - AHEAD if values.size * values.itemsize > NEAR else 0
    for i in range(0, whole, 8):
        if i < far:
            ask_eight(values, indices, i + AHEAD)
        simd.prefetch(indices, i + STREAM)
        simd.prefetch(out, i + STREAM)
        eight = simd.load(simd.u32x8, indices, i)
        keep(values, eight, known(words, eight), i, out, out_valid)
    if whole < indices.size:
        inside = simd.first(simd.m8, indices.size - whole)
        eight = simd.load_masked(simd.u32x8, indices, whole, inside)
        keep(values, eight, known(words, eight) & inside, whole, out, out_valid)


@njit
def known(words, indices):
    """Which of eight values are not NULL."""
    return (simd.gather(words, indices >> 5) >> (indices & 31) & 1) != 0


@njit
def keep(values, indices, mask, i, out, out_valid):
    simd.store(out, i, simd.select(mask, simd.gather(values, indices), 0))
    simd.store(out_valid, i // 8, np.uint8(simd.bits(mask)))


@njit
def take_rows(rows, indices, out):
    """Every line of a row is asked for: where it begins says nothing of where the next one does."""
    n, width = indices.size, rows.shape[1]
    whole = width // 16 * 16
    for i in range(n):
        ahead = np.int64(indices[min(i + ROWS, n - 1)]) * width
        begin = np.int64(indices[i]) * width
        for j in range(0, whole, 16):
            simd.prefetch(rows, ahead + j)
            simd.store(out, i * width + j, simd.load(simd.f32x16, rows, begin + j))
        for j in range(whole, width):
            simd.store(out, i * width + j, simd.load(np.float32, rows, begin + j))


@njit
def take_utf8(offsets, text, indices, out_offsets, out):
    if text.size <= NARROW * (offsets.size - 1):
        return copy(simd.u8x16, 16, offsets, text, indices, out_offsets, out)
    return copy(simd.u8x64, 64, offsets, text, indices, out_offsets, out)


@njit
def copy(T, width, offsets, text, indices, out_offsets, out):
    """All strings, by vectors T of so many bytes; returns how many bytes they have."""
    n, asked = 0, 0
    if text.size + offsets.size * offsets.itemsize > NEAR:
        asked = indices.size - 2 * STRINGS
    out_offsets[0] = 0
    for i in range(indices.size):
        if i < asked:
            ask(offsets, text, indices, i)
        begin, end = ends(offsets, indices, i)
        simd.store(out, n, simd.load(T, text, begin))
        simd.prefetch(out, n + 4 * STREAM)
        for at in range(width, end - begin, width):
            simd.store(out, n + at, simd.load(T, text, begin + at))
        n += end - begin
        simd.store(out_offsets, i + 1, np.int32(n))
    return n


@njit
def ends(offsets, indices, i):
    """Where a string begins and ends."""
    pair = simd.load(np.uint64, offsets, simd.load(np.uint32, indices, i))
    return np.int64(pair & np.uint64(0xFFFFFFFF)), np.int64(pair >> np.uint64(32))


@njit
def ask(offsets, text, indices, i):
    """For the offsets of a string ahead, and for the bytes of one half as far."""
    simd.prefetch(offsets, simd.load(np.uint32, indices, i + 2 * STRINGS))
    begin, end = ends(offsets, indices, i + STRINGS)
    simd.prefetch(text, begin)
    simd.prefetch(text, end - 1)
