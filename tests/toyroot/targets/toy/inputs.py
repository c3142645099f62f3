"""What toy is checked and timed on: weights and values by distribution, length n."""

import numpy as np

from autoresearch import Work, Workload, draw

BATTERY = tuple(
    Workload(op, {"n": n, "dist": dist})
    for op in ("weigh", "select")
    for n, dist in ((1, "normal"), (7, "uniform"), (64, "wide"), (131, "sparse"), (33, "zero"))
) + (Workload("select", {"n": 0, "dist": "normal"}),)

WORKLOADS = (
    Workload("weigh", {"n": 4096, "dist": "normal"}),
    Workload("weigh", {"n": 16384, "dist": "uniform"}),
    Workload("select", {"n": 8192, "dist": "normal"}),
)

JITTER = {"n": range(3000, 12000), "dist": ("normal", "uniform")}

DATA = "vectors"


def data(rows, width):
    """A row is as long as the file's vectors."""
    return tuple(Workload(op, {"n": width, "dist": "data"}) for op in ("weigh", "select"))


def static(rng, spec):
    return {"weights": draw.floats(rng, (spec["n"],), spec["dist"])}


def each(rng, spec, static):
    x = draw.floats(rng, (spec["n"],), spec["dist"])
    return {"x": x, "bound": np.float32(np.median(x) if x.size else 0)}


def truth(workload, static):
    if workload.op == "select":
        return lambda each: {}
    return lambda each: {"scale": {"total": np.abs(static["weights"] * each["x"]).sum()}}


def capacity(spec, each):
    return {"rows": spec["n"]}


def work(workload):
    n = workload.spec["n"]
    return Work(bytes=8 * n, units=n)
