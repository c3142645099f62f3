"""What posting-intersect is checked and timed on: lists of ids, fresh for each operation or held.

A spec holds how many lists there are, n, the length of the last and longest, `ratio`, how many
times longer than the first it is, `density`, its share of the ids of all documents, `overlap`, the
share of each other list that was taken from the next longer one, and how ids are spread (`GAPS`).
Of lists that are held, shorter and longer by turns, `overlap` is the share taken from a common one.
"""

import numpy as np

from autoresearch import Work, Workload, draw

DATA = "integers"
IDS = 1 << 32
FEW, HELD = 16, 128  # lists; of so many hardly two are met twice in a pair of workers
BURST, NEAR = 64, 0.1  # ids of a cluster, and how far they lie apart beside the mean
RUN = 32  # consecutive ids
EMPTY = np.empty(0, np.uint32)


def _lists(lists, n, ratio, density, overlap, dist):
    spec = {"lists": lists, "n": n, "ratio": ratio, "density": density, "overlap": overlap}
    return Workload({2: "two", 3: "three"}.get(lists, "held"), {**spec, "dist": dist})


def _every(*facts):
    return _lists(2, *facts), _lists(3, *facts), _lists(FEW, *facts)


BATTERY = (
    *_every(0, 1, 0.5, 0, "uniform"),
    *_every(10, 16, 0.1, 0.5, "uniform"),  # the first list is empty
    *_every(1, 1, 0.01, 1, "largest"),
    *_every(1, 1, 1e-6, 0, "uniform"),
    *_every(16, 1, 1, 0, "even"),  # every id there is
    *_every(17, 1, 0.3, 0.5, "largest"),
    *_every(300, 1, 0.5, 0, "even"),
    *_every(333, 1, 1e-5, 0, "even"),  # they interleave, and meet nowhere
    *_every(1000, 1, 0.25, 1, "uniform"),  # identical
    *_every(1023, 1, 0.9, 0.2, "uniform"),
    *_every(777, 1, 2e-7, 0.3, "uniform"),  # ids of the whole range
    *_every(2049, 5, 0.01, 0.7, "clustered"),
    *_every(4095, 16, 0.001, 0.3, "largest"),
    *_every(4100, 256, 0.25, 0.5, "runs"),
    *_every(4111, 64, 0.001, 1, "clustered"),
    *_every(555, 1, 0.1, 0.9, "runs"),
    *_every(150, 0.125, 0.01, 0.05, "uniform"),  # the first list is the longest
    *_every(31, 31, 0.05, 1, "clustered"),  # one element
)

WORKLOADS = (
    _lists(2, 1 << 16, 1, 0.25, 0.3, "uniform"),
    _lists(2, 1 << 16, 1, 0.001, 0.3, "clustered"),
    _lists(2, 1 << 19, 1, 0.001, 0.1, "uniform"),
    _lists(2, 1 << 17, 16, 0.25, 0.5, "clustered"),
    _lists(2, 1 << 17, 16, 0.001, 0.2, "uniform"),
    _lists(2, 1 << 17, 256, 0.25, 0.5, "runs"),
    _lists(2, 1 << 17, 256, 0.001, 0.3, "uniform"),
    _lists(3, 1 << 16, 4, 0.1, 0.3, "uniform"),
    _lists(3, 1 << 17, 256, 0.001, 0.5, "clustered"),
    _lists(HELD, 1 << 16, 1, 0.25, 0.5, "uniform"),
    _lists(HELD, 1 << 17, 16, 0.25, 0.7, "runs"),
    _lists(HELD, 1 << 17, 16, 0.001, 0.5, "uniform"),
)

JITTER = {
    "n": range(40_000, 160_000),
    "density": (0.3, 0.1, 0.03, 0.01, 0.001),
    "dist": ("uniform", "clustered", "runs"),
}


def data(rows, width):
    """Lists whose gaps are those of the user's integers, folded into a range of documents."""
    n = min(rows, 1 << 16)
    return (
        _lists(2, n, 1, 1 / 64, 0.2, "data"),
        _lists(2, n, 64, 1 / 64, 0.3, "data"),
        _lists(3, n, 16, 1 / 64, 0.5, "data"),
        _lists(HELD, n, 4, 1 / 64, 0.5, "data"),
    )


