"""MaxScore over rounded shares, with filters that say which documents two lists have in common.

*Bounds.* Lists pass by falling greatest share (MaxScore: Turtle and Flood, 1995), each offering its
documents to those after it, until what these can add no longer reaches the tenth best. A posting
holds its share rounded up to a 255th of the greatest, so that 64 are held against that at once.
Ten documents have at least the tenth share of any one term: a search begins with that as its limit.

*Filters.* A list has a bit for every document, or every stretch of documents when it is short. What
passes the bounds asks the filters of the lists to come, sixteen documents at a time, and no list is
read for a document that it does not have. Nothing is summed up for all documents, nor cleared.

*Look-up.* The few that are left are scored exactly, list by list, as long as they can be among the
ten. A table says where a stretch of documents begins in a list, and documents are compared at once.

*Layout.* All is one array of words: numba counts who holds an array, by atomic instructions, and
taking six arrays out of a tuple in each function took most of the time. What a query needs of a
term is one record of 32 bytes and one run: filter, table, documents, bounds and counts in bytes.
"""

import numpy as np
from autoresearch import simd
from numba import njit

WIDE = simd.has("avx512bw")
LANES = 16 if WIDE else 8
STEP = 4 * LANES  # bounds that are compared at once
U8 = simd.u8x64 if WIDE else simd.u8x32
FOUR = simd.u8x16 if WIDE else simd.u8x8
U32 = simd.u32x16 if WIDE else simd.u32x8
I32 = simd.i32x16 if WIDE else simd.i32x8
F32 = simd.f32x16 if WIDE else simd.f32x8
MASK = simd.m16 if WIDE else simd.m8
MASKS = simd.m64 if WIDE else simd.m32
KNOBS = {"bits": (8, 16, 32), "stretch": (32, 16, 64)}
BITS = KNOBS["bits"][0]  # of a filter for each posting, at most
STRETCH = KNOBS["stretch"][0]  # postings to an entry of a table, at least
LEVELS = 255  # of a bound
MANY = 255  # a count that is this or more lies apart
TOP = 10
SURE = np.float32(1 + 2e-6)  # shares are summed up in any order: bounds are that much wider

# Where things lie in the state, in words; a record begins every 8 words
NORMS, WHERE, COUNTS, DISCOUNTS, RECORDS = 0, 1, 2, 16, 272
FILTER, TABLE, DOCS, COUNT, GREATEST, TENTH, WEIGHT, SHIFTS = np.arange(8)

# ... and in the scratch: the ten best, falling; candidates and their bounds; a row for each term,
# which is its record, and what it and all after it can add
SCORES, IDS, PLACES, ROOM = 16, 48, 80, 256
MOSTS, ROWS = PLACES + ROOM + STEP, PLACES + 2 * (ROOM + STEP)
ROW, REST = 16, 8
NOBODY = np.uint32(0xFFFFFFFF)


# Layout


