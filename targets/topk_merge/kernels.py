"""Sorted runs merged in pairs without a branch, after a bound has left out what cannot be wanted.

*Bound.* Of every run some entries at equal steps are looked at: where m of these samples, each `step`
entries deep, are at most T, so are m * step entries. The least such T is found by halving the span
of the samples; what a run has above it is never read (thresholds from samples as in Fagin, Lotem,
Naor: "Optimal aggregation algorithms for middleware", PODS 2001).

*Merge.* Two runs are merged from both ends at once, so that two chains of compares, which choose by
masks and never by branches, hide each other's latency. A pair of which only k are wanted is cut to
these first (merge path: Odeh, Green, Mwassi, Shmueli, Birk, IPDPS 2012).
Scores are turned into integers that rise alike, and a pad at both ends of each run ends its part.
Few entries of many runs are not merged: each counts how many go before it, which is its place.
"""

import numpy as np
from autoresearch import simd
from numba import njit

WIDE = simd.has("avx512f")
LANES = 16 if WIDE else 8
F32 = simd.f32x16 if WIDE else simd.f32x8
U32 = simd.u32x16 if WIDE else simd.u32x8
I32 = simd.i32x16 if WIDE else simd.i32x8
U64 = simd.u64x8 if WIDE else simd.u64x4
MASK = simd.m16 if WIDE else simd.m8
WORDS = LANES // 2  # ids of a register
SIGN = np.uint32(0x80000000)
LEAST, MOST = np.uint32(0), np.uint32(0xFFFFFFFF)  # pads: no finite score is either
NOTHING = np.uint64(0xFFFFFFFFFFFFFFFF)
KNOBS = {"part": (32768, 16384, 65536), "counted": (32, 16, 64), "deep": (3, 2, 4)}
PART = KNOBS["part"][0]  # entries that are merged at once, about
COUNTED = KNOBS["counted"][0]  # entries for each halving of the runs, below which they are counted
DEEP = KNOBS["deep"][0]  # times k: entries that samples speak for


@njit
def scratch(limits):
    """Two buffers of keys and of ids, where each run begins and ends in them, where what is left of
    it begins, and samples."""
    room = limits[1] + 2 * limits[0] + 64
    return (
        np.empty((2, room), np.uint32),
        np.empty((2, room), np.uint64),
        np.empty((2, limits[0] + 1), np.int64),
        np.empty(limits[0] + 1, np.int64),
        np.empty(limits[1] + 64, np.float32),
    )


@njit(inline="always")  # a function apart is compiled once more, with all that it calls
def merge_topk(scratch, runs, offsets, scores, ids, best, best_ids):
    for q in range(best.shape[0]):
        bounds = offsets[q * runs : (q + 1) * runs + 1]
        merge(scratch, bounds, scores, ids, best[q], best_ids[q])


@njit(inline="always")
def merge_all(scratch, offsets, scores, ids, merged, merged_ids):
    merge(scratch, offsets, scores, ids, merged, merged_ids)


@njit
def merge(scratch, bounds, scores, ids, best, best_ids):
    """The least entries of all runs, part by part: what is in hand stays in the caches."""
    heads = scratch[3]
    for r in range(bounds.size):
        heads[r] = bounds[r]
    left = bounds[bounds.size - 1] - bounds[0]
    wanted = min(best.size, left)
    best[wanted:], best_ids[wanted:] = np.inf, NOTHING
    at = np.int64(0)
    while at < wanted:
        most = min(wanted - at, PART)
        limit = np.float32(np.inf)
        if left > most + most // 4:
            limit = bound(heads, bounds, scores, most, scratch[4])
        size = merge_part(scratch, bounds, scores, ids, limit, best[at:wanted], best_ids[at:wanted])
        at += size
        left -= size


