"""Decoding a dictionary in plain scalar code: row i has the value that its code names."""

from numba import njit


@njit
def decode(values, codes, out):
    """out[i] = values[codes[i]] for values i64[K] or f64[K], codes u32[n] below K, out alike[n]."""
    for i in range(codes.size):
        out[i] = values[codes[i]]


@njit
def decode_utf8(offsets, text, codes, out_offsets, out):
    """Row i is string c = codes[i] of K: bytes offsets[c] to offsets[c + 1] of text, offsets i32.

    Fills out u8 with all rows one after the other and out_offsets i32[n + 1] with where each
    begins, as Arrow lays out strings; returns the number of bytes.
    """
    n = 0
    out_offsets[0] = 0
    for i in range(codes.size):
        code = codes[i]
        for j in range(offsets[code], offsets[code + 1]):
            out[n] = text[j]
            n += 1
        out_offsets[i + 1] = n
    return n
