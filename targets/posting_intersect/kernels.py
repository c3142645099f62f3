"""Intersections of sorted lists of ids, in plain scalar code: a merge that walks every list."""

from numba import njit


@njit
def prepare(ids, starts):
    """List k is ids[starts[k] : starts[k + 1]], for ids u32 and starts i64 -> state, any layout."""
    return ids.copy(), starts.copy()


@njit
def intersect(a, b, out):
    """out[:n] = the ids that are in a and in b, rising, for a and b u32, rising, none twice.

    Returns n; out u32 has room for min(a.size, b.size).
    """
    n = i = j = 0
    while i < a.size and j < b.size:
        if a[i] < b[j]:
            i += 1
        elif b[j] < a[i]:
            j += 1
        else:
            out[n] = a[i]
            n += 1
            i += 1
            j += 1
    return n


@njit
def intersect3(a, b, c, out):
    """The same for three lists: out[:n] = the ids in all of a, b and c; returns n."""
    n = i = j = k = 0
    while i < a.size and j < b.size and k < c.size:
        most = max(a[i], b[j], c[k])
        if a[i] < most:
            i += 1
        elif b[j] < most:
            j += 1
        elif c[k] < most:
            k += 1
        else:
            out[n] = most
            n += 1
            i += 1
            j += 1
            k += 1
    return n


@njit
def intersect_held(state, i, j, out):
    """`intersect` of lists i and j of the state."""
    ids, starts = state
    return intersect(ids[starts[i] : starts[i + 1]], ids[starts[j] : starts[j + 1]], out)
