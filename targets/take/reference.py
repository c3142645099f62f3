"""Values, rows and strings by their positions, in plain scalar code."""

from numba import njit


@njit
def take(values, indices, out):
    """out[i] = values[indices[i]] for values u32[s] or i64[s], indices u32[n] below s."""
    for i in range(indices.size):
        out[i] = values[indices[i]]


@njit
def take_nullable(values, valid, indices, out, out_valid):
    """The same for i64[s] of which value j is NULL where bit j of valid u8[ceil(s / 8)] is 0.

    Bit i of out_valid u8[ceil(n / 8)] = bit indices[i] of valid, where bit j is bit j % 8 of byte
    j // 8, the least first; bits past n are 0, and out[i] is 0 where the value is NULL.
    """
    out_valid[:] = 0
    for i in range(indices.size):
        j = indices[i]
        out[i] = 0
        if valid[j >> 3] >> (j & 7) & 1:
            out[i] = values[j]
            out_valid[i >> 3] |= 1 << (i & 7)


@njit
def take_rows(rows, indices, out):
    """out[i, j] = rows[indices[i], j] for rows f32[s, w] and out f32[n, w], bit for bit."""
    for i in range(indices.size):
        for j in range(rows.shape[1]):
            out[i, j] = rows[indices[i], j]


@njit
def take_utf8(offsets, text, indices, out_offsets, out):
    """String j of s is the bytes offsets[j] to offsets[j + 1] of text u8, for offsets i32[s + 1].

    Fills out u8 with the strings named by indices, one after the other, and out_offsets i32[n + 1]
    with where each begins and the last ends; returns the number of bytes.
    """
    n = 0
    out_offsets[0] = 0
    for i in range(indices.size):
        j = indices[i]
        for at in range(offsets[j], offsets[j + 1]):
            out[n] = text[at]
            n += 1
        out_offsets[i + 1] = n
    return n
