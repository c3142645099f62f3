"""Bit-packed integers back to u32, in two published layouts and plain scalar code.

A value has `width` bits, 1 to 32, and bits fill little-endian u32 words from the least one up.
"""

from numba import njit

GROUPS = (0, 64, 32, 96)  # where eight consecutive rows of a FastLanes block start in the values


@njit
def decode(width, packed, out):
    """out[i] = bits [i * width, (i + 1) * width) of packed u32[ceil(n * width / 32)], out u32[n].

    The values follow each other without gaps, as in the bit-packed runs of Parquet.
    """
    mask = (1 << width) - 1
    for i in range(out.size):
        bit = i * width
        word, shift = bit >> 5, bit & 31
        value = packed[word] >> shift
        if shift + width > 32:
            value |= packed[word + 1] << (32 - shift)
        out[i] = value & mask


@njit
def fastlanes(width, packed, out):
    """Blocks of 1024 values as 32 lanes side by side, packed u32[ceil(n / 1024), width, 32] flat.

    Lane l holds 32 values, rows of `width` bits, in word l of the block's `width` groups of 32.
    Row r of lane l is value GROUPS[r // 8] + 128 * (r % 8) + l of its block (FastLanes, u32).
    """
    mask = (1 << width) - 1
    n = out.size
    for block in range((n + 1023) // 1024):
        for row in range(32):
            at = 1024 * block + GROUPS[row >> 3] + 128 * (row & 7)
            bit = row * width
            word, shift = 32 * (block * width + (bit >> 5)), bit & 31
            for lane in range(min(32, n - at)):
                value = packed[word + lane] >> shift
                if shift + width > 32:
                    value |= packed[word + 32 + lane] << (32 - shift)
                out[at + lane] = value & mask