def static(rng, spec):
    """The lists that are held, side by side; none where they come afresh."""
    lists = []
    held = spec["lists"]
    if held >= FEW:
        common = _list(rng, spec, spec["n"], EMPTY)
        sizes = (round(spec["n"] / spec["ratio"]), spec["n"]) * (held // 2)
        lists = _high(spec, [_list(rng, spec, size, common) for size in sizes])
    starts = np.append(0, np.cumsum([len(ids) for ids in lists])).astype(np.int64)
    return {"ids": np.concatenate([EMPTY, *lists]), "starts": starts}


def each(rng, spec, static):
    """Lists from the longest down, named from the last back; or which of those held, a shorter and
    a longer one."""
    if spec["lists"] >= FEW:
        i, j = rng.integers(0, spec["lists"] // 2, 2) * 2
        return {"i": np.int64(i), "j": np.int64(j + 1)}
    lists = [EMPTY]
    for i in range(spec["lists"]):
        size = round(spec["n"] / spec["ratio"] ** (i / (spec["lists"] - 1)))
        lists.append(_list(rng, spec, size, lists[-1]))
    return dict(zip("cba"[-spec["lists"] :], _high(spec, lists[1:]), strict=True))


def capacity(spec, each):
    return {"out": spec["n"] if spec["lists"] >= FEW else min(map(len, each.values()))}


def work(workload):
    """What is found is read in every list that came as such, and written; a kernel may leap."""
    spec, held = workload.spec, workload.op == "held"
    shortest = spec["n"] / max(spec["ratio"], 1)
    found = shortest * spec["overlap"] ** (2 if held else spec["lists"] - 1)
    units = spec["n"] * (1 + 1 / spec["ratio"]) if spec["ratio"] == 1 else shortest
    moved = 4 * found * (1 if held else spec["lists"] + 1)
    return Work(bytes=max(64, moved), units=max(units, 1))


def _high(spec, lists):
    """The lists, moved up to the largest id where the spec says so."""
    if spec["dist"] != "largest":
        return lists
    most = max((int(ids[-1]) for ids in lists if len(ids)), default=0)
    return [ids + np.uint32(IDS - 1 - most) for ids in lists]


def _list(rng, spec, size, longer):
    """About `size` ids, of which a share is in `longer` too."""
    share = spec["overlap"] * size / max(len(longer), 1)
    shared = longer[rng.random(len(longer), np.float32) < share]
    fresh = _ids(rng, spec, max(size - len(shared), 0))
    ids = np.sort(np.concatenate([shared, fresh]), kind="stable")  # two runs: it merges them
    return ids[np.append(True, ids[1:] != ids[:-1])[: len(ids)]]


def _ids(rng, spec, size):
    """`size` ids spread over the documents there are, or a few less where those end."""
    reach = spec["n"] / spec["density"]
    if spec["dist"] == "data":
        drawn = np.unique(draw.integers(rng, spec["n"], max(int(reach), 1), "data"))
        return drawn[rng.random(len(drawn)) < size / max(len(drawn), 1)]
    mean = max(reach / max(size, 1), 1)
    gaps = 1 + GAPS[spec["dist"]](rng, size) * (mean - 1)
    ids = np.cumsum(gaps, dtype=np.float64) + (rng.random() * mean - 1)
    return ids[ids < IDS].astype(np.uint32)


def _clustered(rng, n):
    far = BURST - NEAR * (BURST - 1)
    return np.where(rng.random(n, np.float32) < 1 / BURST, far, NEAR) * _exponential(rng, n)


def _exponential(rng, n):
    return rng.standard_exponential(n, np.float32)


def _runs(rng, n):
    return np.where(rng.random(n, np.float32) < 1 / RUN, RUN, 0) * _exponential(rng, n)


GAPS = {  # between neighbours, beyond one, with a mean of one
    "uniform": _exponential,
    "largest": _exponential,
    "clustered": _clustered,
    "runs": _runs,
    "even": lambda rng, n: np.ones(n),
}
