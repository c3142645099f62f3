"""Exact search among inverted lists: bounds from bytes first, distances for the few that they leave.

A vector, from the centre of its list, is x = s u + e with bytes u, and a query q = g w + f, so

    |q - x|^2 >= |q|^2 + |x|^2 - 2 g s (u . w) - 2 g |w| |e| - 2 |f| |x|

by Cauchy and Schwarz. Sums of products of bytes are four to an instruction, and bytes are a quarter
of what floats are to read; only vectors whose bound lies below the k-th distance found are compared
component by component (bounds from quantised vectors: VA-File, Weber, Schek, Blott, VLDB 1998).

*Leaders.* Where a few directions hold nearly all of what vectors differ from their centres by, as of
embeddings, both stand for their components along these: no projection lengthens a difference, so a
bound stays one, and a quarter or an eighth is to read (KLT of the VA+-file, Ferhatosmanoglu, Tuncel,
Agrawal, El Abbadi, CIKM 2000).

*Layout.* Codes lie in blocks of LANES vectors, four components of each side by side, and behind
them two numbers a vector: its `term` |x|^2, and its `lean`, by which the bound gives way. A block is
one run of bytes, in the order in which it is read. The vectors themselves stay where they are.

*Order.* Each list passes once, by all queries that probe it, in tiles of up to ROWS (the grouping of
faiss/IndexIVFFlat's batched relatives); but first the nearest lists of all queries, since distances
found there spare most of what the others hold.

*Selection.* Bounds of a stretch of a list that lie below a query's bar wait; then their vectors are
compared, the nearest first while the query has fewer than it wants.
"""

import numpy as np
from ... import simd
from numba import njit

WIDE = simd.has("avx512f")
LANES = 16 if WIDE else 8
F32 = simd.f32x16 if WIDE else simd.f32x8
I32 = simd.i32x16 if WIDE else simd.i32x8
U8 = simd.u8x64 if WIDE else simd.u8x32
I8 = simd.i8x64 if WIDE else simd.i8x32
FEW = simd.i8x16 if WIDE else simd.i8x8
MASK = simd.m16 if WIDE else simd.m8
LINE = 4 * LANES  # bytes of a vector register
TILE = 2 * LANES  # vectors that a tile compares
KNOBS = {"rows": (8, 4, 6), "stretch": (1024, 512, 2048)}
ROWS = KNOBS["rows"][0]  # queries of a tile: by two blocks, 16 sums in 32 registers
STRETCH = KNOBS["stretch"][0]  # vectors of a list that pass before what waits is compared
ROOM = STRETCH + TILE  # a store is a whole vector, whatever counts of it
SHARE = np.float32(1 / 128)  # of a vector's length that its lean has for the error of the query
NOISE = np.float32(1e-5)  # relative error of a sum in single precision, and more
WHOLE = np.float32(3 << 22)  # added to a number below 2**22 it leaves no fraction
MOST = 1 << 30  # of a sum of products
TOP = np.float32(127)
TINY, HUGE = np.float32(1e-30), np.float32(1e38)
UNKNOWN = np.float32(-3e38)  # a base with which all bounds lie below all bars
WAIT = 64  # bounds of a query that may wait for its last list
AHEAD = 1024  # components between what is compared and what is fetched
FEW_EACH = 8  # vectors probed for each of the k wanted, up to which bounds do not pay
FEW_LEFT = 16  # bounds, up to which a choice among them costs more than it spares
SAMPLE = 64  # vectors of a list that say how its codes count
LEARN = 256  # vectors that say which directions lead, and others that say how far
MOST_LEADERS = 64
LEADERS = 16  # they come in steps of so many
TURNS = 3  # of the iteration that finds them
HELD = 0.98  # of a vector's square they must hold, on average, or all components are taken
DRIFT = 4e-8  # relative error of a leader, times components: of a sum, and of an axis
FAR = np.float32(1e17)  # a component that is squared and added up for ten thousand like it


inlined = njit(inline="always", error_model="numpy")

# Layout


@inlined
def aligned(count, dtype):
    """An array that begins where a cache line does: a load of 64 bytes is two where it crosses."""
    out = np.empty(count + 64, dtype)
    start = (-out.ctypes.data & 63) // out.itemsize
    return out[start : start + count]