@njit
def merge_part(scratch, bounds, scores, ids, limit, best, best_ids):
    """Takes what does not exceed the limit; returns how many entries, or more than are wanted."""
    keys, names, spans, heads, _ = scratch
    count, end = gather_runs(heads, bounds, scores, ids, limit, best.size, keys[0], names[0], spans)
    size = end - 2 * count
    if end < COUNTED * (64 - simd.clz(np.uint64(count))):
        by_count(keys[0], names[0], spans, count, end, best, best_ids)
        return size
    side = np.int64(0)
    while count > 1:
        count = level(keys, names, spans, count, side, best.size)
        side = 1 - side
    begin, wanted = spans[0, 0], min(size, best.size)
    for o in range(0, wanted, LANES):
        some = to_scores(simd.load(U32, keys[side], begin + o))
        simd.store_masked(best, o, some, simd.first(MASK, wanted - o))
    for o in range(wanted):
        best_ids[o] = names[side, begin + o]
    return size


# Bound


@njit
def bound(heads, bounds, scores, k, samples):
    """A score that at least k entries from the heads on do not exceed, and not many more."""
    runs = bounds.size - 1
    step = max(1, k // (4 * runs))
    rows = (DEEP * k + runs * step - 1) // (runs * step)
    count = np.int64(0)
    for r in range(runs):
        end = min(bounds[r + 1], heads[r] + rows * step)
        for at in range(heads[r] + step - 1, end, step):
            samples[count] = scores[at]
            count += 1
    want = (k + step - 1) // step
    if count < want:
        return np.float32(np.inf)
    return threshold(samples, count, want, want + want // 8 + 2)


@njit
def threshold(samples, count, least, most):
    """A number that at least `least` samples do not exceed, and at most `most` unless they tie."""
    low = high = samples[0]
    for i in range(1, count):
        low, high = min(low, samples[i]), max(high, samples[i])
    if within(samples, count, low) >= least:
        return low
    while True:
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        if not low < middle < high:
            return high
        found = within(samples, count, middle)
        if found < least:
            low = middle
        elif found > most:
            high = middle
        else:
            return middle


@njit
def within(samples, count, limit):
    """How many of the first `count` do not exceed the limit."""
    total = 0
    for i in range(0, count, LANES):
        near = simd.load(F32, samples, i) <= limit
        total += simd.count(near & simd.first(MASK, count - i))
    return total


# Runs


@njit
def gather_runs(heads, bounds, scores, ids, limit, k, keys, names, spans):
    """Moves from each run what does not exceed the limit, k entries at most, with a pad at either
    end; spans[0, c] to spans[1, c] is where run c lies. Returns how many runs are left."""
    count, at = np.int64(0), np.int64(1)
    for r in range(bounds.size - 1):
        begin, end = heads[r], min(bounds[r + 1], heads[r] + k)
        if begin == end or simd.load(np.float32, scores, begin) > limit:
            continue
        start = at
        for p in range(begin, end, LANES):
            some = simd.load(F32, scores, p)
            size = simd.count((some <= limit) & simd.first(MASK, end - p))
            simd.store(keys, at, to_keys(some))
            simd.store(names, at, simd.load(U64, ids, p))
            if size > WORDS:
                simd.store(names, at + WORDS, simd.load(U64, ids, p + WORDS))
            at += size
            if size < LANES:
                break
        heads[r] = begin + at - start
        spans[0, count], spans[1, count] = start, at
        count += 1
        pad(keys, names, start - 1, at)
        at += 2
    return count, at - 1


@njit
def pad(keys, names, before, behind):
    keys[before], names[before] = LEAST, np.uint64(0)
    keys[behind], names[behind] = MOST, NOTHING


@njit
def to_keys(scores):
    """Integers that rise as the scores do."""
    bits = simd.bitcast(I32, scores)
    return simd.bitcast(U32, bits) ^ (simd.bitcast(U32, bits >> 31) | SIGN)


@njit
def to_scores(keys):
    high = simd.bitcast(U32, simd.bitcast(I32, ~keys) >> 31)
    return simd.bitcast(F32, keys ^ (high | SIGN))


# Few entries


@njit
def by_count(keys, names, spans, count, end, best, best_ids):
    """Puts every entry where as many go before it. The pads before runs do so always."""
    for c in range(count):
        for p in range(spans[0, c], spans[1, c]):
            key = simd.load(np.uint32, keys, p)
            less = upto = 0
            for i in range(0, end, LANES):
                some, inside = simd.load(U32, keys, i), simd.first(MASK, end - i)
                less += simd.count((some < key) & inside)
                upto += simd.count((some <= key) & inside)
            place = less - count
            if upto - less > 1:
                place += ties_before(keys, names, end, p)
            if place < best.size:
                best[place], best_ids[place] = to_score(key), names[p]


@njit
def ties_before(keys, names, end, p):
    total = 0
    for i in range(end):
        total += (keys[i] == keys[p]) & (names[i] < names[p])
    return total


@njit
def to_score(key):
    """One score of a key."""
    return simd.lane(to_scores(simd.splat(U32, key)), 0)


# Merging


@njit
def level(keys, names, spans, count, side, k):
    """Merges neighbours, k entries of each pair at most, into the other buffers; returns how many
    runs are left."""
    other = 1 - side
    at = np.int64(1)
    for c in range(0, count, 2):
        a, a_end = spans[0, c], spans[1, c]
        if c + 1 == count:
            size = a_end - a
            # Slices, though numba takes 3 s for their errors: with loops here merging slows by 5 %.
            keys[other, at : at + size] = keys[side, a:a_end]
            names[other, at : at + size] = names[side, a:a_end]
        else:
            b, b_end = spans[0, c + 1], spans[1, c + 1]
            size = min(a_end - a + b_end - b, k)
            if size == a_end - a + b_end - b:
                two_ends(keys[side], names[side], a, a_end, b, b_end, keys[other], names[other], at)
            else:
                i = split(keys[side], names[side], a, a_end, b, b_end, size)
                j = b + size - (i - a)
                two_ends(keys[side], names[side], a, i, b, j, keys[other], names[other], at)
        spans[0, c // 2], spans[1, c // 2] = at, at + size
        pad(keys[other], names[other], at - 1, at + size)
        at += size + 2
    return (count + 1) // 2


@njit
def split(keys, names, a, a_end, b, b_end, size):
    """Where in a the first `size` entries of both end."""
    low, high = max(a, a + size - (b_end - b)), min(a_end, a + size)
    while low < high:
        i = (low + high) // 2
        j = b + size - (i - a) - 1
        if before(keys, names, i, j):
            low = i + 1
        else:
            high = i
    return low


@njit
def before(keys, names, p, q):
    return keys[p] < keys[q] or (keys[p] == keys[q] and names[p] < names[q])


@njit
def two_ends(keys, names, a, a_end, b, b_end, out, out_names, at):
    """Merges a to a_end - 1 and b to b_end - 1, the lesser half upwards, the rest downwards."""
    size = a_end - a + b_end - b
    end = at + size
    for _ in range(size // 2):
        a, b = rise(keys, names, a, b, out, out_names, at)
        at += 1
        end -= 1
        a_end, b_end = fall(keys, names, a_end, b_end, out, out_names, end)
    if at < end:
        rise(keys, names, a, b, out, out_names, at)


@njit
def rise(keys, names, a, b, out, out_names, at):
    """Moves the lesser one of two heads."""
    key, other = simd.load(np.uint32, keys, a), simd.load(np.uint32, keys, b)
    name, other_name = simd.load(np.uint64, names, a), simd.load(np.uint64, names, b)
    second = (other < key) | ((other == key) & (other_name < name))
    mask = np.uint64(0) - np.uint64(second)
    simd.store(out, at, np.uint32(key ^ ((key ^ other) & np.uint32(mask))))
    simd.store(out_names, at, name ^ ((name ^ other_name) & mask))
    return a + 1 - second, b + second


@njit
def fall(keys, names, a_end, b_end, out, out_names, at):
    """Moves the greater one of two tails."""
    key, other = simd.load(np.uint32, keys, a_end - 1), simd.load(np.uint32, keys, b_end - 1)
    name, other_name = simd.load(np.uint64, names, a_end - 1), simd.load(np.uint64, names, b_end - 1)
    second = (key < other) | ((key == other) & (name < other_name))
    mask = np.uint64(0) - np.uint64(second)
    simd.store(out, at, np.uint32(key ^ ((key ^ other) & np.uint32(mask))))
    simd.store(out_names, at, name ^ ((name ^ other_name) & mask))
    return a_end - 1 + second, b_end - second
