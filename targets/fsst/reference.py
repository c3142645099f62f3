"""FSST decoding in plain scalar code (Boncz, Neumann, Leis: FSST, VLDB 2020).

A text is a row of codes of one byte. Code 255 is an escape: the byte behind it stands for itself.
Any other code names a symbol of 1 to 8 bytes.
"""

from numba import njit

ESCAPE = 255


@njit
def decode(symbols, lengths, codes, out):
    """Write the text of codes u8[m] to out and return its length.

    Code c stands for the lengths[c] lowest bytes of symbols[c], the lowest first, where symbols is
    u64[256] and lengths u8[256]. Both are 0 at 255 and wherever a table has no symbol.
    """
    n = 0
    i = 0
    while i < codes.size:
        code = codes[i]
        i += 1
        if code == ESCAPE:
            out[n] = codes[i]
            n += 1
            i += 1
        else:
            symbol = symbols[code]
            for j in range(lengths[code]):
                out[n + j] = symbol >> (8 * j) & 0xFF
            n += lengths[code]
    return n