@njit(error_model="numpy")
def prepare(vectors, rows, offsets, centroids):
    """Blocks of codes, what a unit of theirs is worth in each list, and the rest as it came."""
    axes = leading(vectors, offsets, centroids)
    own = room(axes, 2 * SAMPLE)
    steps = np.empty(offsets.size - 1, np.float32)
    for l in range(steps.size):
        steps[l] = step_of(vectors, offsets[l], offsets[l + 1], centroids, l, axes, own)
    blocks = pack(vectors, offsets, centroids, steps, axes, own)
    leaders = axes, np.full(1, drift(axes))
    return blocks, steps, vectors, rows.copy(), offsets.copy(), centroids.copy(), leaders


@njit(error_model="numpy")
def step_of(vectors, begin, end, centroids, l, axes, own):
    """What a unit is worth: of the largest component's share and halves of it, the one that errs
    least on average, since a few large components should not cost all the others."""
    every = max(1, (end - begin) // SAMPLE)
    m, width = components(axes), padded(components(axes))
    first = last = padded(axes.shape[0])
    few = np.empty(width, np.int8)
    widest = np.float32(0)
    for i in range(begin, end, every):
        _, top = lead(vectors, i, centroids, l, axes, own, last)
        widest = max(widest, top)
        last += width
    step, least = widest / np.float32(127), np.float32(np.inf)
    while step > TINY:
        total = np.float32(0)
        for at in range(first, last, width):
            _, apart, _ = encode(own, at, m, step, TOP, few, 0)
            total += np.sqrt(apart)
        if not total < least:
            return step * np.float32(2)
        least = total
        step *= np.float32(0.5)
    return max(step, TINY)


@inlined
def block_size(m):
    """Bytes of a block of codes of m components."""
    return (m + 3) // 4 * LINE + 2 * LINE


@njit(error_model="numpy")
def pack(vectors, offsets, centroids, steps, axes, own):
    """u8[blocks * size]; pads are at distance inf, and there is a block of them at the end, as tiles
    take two."""
    m, behind, moved = components(axes), padded(axes.shape[0]), drift(axes)
    size, groups = block_size(m), (m + 3) // 4
    out = aligned((len(vectors) // LANES + 2) * size, np.uint8)
    out[:] = np.uint8(0)
    few = np.zeros(4 * groups + 64, np.int8)
    for b in range(out.size // size):
        for lane in range(LANES):
            simd.store(out, b * size + groups * LINE + 4 * lane, np.float32(np.inf))
    for l in range(steps.size):
        for i in range(offsets[l], offsets[l + 1]):
            far, _ = lead(vectors, i, centroids, l, axes, own, behind)
            square, apart, _ = encode(own, behind, m, steps[l], TOP, few, 0)
            lean = missed(apart, far, moved) + SHARE * np.sqrt(square)
            at = i // LANES * size + 4 * (i % LANES)
            for g in range(groups):
                word = simd.load(np.uint32, few, 4 * g) ^ np.uint32(0x80808080)
                simd.store(out, at + g * LINE, np.uint32(word))
            simd.store(out, at + groups * LINE, square * (np.float32(1) - NOISE))
            simd.store(out, at + groups * LINE + LINE, lean)
    return out


# Leaders


@inlined
def components(axes):
    """How many of them stand for a vector."""
    return axes.shape[1] if axes.size else axes.shape[0]


@inlined
def padded(count):
    """Floats in whole vectors."""
    return (count + LANES - 1) // LANES * LANES


@inlined
def room(axes, count):
    """What `lead` works in, and behind it what stands for so many vectors."""
    return aligned(padded(axes.shape[0]) + count * padded(components(axes)), np.float32)


@inlined
def lead(x, i, centroids, l, axes, own, to):
    """What stands for x[i] - centroids[l] to own[to:], in whole vectors, behind what `room` leaves:
    zeros where it is too FAR. Returns its largest magnitude, and that of what stands for it."""
    d, m, top = x.shape[1], axes.shape[1], simd.zero(F32)
    at = 0 if m else to
    for j in range(0, d, LANES):
        inside = simd.first(MASK, d - j)
        apart = simd.load_masked(F32, x, i * d + j, inside)
        apart -= simd.load_masked(F32, centroids, l * d + j, inside)
        simd.store(own, at + j, apart)
        top = simd.max(top, simd.abs(apart))
    far = most = simd.reduce_max(top)
    if not far < FAR:
        most, top = np.float32(0), simd.zero(F32)
        for j in range(0, d, LANES):
            simd.store(own, at + j, top)
    for c in range(0, m, LANES):
        sums = along(axes, c, d, own)
        simd.store(own, to + c, sums)
        size = simd.reduce_max(simd.abs(sums))
        most = max(most, size) if c else size
    return far, most


@inlined
def along(axes, c, d, own):
    """own[:d] along a vector of axes, from the c-th on."""
    m = axes.shape[1]
    a = b = e = f = simd.zero(F32)
    for j in range(0, d, 4):
        at = j * m + c
        a = simd.fma(simd.splat(F32, own[j]), simd.load(F32, axes, at), a)
        b = simd.fma(simd.splat(F32, own[j + 1]), simd.load(F32, axes, at + m), b)
        e = simd.fma(simd.splat(F32, own[j + 2]), simd.load(F32, axes, at + 2 * m), e)
        f = simd.fma(simd.splat(F32, own[j + 3]), simd.load(F32, axes, at + 3 * m), f)
    return (a + b) + (e + f)


@inlined
def drift(axes):
    """How far rounding may move leaders, in units of the largest component that they stand for."""
    d, m = axes.shape
    return np.float32(DRIFT * d * np.sqrt(d * m))


@inlined
def missed(apart, far, moved):
    """How far a code may be from its vector: what it misses, and what rounding moved."""
    length = (np.sqrt(apart) + moved * far) * (np.float32(1) + NOISE)
    return length if far < FAR else HUGE


@inlined
def encode(own, where, m, step, top, out, at):
    """Codes i8 of m components in units of step, up to top, to out[at:]; the sums of their squares,
    of the squares of what the codes miss, and of the codes."""
    square = apart = total = simd.zero(F32)
    over, most = np.float32(1) / step, simd.splat(F32, top)
    for j in range(0, m, LANES):
        one = simd.load(F32, own, where + j)
        moved = simd.min(simd.max(one * over, -most), most) + WHOLE
        simd.store(out, at + j, simd.convert(FEW, simd.bitcast(I32, moved)))
        code = moved - WHOLE
        gap = one - code * step
        square, apart = simd.fma(one, one, square), simd.fma(gap, gap, apart)
        total += code
    return simd.reduce_add(square), simd.reduce_add(apart), simd.reduce_add(total)


@inlined
def ask(q, i, centroids, l, step, leaders, own, asked, at):
    """Codes of a query at asked[at:]; and what a bound is made of: by how much a product counts, by
    how much a lean, and what is to be added, u counted from 0."""
    axes, moved = leaders
    m, behind = components(axes), padded(axes.shape[0])
    top = np.float32(min(127, max(1, MOST // (255 * m))))
    far, most = lead(q, i, centroids, l, axes, own, behind)
    g = max(most / top, TINY)
    square, apart, total = encode(own, behind, m, g, top, asked, at)
    long = np.sqrt(square) + np.sqrt(apart)  # no less than what the codes say
    slack = max(long, missed(apart, far, moved[0]) / SHARE)
    turn = np.float32(2) * g * step
    noise = NOISE * (square + step * np.float32(512) * long * np.sqrt(np.float32(m)))
    base = square - noise + turn * np.float32(128) * total
    known = (far < FAR) & (abs(base) < HUGE)
    lean = np.float32(2) * slack * (np.float32(1) + NOISE)
    return (-turn, -lean, base) if known else (np.float32(0), np.float32(0), UNKNOWN)


@njit(error_model="numpy")
def leading(vectors, offsets, centroids):
    """f32[padded d, m], the directions that lead, side by side; f32[d, 0] if they do not hold HELD.
    Vectors count alike, however long: one that is far from all others should not lead."""
    d = vectors.shape[1]
    most = min(MOST_LEADERS, d // 2 // LEADERS * LEADERS)
    learn, test = deviations(vectors, offsets, centroids, most)
    old, axes = np.empty((most, d)), np.zeros((most, d))
    for c in range(most):
        move(learn[c], 1.0, axes[c])
    for _ in range(TURNS):
        orthonormal(axes)
        old, axes = axes, old
        axes[:] = 0.0
        for i in range(len(learn)):
            for c in range(most):
                move(learn[i], dot(learn[i], old[c]), axes[c])
    orthonormal(axes)
    m = enough(test, axes)
    out = np.zeros((padded(d) if m else d, m), np.float32)
    for c in range(m):
        for j in range(d):
            out[j, c] = axes[c, j]
    return out


@njit(error_model="numpy")
def enough(test, axes):
    """How many of the axes hold HELD of the squares, in steps of LEADERS; 0 if all do not."""
    held = total = 0.0
    for i in range(len(test)):
        total += dot(test[i], test[i])
    for c in range(len(axes)):
        for i in range(len(test)):
            held += dot(test[i], axes[c]) ** 2
        if (c + 1) % LEADERS == 0 and held > HELD * total:
            return c + 1
    return 0


@njit(error_model="numpy")
def deviations(vectors, offsets, centroids, most):
    """What vectors of all lists differ from their centres by, of length 1, f64[LEARN, d] twice;
    zeros where there are fewer, or none is to be had."""
    n, d = vectors.shape
    count = min(n, 2 * LEARN) if most else 0
    both, l = np.zeros((2, LEARN if most else 0, d)), 0
    for s in range(count):
        i, one = s * n // count, both[s % 2, s // 2]
        while offsets[l + 1] <= i:
            l += 1
        for j in range(d):
            one[j] = np.float64(vectors[i, j]) - np.float64(centroids[l, j])
        normed(one)
    return both[0], both[1]


@njit(error_model="numpy", fastmath={"reassoc", "contract"})
def dot(a, b):
    total = 0.0
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@njit(error_model="numpy")
def move(x, by, out):
    for j in range(x.size):
        out[j] += by * x[j]


@njit(error_model="numpy")
def normed(x):
    """At length 1, or zeros."""
    size = np.sqrt(dot(x, x))
    for j in range(x.size):
        x[j] = x[j] / size if size > TINY else 0.0


@njit(error_model="numpy")
def orthonormal(axes):
    """Gram and Schmidt's, twice, as once leaves what rounding left; no direction is zeros."""
    for _ in range(2):
        for c in range(len(axes)):
            for b in range(c):
                move(axes[b], -dot(axes[c], axes[b]), axes[c])
            normed(axes[c])


# Tiles


def tiler(rows):
    """u . w of `rows` queries, whose codes begin at asked[at[r]], with two blocks, into
    out[r * TILE :]."""

    @njit(error_model="numpy")
    def tile(blocks, one, other, soon, groups, asked, at, out):
        low, high = simd.repeat(simd.zero(I32), rows), simd.repeat(simd.zero(I32), rows)
        for g in range(groups):
            left = simd.load(U8, blocks, one + g * LINE)
            right = simd.load(U8, blocks, other + g * LINE)
            for r in simd.unroll(rows):
                four = simd.splat(I32, simd.load(np.int32, asked, at[r] + 4 * g))
                low = simd.put(low, r, simd.dot(low[r], left, simd.bitcast(I8, four)))
                high = simd.put(high, r, simd.dot(high[r], right, simd.bitcast(I8, four)))
        for s in simd.unroll(rows):
            simd.store(out, s * TILE, low[s])
            simd.store(out, s * TILE + LANES, high[s])

    return tile


tile_2, tile_4, tile_all = tiler(2), tiler(4), tiler(ROWS)


@njit(error_model="numpy")
def tile_1(blocks, one, other, soon, groups, asked, at, out):
    """The same for one query. Four sums are kept apart, to hide the latency of an addition; the
    blocks at `soon` are fetched meanwhile."""
    low, high = simd.repeat(simd.zero(I32), 4), simd.repeat(simd.zero(I32), 4)
    begin = at[0]
    for g in range(0, groups - 3, 4):
        for e in simd.unroll(4):
            left = simd.load(U8, blocks, one + (g + e) * LINE)
            right = simd.load(U8, blocks, other + (g + e) * LINE)
            simd.prefetch(blocks, soon + 2 * (g + e) * LINE)
            simd.prefetch(blocks, soon + 2 * (g + e) * LINE + LINE)
            four = simd.splat(I32, simd.load(np.int32, asked, begin + 4 * (g + e)))
            low = simd.put(low, e, simd.dot(low[e], left, simd.bitcast(I8, four)))
            high = simd.put(high, e, simd.dot(high[e], right, simd.bitcast(I8, four)))
    first, second = (low[0] + low[1]) + (low[2] + low[3]), (high[0] + high[1]) + (high[2] + high[3])
    for g in range(groups - groups % 4, groups):
        four = simd.bitcast(I8, simd.splat(I32, simd.load(np.int32, asked, begin + 4 * g)))
        first = simd.dot(first, simd.load(U8, blocks, one + g * LINE), four)
        second = simd.dot(second, simd.load(U8, blocks, other + g * LINE), four)
    simd.store(out, 0, first)
    simd.store(out, LANES, second)


@inlined
def enter(score, near, place, begin, end, values, places, at):
    """What is near and between begin and end, behind what waits; returns where the next goes."""
    if place < begin or place + LANES > end:
        near &= simd.first(MASK, end - place) & ~simd.first(MASK, begin - place)
    score = simd.max(score, simd.splat(F32, -HUGE))  # above what `pick` begins at
    simd.store(values, at, simd.compress(score, near))
    simd.store(places, at, simd.compress(simd.iota(I32) + np.int32(place), near))
    return at + simd.count(near)


# What waits


@inlined
def threshold(values, base, count, least, most):
    """A number that at least `least` values do not exceed, and at most `most` unless they tie."""
    some = more = simd.splat(F32, values[base])
    for i in range(0, count, LANES):
        value = simd.select(simd.first(MASK, count - i), simd.load(F32, values, base + i), some)
        some, more = simd.min(value, some), simd.max(value, more)
    low, high = simd.reduce_min(some), simd.reduce_max(more)
    while True:
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        if not low < middle < high:
            return high
        found = within(values, base, count, middle)
        if found < least:
            low = middle
        elif found > most:
            high = middle
        else:
            return middle


@inlined
def within(values, base, count, limit):
    """How many of the first `count` do not exceed the limit."""
    total = 0
    for i in range(0, count, LANES):
        near = simd.load(F32, values, base + i) <= limit
        total += simd.count(near & simd.first(MASK, count - i))
    return total


@inlined
def pick(values, places, base, count, above, limit, out):
    """The places with above < value <= limit, to out; returns how many."""
    found = 0
    for i in range(0, count, LANES):
        value = simd.load(F32, values, base + i)
        near = (value > above) & (value <= limit) & simd.first(MASK, count - i)
        simd.store(out, found, simd.compress(simd.load(I32, places, base + i), near))
        found += simd.count(near)
    return found


@inlined
def fetch(vectors, place):
    d = vectors.shape[1]
    for j in range(0, d, 16):
        simd.prefetch(vectors, place * d + j)


@inlined
def gap(vectors, place, soon, q, i):
    """|q - x|^2 by subtraction; the vector at `soon` is fetched meanwhile."""
    d = vectors.shape[1]
    x, y, z = place * d, i * d, soon * d
    total, more = simd.zero(F32), simd.zero(F32)
    whole = d - d % TILE
    for j in range(0, whole, TILE):
        simd.prefetch(vectors, z + j)
        simd.prefetch(vectors, z + j + LANES)
        apart = simd.load(F32, vectors, x + j) - simd.load(F32, q, y + j)
        total = simd.fma(apart, apart, total)
        apart = simd.load(F32, vectors, x + j + LANES) - simd.load(F32, q, y + j + LANES)
        more = simd.fma(apart, apart, more)
    for j in range(whole, d, LANES):
        simd.prefetch(vectors, z + j)
        inside = simd.first(MASK, d - j)
        apart = simd.load_masked(F32, vectors, x + j, inside)
        apart -= simd.load_masked(F32, q, y + j, inside)
        total = simd.fma(apart, apart, total)
    return simd.reduce_add(total + more)


@inlined
def gauge_two(vectors, begin, end, q, i, j, gaps, one, two):
    """Squared distances of the places begin to end - 1 from two queries, which share the loads."""
    d = vectors.shape[1]
    whole = d - d % LANES
    for c in range(begin, end):
        x, y, z = c * d, i * d, j * d
        total, more = simd.zero(F32), simd.zero(F32)
        for e in range(0, whole, LANES):
            simd.prefetch(vectors, x + e + AHEAD)
            own = simd.load(F32, vectors, x + e)
            left, right = own - simd.load(F32, q, y + e), own - simd.load(F32, q, z + e)
            total, more = simd.fma(left, left, total), simd.fma(right, right, more)
        if whole < d:
            inside = simd.first(MASK, d - whole)
            own = simd.load_masked(F32, vectors, x + whole, inside)
            left = own - simd.load_masked(F32, q, y + whole, inside)
            right = own - simd.load_masked(F32, q, z + whole, inside)
            total, more = simd.fma(left, left, total), simd.fma(right, right, more)
        gaps[one + c - begin], gaps[two + c - begin] = simd.reduce_add(total), simd.reduce_add(more)


@inlined
def gauge(vectors, due, first, last, q, i, gaps, base):
    """Squared distances of the vectors at the places due[first : last], to gaps[base + first :]."""
    ahead = max(1, AHEAD // vectors.shape[1])
    for c in range(first, min(first + ahead, last)):
        fetch(vectors, due[c])
    for c in range(first, last):
        soon = np.int64(due[min(c + ahead, last - 1)])
        gaps[base + c] = gap(vectors, np.int64(due[c]), soon, q, i)


@inlined
def admit(due, gaps, found, i, ids, dists):
    """Lets the places due[:found] at these distances enter; nobody infinitely far does."""
    first, filled, k = 0, 0, dists.shape[1]
    if ids[i, k - 1] < 0:
        while first < found and filled < k:
            if gaps[first] < np.inf:
                ids[i, k - 1 - filled], dists[i, k - 1 - filled] = due[first], gaps[first]
                filled += 1
            first += 1
        if filled == k:
            at = worst(dists, i, dists[i, 0])
            ids[i, 0], ids[i, at] = ids[i, at], ids[i, 0]
            dists[i, 0], dists[i, at] = dists[i, at], dists[i, 0]
    for c in range(first, found):
        dist = gaps[c]
        if dist < dists[i, 0]:
            at = worst(dists, i, dist)
            ids[i, 0], dists[i, 0] = ids[i, at], dists[i, at]
            ids[i, at], dists[i, at] = due[c], dist


@inlined
def worst(dists, i, dist):
    """Who is to be in front once the one that is has given way to this distance."""
    k = dists.shape[1]
    dists[i, 0] = dist
    none = most = simd.splat(F32, np.float32(-1))
    for j in range(0, k, LANES):
        inside = simd.first(MASK, k - j)
        some = simd.load_masked(F32, dists, i * k + j, inside)
        most = simd.max(most, simd.select(inside, some, none))
    top, j = simd.reduce_max(most), 0
    while True:
        inside = simd.first(MASK, k - j)
        same = simd.bits((simd.load_masked(F32, dists, i * k + j, inside) == top) & inside)
        if same:
            return j + simd.ctz(same)
        j += LANES


@inlined
def settle(ids, dists, i, rows, spare_ids, spare):
    """A row in order, nearest first, by counting who is nearer; places become names."""
    k = dists.shape[1]
    for j in range(k):
        spare_ids[j], spare[j] = ids[i, j], dists[i, j]
    ids[i, :], dists[i, :] = -1, np.inf
    for j in range(k):
        if spare_ids[j] >= 0:
            rank = within(spare, 0, k, np.nextafter(spare[j], np.float32(-1)))
            while ids[i, rank] >= 0:
                rank += 1
            ids[i, rank], dists[i, rank] = rows[spare_ids[j]], spare[j]


# A unit is a list that some queries probe: its number, where it ends for them, and who they are


@inlined
def limit(dists, i):
    """What a bound must not exceed."""
    return dists[i, 0] * (np.float32(1) + NOISE)


@inlined
def bound(state, work, l, end, b0, b1, then, q, who, first, members, dists):
    """Which places of the blocks b0 to b1 - 1 lie below the bars of who[first : first + members]:
    they wait. The place `then` is read after the unit."""
    blocks, steps, _, _, offsets, centroids, leaders = state
    (values, places, counts, _, _), (asked, sums, factors, at, own) = work
    begin, m = offsets[l], components(leaders[0])
    groups, size, width = (m + 3) // 4, block_size(m), asked.size // ROWS
    for r in range(ROWS if members > 1 else 1):
        at[r], counts[r] = min(r, members - 1) * width, 0
    for r in range(members):
        i = who[first + r]
        turn, slack, base = ask(q, i, centroids, l, steps[l], leaders, own, asked, at[r])
        factors[r, 0], factors[r, 1], factors[r, 2] = turn, slack, base
        factors[r, 3] = limit(dists, i) - base
    stop = (end + LANES - 1) // LANES
    for b in range(b0, b1, 2):
        other = min(b + 1, stop - 1)
        soon = b + 2 if b + 2 < stop else then // LANES
        one, two, three = b * size, other * size, soon * size
        if members == 1:
            tile_1(blocks, one, two, three, groups, asked, at, sums)
        elif members == 2:
            tile_2(blocks, one, two, three, groups, asked, at, sums)
        elif members <= 4:
            tile_4(blocks, one, two, three, groups, asked, at, sums)
        else:
            tile_all(blocks, one, two, three, groups, asked, at, sums)
        one, two = one + groups * LINE, two + groups * LINE
        low_term, low_lean = simd.load(F32, blocks, one), simd.load(F32, blocks, one + LINE)
        high_term, high_lean = simd.load(F32, blocks, two), simd.load(F32, blocks, two + LINE)
        for r in range(members):
            turn, slack = simd.splat(F32, factors[r, 0]), simd.splat(F32, factors[r, 1])
            bar = factors[r, 3]
            low = simd.convert(F32, simd.load(I32, sums, r * TILE))
            high = simd.convert(F32, simd.load(I32, sums, r * TILE + LANES))
            low = simd.fma(low, turn, simd.fma(low_lean, slack, low_term))
            high = simd.fma(high, turn, simd.fma(high_lean, slack, high_term))
            near, far = low < bar, high < bar
            if simd.any(near | far):
                to = r * ROOM + counts[r]
                to = enter(low, near, b * LANES, begin, end, values, places, to)
                if other > b:
                    to = enter(high, far, other * LANES, begin, end, values, places, to)
                counts[r] = to - r * ROOM


@inlined
def finish(state, work, later, l, q, who, first, members, ids, dists):
    """Compares what waits, or lets it wait for the query's last list (l < 0) if it has room: the
    nearest first, about so many as a query wants that has fewer, and then what lies below its limit
    still."""
    vectors, (values, places, counts, due, gaps), factors = state[2], work[0], work[1][2]
    k = dists.shape[1]
    for r in range(members):
        i = who[first + r]
        at, count, base = r * ROOM, counts[r], factors[r, 2]
        if l < 0:
            at, count, base = ROWS * ROOM + i * WAIT, later[i], np.float32(0)
        elif later.size and later[i] + count <= WAIT:
            to = ROWS * ROOM + i * WAIT + later[i]
            for c in range(count):
                values[to + c], places[to + c] = values[at + c] + base, places[at + c]
            later[i] += count
            continue
        if count == 0:
            continue
        some = k if dists[i, 0] == np.inf else count // 4
        cut = np.float32(np.inf)
        if some > 0 and count > max(2 * some, FEW_LEFT):
            cut = threshold(values, at, count, some, some + some // 8)
        found = pick(
            values, places, at, count, np.float32(-np.inf), min(cut, limit(dists, i) - base), due
        )
        gauge(vectors, due, 0, found, q, i, gaps, 0)
        admit(due, gaps, found, i, ids, dists)
        if cut < np.inf:
            found = pick(values, places, at, count, cut, limit(dists, i) - base, due)
            gauge(vectors, due, 0, found, q, i, gaps, 0)
            admit(due, gaps, found, i, ids, dists)


@inlined
def scan(state, work, plain, later, l, end, then, q, who, first, last, ids, dists):
    """Lets the places of a unit enter, a stretch after the other."""
    begin = state[4][l] if l >= 0 else 0
    stop = (end + LANES - 1) // LANES
    for b0 in range(begin // LANES, stop, STRETCH // LANES):
        b1 = min(b0 + STRETCH // LANES, stop)
        for w in range(first, last, ROWS):
            members = min(ROWS, last - w)
            if plain:
                low, high = max(begin, b0 * LANES), min(end, b1 * LANES)
                directly(state, work, low, high, q, who, w, members, ids, dists)
                continue
            if l >= 0:
                bound(state, work, l, end, b0, b1, then, q, who, w, members, dists)
            finish(state, work, later, l, q, who, w, members, ids, dists)


@inlined
def directly(state, work, begin, end, q, who, first, members, ids, dists):
    """The same without bounds: all are compared."""
    vectors, (values, _, _, due, gaps) = state[2], work[0]
    count, k = end - begin, dists.shape[1]
    for r in range(0, members, 2):
        s = min(r + 1, members - 1)
        i, j = who[first + r], who[first + s]
        gauge_two(vectors, begin, end, q, i, j, values, r * ROOM, s * ROOM)
    for r in range(members):
        i = who[first + r]
        cut = dists[i, 0]
        if count > 2 * k and cut == np.inf:
            cut = threshold(values, r * ROOM, count, k, k + k // 8)
        found = 0
        for c in range(0, count, LANES):
            value = simd.load(F32, values, r * ROOM + c)
            near = (value <= cut) & simd.first(MASK, count - c)
            simd.store(gaps, found, simd.compress(value, near))
            simd.store(due, found, simd.compress(simd.iota(I32) + np.int32(begin + c), near))
            found += simd.count(near)
        admit(due, gaps, found, i, ids, dists)


# What there is to scan: units i64[n, 4], and who i64[...] they are for


@inlined
def put(units, u, l, end, first, last):
    units[u, 0], units[u, 1], units[u, 2], units[u, 3] = l, end, first, last


@njit(error_model="numpy")
def in_turn(probes, offsets, most):
    """Query by query, the nearest list first, at most `most` vectors of each query."""
    nq, nprobe = probes.shape
    units, count = np.empty((nq * nprobe, 4), np.int64), 0
    for i in range(nq):
        left = most
        for p in range(nprobe):
            begin = offsets[probes[i, p]]
            end = min(offsets[probes[i, p] + 1], begin + left)
            left -= end - begin
            if begin < end:
                put(units, count, probes[i, p], end, i, i + 1)
                count += 1
    return units[:count], np.arange(nq), count


@njit(error_model="numpy")
def together(probes, offsets, plain):
    """List by list: at first the nearest of all queries, then, once for each query, the others; what
    waits is compared at the end (list -1). Returns how many come before the others, too."""
    nq, nprobe = probes.shape
    nlist = offsets.size - 1
    units, count = np.empty((min(nlist, nq) + min(nlist, nq * nprobe) + 1, 4), np.int64), 0
    who, starts = np.empty(nq * nprobe + nq, np.int64), np.empty(nlist + 1, np.int64)
    early = 0
    near = nprobe if plain else 1
    for first, last in ((0, near), (near, nprobe)):
        turn(probes, first, last, starts, who)
        for l in range(nlist):
            if starts[l] < starts[l + 1] and offsets[l] < offsets[l + 1]:
                put(units, count, l, offsets[l + 1], starts[l], starts[l + 1])
                count += 1
        if first == 0:
            early = count
    for i in range(nq):
        who[nq * nprobe + i] = i
    if count > early:
        put(units, count, -1, LANES, nq * nprobe, nq * nprobe + nq)
        count += 1
    return units[:count], who, early


@njit(error_model="numpy")
def turn(probes, first, last, starts, who):
    """Who probes which list: list l is wanted by who[starts[l] : starts[l + 1]]."""
    nq = probes.shape[0]
    starts[:] = 0
    for i in range(nq):
        for p in range(first, last):
            starts[probes[i, p]] += 1
    total = nq * first
    for l in range(starts.size):
        total += starts[l]
        starts[l] = total
    for i in range(nq - 1, -1, -1):
        for p in range(first, last):
            starts[probes[i, p]] -= 1
            who[starts[probes[i, p]]] = i


# Entry points


@njit(error_model="numpy")
def scratch(state):
    """What a tile works on, and what its queries compare."""
    axes = state[6][0]
    asked = aligned(ROWS * padded(components(axes)), np.int8)
    sums, factors = aligned(ROWS * TILE, np.int32), np.empty((ROWS, 4), np.float32)
    tile = asked, sums, factors, np.empty(ROWS, np.int64), room(axes, 1)
    return tile, np.empty(ROWS, np.int64), aligned(ROOM, np.int32), aligned(ROOM, np.float32)


@njit(error_model="numpy")
def answer(state, scratch, q, probes, most, ids, dists):
    rows, offsets = state[3], state[4]
    nq, k = ids.shape
    ids[:] = -1
    dists[:] = np.inf
    plain = probes.shape[1] * rows.size <= FEW_EACH * k * (offsets.size - 1)
    if most > 0 or nq < 2:
        units, who, early = in_turn(probes, offsets, most if most > 0 else 1 << 62)
    else:
        units, who, early = together(probes, offsets, plain)
    room = ROWS * ROOM + (nq * WAIT if early < units.shape[0] else 0)
    tile, counts, due, gaps = scratch
    work = (aligned(room, np.float32), aligned(room, np.int32), counts, due, gaps), tile
    later, none = np.zeros(nq, np.int64), np.empty(0, np.int64)
    for u in range(units.shape[0]):
        l, end, first, last = units[u, 0], units[u, 1], units[u, 2], units[u, 3]
        then = offsets[max(0, units[min(u + 1, units.shape[0] - 1), 0])]
        scan(
            state,
            work,
            plain,
            none if u < early else later,
            l,
            end,
            then,
            q,
            who,
            first,
            last,
            ids,
            dists,
        )
    spare_ids, spare = np.empty(k, np.int64), np.empty(k + LANES, np.float32)
    for i in range(nq):
        settle(ids, dists, i, rows, spare_ids, spare)


@njit(error_model="numpy")
def search(state, scratch, q, probes, ids, dists):
    answer(state, scratch, q, probes, np.int64(0), ids, dists)


@njit(error_model="numpy")
def search_capped(state, scratch, q, probes, max_codes, ids, dists):
    """The first max_codes vectors in the order of the probes, query by query."""
    answer(state, scratch, q, probes, max_codes, ids, dists)
