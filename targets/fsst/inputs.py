"""What fsst is checked and timed on: text of known kinds, compressed by an encoder of its own.

A spec holds the kind of text (`dist`), n bytes of it, and where the symbols come from (`table`):
trained on text of the `same` kind or on another kind, in `shuffled` code order, or `none` at all.
Strings are compressed one by one, as FSST does it. An operation draws fresh ones from a pool.
"""

import numpy as np

from autoresearch import Work, Workload, draw

DATA = "text"
SAMPLE = 1 << 14  # bytes a table is trained on, as in the paper
POOL = 3000  # strings compressed in advance, fewer in the battery; an operation takes some of them
ROUNDS = 5
ESCAPE, LONGEST = 255, 8


def _workload(dist, n, table="same"):
    return Workload("decode", {"dist": dist, "n": n, "table": table})


BATTERY = (
    *(_workload("urls", n) for n in (0, 1, 2, 7, 8, 9, 63, 64, 65, 1000, 4097)),
    *(_workload(dist, 3001) for dist in ("english", "logs", "mixed", "bytes", "wide", "letter")),
    *(_workload(dist, 1025, "none") for dist in ("logs", "bytes", "letter")),
    *(_workload(dist, 2050, "shuffled") for dist in ("logs", "urls", "mixed", "wide")),
    _workload("bytes", 999, "urls"),
    _workload("urls", 1, "none"),
    _workload("empty", 0),
)

WORKLOADS = (
    _workload("urls", 1 << 16),
    _workload("urls", 1 << 20),
    _workload("logs", 1 << 14),
    _workload("logs", 1 << 16),
    _workload("english", 1 << 14),
    _workload("english", 1 << 16),
    _workload("english", 1 << 20),
    _workload("mixed", 1 << 16),
    _workload("urls", 1 << 16, "english"),
)

JITTER = {
    "n": range(20_000, 90_000),
    "dist": ("urls", "logs", "english"),
}


def data(rows, width):
    """A user's strings, in a page and in a column chunk."""
    return _workload("data", 1 << 14), _workload("data", 1 << 18)