@njit(error_model="numpy")
def prepare(docs, freqs, offsets, norms, discounts, weights):
    terms = weights.size
    many = np.sum(freqs >= MANY)
    records = np.zeros((terms, 8), np.uint32)
    where = RECORDS + 8 * terms + (norms.size + 3) // 4
    end = where + 2 * many
    for t in range(terms):
        end = place(records[t], end, offsets[t + 1] - offsets[t], norms.size)
    state = np.zeros(end + STEP, np.uint32)
    state[NORMS], state[WHERE], state[COUNTS] = RECORDS + 8 * terms, where, where + many
    for i in range(norms.size):
        state[state[NORMS] + i // 4] |= np.uint32(norms[i]) << np.uint32(8 * (i % 4))
    for i in range(discounts.size):
        simd.store(state, DISCOUNTS + i, discounts[i])
    for t in range(terms):
        part = slice(offsets[t], offsets[t + 1])
        simd.store(records, (t, WEIGHT), weights[t])
        write_docs(state, records[t], docs[part], norms.size)
        write_shares(state, records[t], docs[part], freqs[part], norms, discounts)
        where = write_many(state, where, np.int64(records[t, DOCS]), freqs[part], many)
        for word in range(8):
            state[RECORDS + 8 * t + word] = records[t, word]
    return state


@njit(error_model="numpy")
def place(record, begin, count, n):
    """Fills in where a list and its parts lie; returns where it ends."""
    shift, stretch = fitting(n, BITS * count), fitting(n, count // STRETCH)
    record[FILTER], record[COUNT] = begin, count
    record[TABLE] = record[FILTER] + (n >> (shift + 5)) + 1
    record[DOCS] = record[TABLE] + (n >> stretch) + 1
    record[SHIFTS] = shift << 8 | stretch
    return counts_of(np.int64(record[DOCS]), count) + (count + 3) // 4


@njit(error_model="numpy")
def fitting(n, most):
    """The bits to drop of a document to have at most `most` stretches of them, or one."""
    shift = 0
    while n >> shift > most:
        shift += 1
    return shift


@njit(error_model="numpy")
def bounds_of(first, count):
    """Where the bounds begin of a list whose documents begin at `first`."""
    return first + count


@njit(error_model="numpy")
def counts_of(first, count):
    return first + count + (count + 3) // 4


@njit(error_model="numpy")
def write_docs(state, record, docs, n):
    """The documents of a list, its filter and its table."""
    shift, stretch = record[SHIFTS] >> 8, record[SHIFTS] & 255
    for i in range(docs.size):
        state[record[DOCS] + i] = docs[i]
        bit = docs[i] >> shift
        state[record[FILTER] + (bit >> 5)] |= np.uint32(1) << (bit & np.uint32(31))
    i = 0
    for cell in range((n >> stretch) + 1):
        while i < docs.size and docs[i] >> stretch < cell:
            i += 1
        state[record[TABLE] + cell] = i


@njit(error_model="numpy")
def write_shares(state, record, docs, freqs, norms, discounts):
    """Bounds, counts, and the greatest and the tenth share."""
    weight, first = simd.load(np.float32, record, WEIGHT), np.int64(record[DOCS])
    best = np.zeros(TOP, np.float32)
    for i in range(docs.size):
        score = share(weight, np.float32(freqs[i]), discounts[norms[docs[i]]])
        if score > best[TOP - 1]:
            at = TOP - 1
            while at > 0 and best[at - 1] < score:
                best[at] = best[at - 1]
                at -= 1
            best[at] = score
    simd.store(record, GREATEST, best[0])
    simd.store(record, TENTH, best[TOP - 1])
    bounds, counts = bounds_of(first, docs.size), counts_of(first, docs.size)
    for i in range(docs.size):
        score = share(weight, np.float32(freqs[i]), discounts[norms[docs[i]]])
        shift = np.uint32(8 * (i % 4))
        state[bounds + i // 4] |= np.uint32(min(np.ceil(score / best[0] * LEVELS), LEVELS)) << shift
        state[counts + i // 4] |= np.uint32(min(freqs[i], MANY)) << shift


@njit(error_model="numpy")
def write_many(state, where, first, freqs, many):
    """The places of counts too large for a byte, and these counts; returns where more go."""
    for i in range(freqs.size):
        if freqs[i] >= MANY:
            state[where], state[where + many] = first + i, freqs[i]
            where += 1
    return where


@njit(error_model="numpy")
def scratch(state):
    """The ten best, candidates, and a row for every term that a query may have, and one more."""
    terms = (state[NORMS] - RECORDS) // 8
    return np.zeros(ROWS + (terms + 1) * ROW, np.uint32)


# Search


@njit(error_model="numpy")
def number(array, at):
    return simd.load(np.float32, array, at)


@njit(error_model="numpy")
def byte(state, at, i):
    """Byte i after the word `at`."""
    return state[at + i // 4] >> np.uint32(8 * (i % 4)) & np.uint32(255)


@njit(error_model="numpy")
def share(weight, count, discount):
    return weight * count / (count + discount)


@njit(error_model="numpy")
def row(i):
    return ROWS + ROW * i


@njit(error_model="numpy")
def field(scratch, i, name):
    return np.int64(scratch[row(i) + name])


@njit(error_model="numpy")
def measure(scratch, i, name):
    return number(scratch, row(i) + name)


@njit(error_model="numpy")
def worst(scratch):
    """The tenth best score."""
    return number(scratch, SCORES + TOP - 1)


@njit(error_model="numpy")
def plan(state, terms, scratch):
    """A row for each term, by falling greatest share; returns a score that ten documents have."""
    tenth = np.float32(0)
    for i in range(terms.size):
        at = RECORDS + 8 * np.int64(terms[i])
        for line in simd.unroll(4):
            simd.prefetch(state, np.int64(state[at + FILTER]) + 16 * line)
        tenth = max(tenth, number(state, at + TENTH))
        place = sink(scratch, i, number(state, at + GREATEST))
        simd.store(scratch, row(place), simd.load(simd.u32x8, state, at))
    rest = np.float32(0)
    simd.store(scratch, row(terms.size) + REST, rest)
    for i in range(terms.size - 1, -1, -1):
        top = measure(scratch, i, GREATEST) * SURE
        rest += top
        simd.store(scratch, row(i) + GREATEST, top)
        simd.store(scratch, row(i) + REST, rest)
    return tenth / SURE


@njit(error_model="numpy")
def sink(scratch, i, top):
    """Makes room for a row with this greatest share among the first i, which are in order."""
    while i > 0 and measure(scratch, i - 1, GREATEST) < top:
        simd.store(scratch, row(i), simd.load(simd.u32x8, scratch, row(i - 1)))
        i -= 1
    return i


@njit(error_model="numpy")
def offer(state, scratch, i, last):
    """The documents of list i to the ten best, with what the lists after it add, up to `last`."""
    first, count = field(scratch, i, DOCS), field(scratch, i, COUNT)
    found = np.int64(0)
    for p in range(0, count, STEP):
        passing = pass_bounds(state, scratch, i, first, count, p)
        while passing:
            skip = simd.ctz(passing) // LANES * LANES
            few = simd.mask(MASK, passing >> np.uint64(skip))
            passing &= ~(np.uint64((1 << LANES) - 1) << np.uint64(skip))
            found = sift(state, scratch, i, last, first, count, p + skip, few, found)
        if found >= ROOM:
            settle(state, scratch, i, last, found)
            found = np.int64(0)
    settle(state, scratch, i, last, found)


@njit(error_model="numpy")
def pass_bounds(state, scratch, i, first, count, p):
    level = measure(scratch, i, GREATEST) / np.float32(LEVELS)
    room = (worst(scratch) - measure(scratch, i + 1, REST)) / level
    limit = np.uint8(min(max(room, np.float32(0)), np.float32(LEVELS)))
    near = simd.load(U8, state, bounds_of(first, count) + p // 4) > limit
    return simd.bits(near & simd.first(MASKS, count - p))


@njit(error_model="numpy")
def sift(state, scratch, i, last, first, count, p, few, found):
    """Appends those of some postings of list i that stay above the limit by the filters of the
    lists after it; returns how many there are now."""
    limit = worst(scratch)
    level = measure(scratch, i, GREATEST) / np.float32(LEVELS)
    most = simd.convert(F32, simd.load(FOUR, state, bounds_of(first, count) + p // 4)) * level
    docs = simd.select(few, simd.load(U32, state, first + p), simd.zero(U32))
    for j in range(i + 1, last):
        few &= most + measure(scratch, j, REST) > limit
        if not simd.any(few):
            return found
        shift = scratch[row(j) + SHIFTS] >> np.uint32(8)
        bit = docs >> shift
        place = simd.convert(I32, bit >> np.uint32(5)) + np.int32(scratch[row(j) + FILTER])
        holds = simd.gather(state, place) >> (bit & np.uint32(31)) & np.uint32(1)
        top = simd.splat(F32, measure(scratch, j, GREATEST))
        most += simd.select(holds != np.uint32(0), top, simd.zero(F32))
    few &= most > limit
    places = simd.iota(U32) + np.uint32(p)
    simd.store(scratch, PLACES + found, simd.compress(places, few))
    simd.store(scratch, MOSTS + found, simd.compress(most, few))
    return found + simd.count(few)


@njit(error_model="numpy")
def settle(state, scratch, i, last, found):
    """Scores the candidates of list i."""
    for c in range(found):
        most = number(scratch, MOSTS + c)
        if most > worst(scratch):
            finish(state, scratch, i, last, np.int64(scratch[PLACES + c]), most)


@njit(error_model="numpy")
def finish(state, scratch, i, last, p, most):
    """Scores posting p of list i exactly, unless its bound sinks below the ten best."""
    first, count = field(scratch, i, DOCS), field(scratch, i, COUNT)
    doc = state[first + p]
    score = exact(state, scratch, i, p, doc)
    level = measure(scratch, i, GREATEST) / np.float32(LEVELS)
    most += score - level * np.float32(byte(state, bounds_of(first, count), p))
    j = i + 1
    while j < last and most > worst(scratch):
        if holds(state, scratch, j, doc):
            part = look_up(state, scratch, j, doc)
            most += part - measure(scratch, j, GREATEST)
            score += part
        j += 1
    if j == last and score > worst(scratch):
        insert(scratch, doc, score)


@njit(error_model="numpy")
def holds(state, scratch, j, doc):
    bit = doc >> (scratch[row(j) + SHIFTS] >> np.uint32(8))
    word = state[field(scratch, j, FILTER) + np.int64(bit >> np.uint32(5))]
    return word >> (bit & np.uint32(31)) & np.uint32(1) != 0


@njit(error_model="numpy")
def look_up(state, scratch, j, doc):
    """The share of list j in a document, 0 where it is not in it."""
    first, count = field(scratch, j, DOCS), field(scratch, j, COUNT)
    cell = np.int64(doc >> (scratch[row(j) + SHIFTS] & np.uint32(255)))
    p = np.int64(state[field(scratch, j, TABLE) + cell])
    while p < count:
        near = simd.load(U32, state, first + p) >= doc
        if simd.any(near):
            p += simd.ctz(simd.bits(near))
            if p < count and state[first + p] == doc:
                return exact(state, scratch, j, p, doc)
            return np.float32(0)
        p += LANES
    return np.float32(0)


@njit(error_model="numpy")
def exact(state, scratch, j, p, doc):
    """The share of posting p of list j, which is of the document."""
    first = field(scratch, j, DOCS)
    count = byte(state, counts_of(first, field(scratch, j, COUNT)), p)
    if count == MANY:
        count = large(state, first + p)
    norm = np.int64(byte(state, np.int64(state[NORMS]), np.int64(doc)))
    discount = number(state, DISCOUNTS + norm)
    return share(measure(scratch, j, WEIGHT), np.float32(count), discount)


@njit(error_model="numpy")
def large(state, place):
    """The count of a posting that has one too large for a byte."""
    low, high = np.int64(state[WHERE]), np.int64(state[COUNTS])
    many = high - low
    while high - low > 1:
        middle = (low + high) // 2
        if state[middle] <= place:
            low = middle
        else:
            high = middle
    return state[low + many]


@njit(error_model="numpy")
def insert(scratch, doc, score):
    """Lets a document in among the ten best, unless it is there."""
    ids = simd.load(simd.u32x16, scratch, IDS)
    if simd.any((ids == doc) & simd.first(simd.m16, TOP)):
        return
    scores = simd.load(simd.f32x16, scratch, SCORES)
    better = scores > score
    lower, others = simd.load(simd.f32x16, scratch, SCORES - 1), simd.load(simd.u32x16, scratch, IDS - 1)
    simd.store(scratch, SCORES, simd.select(better, scores, lower))
    simd.store(scratch, IDS, simd.select(better, ids, others))
    rank = simd.count(better)
    simd.store(scratch, SCORES + rank, score)
    scratch[IDS + rank] = doc


@njit(error_model="numpy")
def search(state, scratch, terms, ids, scores):
    limit = plan(state, terms, scratch)
    simd.store(scratch, SCORES, simd.splat(simd.f32x16, limit))
    simd.store(scratch, IDS, simd.splat(simd.u32x16, NOBODY))
    i, last = np.int64(0), terms.size
    while i < last and measure(scratch, i, REST) > worst(scratch):
        offer(state, scratch, i, last)
        i += 1
    for rank in range(TOP):
        doc = scratch[IDS + rank]
        ids[rank] = -1 if doc == NOBODY else np.int64(doc)
        scores[rank] = -np.inf if doc == NOBODY else number(scratch, SCORES + rank)
