"""What predicate is checked and timed on: columns once, thresholds afresh for every operation.

A spec holds the op, n rows, the share of rows that passes, how the integers lie (`draw.INTEGERS`,
or `odd` for extreme values) and, for the nullable op, the share of NULLs in each column.
"""

import numpy as np

from autoresearch import Work, Workload, draw

DATA = "integers"
SPAN = 1 << 31  # of column a, around zero
CODES, TAGS = 50_000, 200
NANS = 0.005
SAMPLE = 4096  # rows behind a threshold: 0.1 % is met within a third
LEAST, MOST = -(1 << 31), (1 << 31) - 1
ODD_A = (LEAST, MOST, 0, -1, 1, LEAST + 1, MOST - 1)
ODD_B = (np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, -5e-324, 1.7e308)
OPS = ("bitmap", "select", "either", "either_u8", "nullable")
SHARES = (0.001, 0.1, 0.5, 0.99, 0, 1)


def _filter(op, n, share, dist, nulls=0.0):
    return Workload(op, {"op": op, "n": n, "share": share, "dist": dist, "nulls": nulls})


def _every(n, share, dist, nulls=0.1):
    return tuple(_filter(op, n, share, dist, nulls * (op == "nullable")) for op in OPS)


BATTERY = (
    *_every(0, 0.5, "uniform"),
    *_every(1, 1, "uniform", 0),
    *_every(1, 0.5, "odd", 1),
    *_every(9, 0.5, "odd", 0.5),
    *_every(63, 0.5, "sorted", 0.9),
    *_every(64, 0.99, "clustered"),
    *(w for i, s in enumerate(SHARES) for w in _every(1000 + 7 * i, s, "uniform", i / 5)),
    *_every(1025, 0.5, "few", 0),
    *_every(777, 0.1, "runs", 1),
    *_every(515, 0.5, "skewed"),
    *_every(130, 0.5, "largest"),
    *_every(300, 0.5, "odd"),
    *_every(8191, 0.001, "sorted"),
)

WORKLOADS = (
    _filter("bitmap", 1 << 16, 0.5, "uniform"),
    _filter("bitmap", 1 << 16, 0.001, "clustered"),
    _filter("bitmap", 1 << 20, 0.1, "sorted"),
    _filter("select", 1 << 16, 0.1, "uniform"),
    _filter("select", 1 << 16, 0.99, "clustered"),
    _filter("select", 1 << 20, 0.001, "uniform"),
    _filter("either", 1 << 16, 0.1, "uniform"),
    _filter("either", 1 << 20, 0.5, "clustered"),
    _filter("either_u8", 1 << 16, 0.5, "sorted"),
    _filter("nullable", 1 << 16, 0.5, "uniform", 0.1),
    _filter("nullable", 1 << 16, 0.1, "sorted", 0.5),
    _filter("nullable", 1 << 20, 0.99, "clustered", 0.01),
)

JITTER = {
    "n": range(40_000, 160_000),
    "share": (0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 0.99),
    "dist": ("uniform", "clustered", "sorted", "skewed", "runs"),
}


def data(rows, width):
    """The user's integers as column a and as codes."""
    ops = ("bitmap", "select", "either")
    return tuple(_filter(op, min(rows, 1 << 17), 0.1, "data") for op in ops)


def static(rng, spec):
    """The columns that the op reads; the others are empty."""
    op, n = spec["op"], spec["n"]
    pair, nullable = not op.startswith("either"), op == "nullable"
    coded = "uniform" if spec["dist"] == "odd" else spec["dist"]
    return {
        "a": _integers(rng, n, spec["dist"]),
        "b": _doubles(rng, n if pair else 0, spec["dist"]),
        "codes": draw.integers(rng, n if op == "either" else 0, CODES, coded),
        "tags": draw.integers(rng, n if op == "either_u8" else 0, TAGS, coded).astype(np.uint8),
        "valid_a": draw.validity(rng, n if nullable else 0, spec["nulls"]),
        "valid_b": draw.validity(rng, n if nullable else 0, spec["nulls"]),
    }


def each(rng, spec, static):
    """Thresholds at quantiles: the two conditions share the selectivity in a way of their own."""
    share = spec["share"]
    if not spec["op"].startswith("either"):
        first = share ** rng.uniform(0.3, 0.7)
        second = share / first if first else 0
        return {"x": _above(rng, static["a"], first), "y": _below(rng, static["b"], second)}
    coded, levels = (static["codes"], CODES) if spec["op"] == "either" else (static["tags"], TAGS)
    listed = rng.integers(0, levels, 8).astype(coded.dtype)
    hit = np.isin(_sampled(rng, coded), listed).mean()
    return {"x": _above(rng, static["a"], (share - hit) / max(1 - hit, 1e-9)), "listed": listed}


def capacity(spec, each):
    return {"rows": spec["n"]}


def work(workload):
    """Bytes that no order of evaluation spares: AND reads the other column only for rows that pass,
    OR for those that do not, and what is NULL need not be read."""
    spec = workload.spec
    n, share = spec["n"], spec["share"]
    if workload.op.startswith("either"):
        code = 4 if workload.op == "either" else 1
        read = (1 - share) * (4 + code) + share * code
    else:
        read = (4 + 8 * share) * (1 - spec["nulls"]) ** 2
    written = {"select": 4 * share, "nullable": 1 / 4}.get(workload.op, 1 / 8)
    return Work(bytes=max(n * (read + written), 64), units=max(n, 1))


def _integers(rng, n, dist):
    if dist == "odd":
        return rng.choice(np.array(ODD_A, np.int32), n)
    return (draw.integers(rng, n, SPAN, dist).astype(np.int64) - SPAN // 2).astype(np.int32)


def _doubles(rng, n, dist):
    """Normal ones, around levels that change every 64 rows where data cluster, and some NaN."""
    if dist == "odd":
        return rng.choice(np.array(ODD_B), n)
    out = rng.standard_normal(n)
    if dist == "clustered":
        out += 3 * np.repeat(rng.standard_normal(n // 64 + 1), 64)[:n]
    out[rng.random(n, np.float32) < NANS] = np.nan
    return out


def _above(rng, column, share):
    """An i32 that about this share of the column exceeds."""
    if share <= 0 or share >= 1:
        return np.int32(LEAST if share >= 1 else MOST)
    return np.int32(np.sort(_sampled(rng, column))[round((1 - share) * (SAMPLE - 1))])


def _below(rng, column, share):
    """An f64 that about this share of the column is less than; NaN never is."""
    if share <= 0 or share >= 1:
        return np.float64(np.inf if share >= 1 else -np.inf)
    y = np.sort(_sampled(rng, column))[round(share * (SAMPLE - 1))]  # NaN comes last
    return np.float64(np.inf) if np.isnan(y) else y


def _sampled(rng, column):
    column = column if len(column) else np.zeros(1, column.dtype)
    return column[rng.integers(0, len(column), SAMPLE)]
