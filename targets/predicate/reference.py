"""Filters over columns in plain scalar code: to bits as in Arrow, or to the rows that passed.

Bit i of a bitmap is bit i % 8 of byte i // 8, the least bit first; bits past the last row are 0.
A comparison with NaN is false.
"""

from numba import njit


@njit
def filter_bitmap(a, b, x, y, bits):
    """Bit i of bits u8[ceil(r / 8)] = a[i] > x and b[i] < y, for a i32[r] and b f64[r]."""
    bits[:] = 0
    for i in range(a.size):
        if a[i] > x and b[i] < y:
            bits[i >> 3] |= 1 << (i & 7)


@njit
def filter_select(a, b, x, y, rows):
    """rows[:n] = the rising i with a[i] > x and b[i] < y; returns n; rows u32 has room for all."""
    n = 0
    for i in range(a.size):
        if a[i] > x and b[i] < y:
            rows[n] = i
            n += 1
    return n


@njit
def filter_either(a, codes, x, listed, bits):
    """Bit i of bits = a[i] > x or codes[i] is among listed, for codes and listed u32[r] and u32[8],
    or u8[r] and u8[8]; listed is in any order and may repeat itself."""
    bits[:] = 0
    for i in range(a.size):
        passed = a[i] > x
        if not passed:
            for j in range(listed.size):
                if codes[i] == listed[j]:
                    passed = True
                    break
        if passed:
            bits[i >> 3] |= 1 << (i & 7)


@njit
def filter_nullable(a, valid_a, b, valid_b, x, y, bits, valid):
    """a > x AND b < y where bit i of valid_a and valid_b u8[ceil(r / 8)] is 0 for NULL (Kleene).

    A comparison with NULL is NULL; false AND anything is false, true AND NULL is NULL. Bit i of
    valid = the result is not NULL, bit i of bits = it is true. Values of NULL rows mean nothing.
    """
    bits[:] = 0
    valid[:] = 0
    for i in range(a.size):
        at, bit = i >> 3, 1 << (i & 7)
        known_a, known_b = valid_a[at] & bit != 0, valid_b[at] & bit != 0
        passed_a, passed_b = a[i] > x, b[i] < y
        if known_a and known_b:
            valid[at] |= bit
            if passed_a and passed_b:
                bits[at] |= bit
        elif (known_a and not passed_a) or (known_b and not passed_b):
            valid[at] |= bit