def static(rng, spec):
    count = min(POOL, 100 + spec["n"] // 8)
    offsets, text = _strings(rng, count, spec["dist"])
    table, source = spec["table"], (offsets, text)
    if table not in ("same", "shuffled", "none"):
        source = _strings(rng, count, table)
    words = [] if table == "none" else _trained(*source)
    if table == "shuffled":
        words = [words[i] for i in rng.permutation(len(words))]
    symbols, lengths = _table(words)
    codes, code_offsets = _encoded(symbols, lengths, text, offsets)
    pool = {"text": text, "offsets": offsets, "codes": codes, "code_offsets": code_offsets}
    return {"symbols": symbols, "lengths": lengths} | pool


def each(rng, spec, static):
    """Random strings of the pool until n bytes are full; the last one is cut there."""
    offsets, n = static["offsets"], spec["n"]
    sizes = np.diff(offsets)
    mean = max(float(sizes.mean()), 0.5)
    picks = rng.integers(0, sizes.size, int(n / mean * 1.2) + 40)
    ends = np.cumsum(sizes[picks])
    whole = int(np.searchsorted(ends, n, side="right"))
    rest = n - (int(ends[whole - 1]) if whole else 0)
    start = offsets[picks[min(whole, picks.size - 1)]]
    cut = static["text"][start : start + rest]
    tail, _ = _encoded(static["symbols"], static["lengths"], cut, np.array([0, cut.size]))
    return {"codes": np.append(_pieces(static, picks[:whole]), tail)}


def capacity(spec, each):
    return {"out": spec["n"]}


def work(workload):
    """Every output byte is written, and at best each eighth of them costs a code to read."""
    n = workload.spec["n"]
    return Work(bytes=n + n / LONGEST, units=n)


def _strings(rng, count, dist):
    """Offsets i32[count + 1] into u8 text: kinds that `draw` has, and three to stress a decoder."""
    if dist == "bytes":
        text = rng.integers(0, 256, 40 * count, np.uint8)
    elif dist == "wide":  # one word a string, hence mostly symbols of eight bytes
        text = rng.integers(32, 127, (50, LONGEST), np.uint8)[rng.integers(0, 50, count)].ravel()
    elif dist == "letter":
        text = np.full(30 * count, 97, np.uint8)
    else:
        return draw.strings(rng, count, dist)
    return np.linspace(0, text.size, count + 1).astype(np.int32), text


def _trained(offsets, text):
    """Up to 255 symbols as bytes: the bottom-up construction of the paper.

    Each round encodes the sample with the table of the round before, counts the symbols and pairs
    of neighbours that occurred, and keeps the 255 that cover most bytes.
    """
    last = int(np.searchsorted(offsets, SAMPLE, side="right")) - 1
    offsets = offsets[: max(last, 1) + 1]
    sample = text[: offsets[-1]]
    words = []
    for _ in range(ROUNDS):
        starts, _ = _tokens(*_table(words), sample, offsets)
        count = _counted(sample.tobytes(), [*starts.tolist(), sample.size], set(offsets.tolist()))
        # A byte without a symbol takes two codes: such symbols weigh more than what they cover.
        gain = {w: n * (len(w) if len(w) > 1 else LONGEST) for w, n in count.items()}
        words = sorted(gain, key=gain.get, reverse=True)[:ESCAPE]
    return sorted(words, key=lambda word: (len(word) - 2) % LONGEST)  # lengths 2 to 8, then 1


def _counted(text, places, strings):
    """How often each token occurred, and each pair of neighbours within a string as one word."""
    count = {}
    for i, begin in enumerate(places[:-1]):
        single = places[i + 1] in strings
        for end in places[i + 1 : i + (2 if single else 3)]:
            word = text[begin : min(end, begin + LONGEST)]
            count[word] = count.get(word, 0) + 1
    return count


def _table(words):
    """Words in code order as the arrays of the format: symbols u64[256], lengths u8[256]."""
    symbols, lengths = np.zeros(256, np.uint64), np.zeros(256, np.uint8)
    for code, word in enumerate(words):
        symbols[code], lengths[code] = int.from_bytes(word, "little"), len(word)
    return symbols, lengths


def _encoded(symbols, lengths, text, offsets):
    """Codes u8 of every string alone, one after the other, and where each begins."""
    starts, found = _tokens(symbols, lengths, text, offsets)
    escaped = found == ESCAPE
    ends = np.cumsum(1 + escaped)
    codes = np.empty(ends[-1] if ends.size else 0, np.uint8)
    codes[ends - 1 - escaped] = found
    codes[ends[escaped] - 1] = text[starts[escaped]]
    return codes, np.append(0, ends)[np.searchsorted(starts, offsets)]


def _tokens(symbols, lengths, text, offsets):
    """Where each code begins and the code: always the longest symbol that fits (greedy)."""
    steps, found = _longest(symbols, lengths, text, offsets)
    steps, starts, at = steps.tolist(), [], 0
    while at < len(steps):
        starts.append(at)
        at += steps[at]
    starts = np.array(starts, np.int64)
    return starts, found[starts]


def _longest(symbols, lengths, text, offsets):
    """For every byte of the text the longest symbol that begins there: its length and code."""
    window = np.ndarray(text.size, "<u8", np.append(text, np.zeros(LONGEST, np.uint8)), 0, (1,))
    room = np.repeat(offsets[1:], np.diff(offsets)) - np.arange(text.size)
    steps, found = np.ones(text.size, np.int64), np.full(text.size, ESCAPE)
    for length in range(1, LONGEST + 1):
        codes = np.flatnonzero(lengths == length)
        if codes.size:
            codes = codes[np.argsort(symbols[codes])]
            keys = symbols[codes]
            start = window & np.uint64(2 ** (8 * length) - 1)
            at = np.minimum(np.searchsorted(keys, start), codes.size - 1)
            fits = (keys[at] == start) & (room >= length)
            steps[fits], found[fits] = length, codes[at[fits]]
    return steps, found


def _pieces(static, picks):
    """The codes of the picked strings, in that order."""
    begins = static["code_offsets"][picks]
    sizes = static["code_offsets"][picks + 1] - begins
    ends = np.cumsum(sizes)
    inside = np.arange(ends[-1] if ends.size else 0) - np.repeat(ends - sizes, sizes)
    return static["codes"][np.repeat(begins, sizes) + inside]
