"""What fts-bm25 is checked and timed on: collections of word ids, and queries drawn from them.

A spec holds the number of documents, their mean length, the vocabulary, how words are spread
(`words`), which of them are asked for (`dist`) and at most how many. A length is one of the 256
that Lucene's byte can hold, so that engines which round lengths to it score the same.
"""

import numpy as np

from autoresearch import Work, Workload, draw

K1, C = 1.2, 0.75
SPREAD = 0.5  # of the logarithm of a length
OFTEN = 100  # the heavy kind asks for one word in so many, the most frequent ones
RARE = 50  # the rare kind asks for words in at most one document in so many

# How often a word repeats an earlier one of its document, and how near the beginning that lies.
BURSTS = {"zipf": (0.25, 1.0), "uniform": (0.0, 1.0), "flood": (0.97, 20.0), "equal": (0.0, 1.0)}


def _length(byte):
    """24, and a float of 3 bits of mantissa and an implied one: exact below 40."""
    if byte < 32:
        return byte
    exponent, mantissa = divmod(byte - 24, 8)
    return 24 + ((8 + mantissa) << (exponent - 1))


LENGTHS = np.array([_length(byte) for byte in range(256)])


def _workload(docs, length, vocab, dist, terms=5, words="zipf"):
    spec = {"docs": docs, "length": length, "vocab": vocab, "words": words}
    return Workload("search", spec | {"dist": dist, "terms": terms})


KINDS = ("natural", "heavy", "rare", "mixed")
BATTERY = (
    _workload(0, 20, 50, "any"),
    *(_workload(1, 30, 40, dist) for dist in ("any", "natural")),
    *(_workload(docs, 6, 9, "any", 3) for docs in (2, 9, 10, 11)),
    *(_workload(257, 25, 500, dist) for dist in ("any", *KINDS)),
    *(_workload(4099, 9, 900, "any", terms) for terms in (0, 1, 2, 12)),
    *(_workload(800, 40, 600, dist, 5, "uniform") for dist in ("any", "heavy")),
    *(_workload(300, 700, 600, dist, 5, "flood") for dist in ("any", "heavy")),
    _workload(1, 60_000, 2, "any", 2, "flood"),
    *(_workload(513, 12, 30, "any", terms, "equal") for terms in (1, 4)),
    _workload(64, 3, 20_000, "any", 200),
    _workload(700, 5, 1, "any", 1),
    *(_workload(1025, 60, 3000, dist) for dist in ("any", *KINDS)),
)

WORKLOADS = (
    *(_workload(20_000, 60, 20_000, dist) for dist in ("natural", "heavy", "rare")),
    *(_workload(100_000, 60, 30_000, dist) for dist in KINDS),
    *(_workload(300_000, 9, 30_000, dist) for dist in ("natural", "heavy", "mixed")),
)

JITTER = {
    "docs": range(40_000, 80_000),
    "length": (40, 60, 80),
    "vocab": (20_000, 30_000, 50_000),
    "dist": KINDS,
}


def static(rng, spec):
    """The index, and beyond what is declared the running sum of every term's chance in a query."""
    docs, vocab = spec["docs"], spec["vocab"]
    norms = _norms(rng, spec)
    sizes = LENGTHS[norms]
    doc = np.repeat(np.arange(docs), sizes)
    keys, freqs = np.unique(_words(rng, spec, sizes) * docs + doc, return_counts=True)
    term, holder = np.divmod(keys, max(docs, 1))
    offsets = np.searchsorted(term, np.arange(vocab + 1))
    df = np.diff(offsets)
    mean = max(sizes.sum() / max(docs, 1), 1.0)
    return {
        "docs": holder.astype(np.uint32),
        "freqs": freqs.astype(np.uint16),
        "offsets": offsets.astype(np.int64),
        "norms": norms,
        "discounts": (K1 * (1 - C + C * LENGTHS / mean)).astype(np.float32),
        "weights": ((K1 + 1) * np.log1p((docs - df + 0.5) / (df + 0.5))).astype(np.float32),
        "chances": np.cumsum(_chances(spec["dist"], df, docs)),
    }


def each(rng, spec, static):
    """Distinct terms in any order: two to `terms` of them, fewer where so few are of the kind."""
    most, chances = spec["terms"], static["chances"]
    count = rng.integers(min(2, most), most + 1)
    if not chances[-1]:
        return {"terms": np.zeros(0, np.uint32)}
    picks = np.searchsorted(chances, rng.random(4 * count) * chances[-1], "right")
    _, first = np.unique(picks, return_index=True)
    return {"terms": picks[np.sort(first)[:count]].astype(np.uint32)}


def truth(workload, static):
    """A function of `each`: the true scores at any ids; all terms of a score are positive."""
    docs, freqs, offsets = (static[name] for name in ("docs", "freqs", "offsets"))
    discounts = static["discounts"].astype(np.float64)[static["norms"]]

    def of(each):
        def at(ids):
            score = np.zeros(ids.shape)
            for t in each["terms"]:
                part = slice(offsets[t], offsets[t + 1])
                if part.start < part.stop:
                    place = np.minimum(np.searchsorted(docs[part], ids), part.stop - part.start - 1)
                    f = np.where(docs[part][place] == ids, freqs[part][place], 0).astype(np.float64)
                    score += static["weights"][t] * f / (f + discounts[ids])
            return score, score

        return {"n": len(static["norms"]), "at": at}

    return of


def capacity(spec, each):
    return {}


def work(workload):
    """Any posting may be skipped by a bound: only the query and its ten answers are sure."""
    return Work(bytes=8 + 10 * 12, units=1)


def _norms(rng, spec):
    """Log-normal lengths, rounded down to what a byte holds; at least a word each."""
    spread = 0.0 if spec["words"] == "equal" else SPREAD
    drawn = rng.lognormal(np.log(spec["length"]), spread, spec["docs"])
    clipped = np.clip(drawn, 1, 65_535)  # one word alone may fill a document: its count is a u16
    return (np.searchsorted(LENGTHS, clipped, "right") - 1).astype(np.uint8)


def _words(rng, spec, sizes):
    """i64[sum of sizes]: the words of all documents, one document after the other."""
    total, vocab, spread = int(sizes.sum()), spec["vocab"], spec["words"]
    place = np.arange(total) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    if spread == "equal":
        return place % vocab
    words = rng.integers(0, vocab, total) if spread == "uniform" else draw.zipf(rng, total, vocab)
    share, pull = BURSTS[spread]
    again = np.flatnonzero(rng.random(total, np.float32) < share)
    back = (place[again] + 1) * (1 - rng.random(again.size) ** pull)
    words[again] = words[again - np.minimum(back.astype(np.int64), place[again])]
    return words


def _chances(dist, df, docs):
    """How likely each term is to be asked for; none that no document has, unless of `any` kind."""
    heavy = (df > 0) & (df >= np.sort(df)[-max(1, df.size // OFTEN)])
    rare = (df > 5) & (df <= docs // RARE)
    mixed = heavy * rare.sum() + rare * heavy.sum()
    kinds = {"natural": np.sqrt(df), "heavy": heavy, "rare": rare, "mixed": mixed}
    return kinds.get(dist, np.ones(df.size))
