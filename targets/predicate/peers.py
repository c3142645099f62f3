"""Libraries on the work of predicate, all over the columns as they lie: Arrow's layout.

polars sizes its pool when it is imported: POLARS_MAX_THREADS=1 must be set before. NaN is the
largest number to it, which comes to the same for a less-than.
"""

import numpy as np

from autoresearch import Peer

CODED = {"either": "codes", "either_u8": "tags"}


def _arrow_column(pa, values, valid=None):
    """A view of the declared arrays; no byte is copied."""
    kind = pa.from_numpy_dtype(values.dtype)
    buffers = [None if valid is None else pa.py_buffer(valid), pa.py_buffer(values)]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _columns(pa, workload, static):
    nullable = workload.op == "nullable"
    return [
        _arrow_column(pa, static[name], static[f"valid_{name}"] if nullable else None)
        for name in "ab"
    ]


def _arrow_pair(workload, static):
    import pyarrow as pa
    import pyarrow.compute as pc

    pa.set_cpu_count(1)
    a, b = _columns(pa, workload, static)
    both = pc.and_kleene if workload.op == "nullable" else pc.and_

    def passed(each):
        x, y = pa.scalar(each["x"], pa.int32()), pa.scalar(each["y"], pa.float64())
        return both(pc.greater(a, x), pc.less(b, y))

    if workload.op != "select":
        return passed
    return lambda each: pc.indices_nonzero(passed(each))


def _arrow_either(workload, static):
    import pyarrow as pa
    import pyarrow.compute as pc

    pa.set_cpu_count(1)
    a = _arrow_column(pa, static["a"])
    coded = _arrow_column(pa, static[CODED[workload.op]])

    def passed(each):
        x, listed = pa.scalar(each["x"], pa.int32()), pa.array(each["listed"])
        return pc.or_(pc.greater(a, x), pc.is_in(coded, value_set=listed))

    return passed


def _polars_pair(workload, static):
    import polars as pl
    import pyarrow as pa

    a, b = (pl.Series(column) for column in _columns(pa, workload, static))

    def passed(each):
        return (a > each["x"]) & (b < each["y"])

    return (lambda each: passed(each).arg_true()) if workload.op == "select" else passed


def _polars_either(workload, static):
    import polars as pl

    a, coded = pl.Series(static["a"]), pl.Series(static[CODED[workload.op]])
    return lambda each: (a > each["x"]) | coded.is_in(pl.Series(each["listed"]).implode())


def _numpy_pair(workload, static):
    a, b = static["a"], static["b"]
    if workload.op == "select":
        return lambda each: np.flatnonzero((a > each["x"]) & (b < each["y"]))
    return lambda each: (a > each["x"]) & (b < each["y"])


def _numpy_either(workload, static):
    a, coded = static["a"], static[CODED[workload.op]]
    return lambda each: (a > each["x"]) | np.isin(coded, each["listed"])


def _packed(flags):
    return np.packbits(np.asarray(flags, bool), bitorder="little")


def _bits(raw, each):
    plain = raw if isinstance(raw, np.ndarray) else raw.to_numpy(zero_copy_only=False)
    return {"bits": _packed(plain)}


def _bits_polars(raw, each):
    return {"bits": _packed(raw.to_numpy())}


def _rows(raw, each):
    rows = np.asarray(raw).astype(np.uint32)
    return {"rows": rows, "n": rows.size}


def _kleene(raw, each):
    true = raw.fill_null(False).to_numpy(zero_copy_only=False)
    return {"bits": _packed(true), "valid": _packed(raw.is_valid())}


def _kleene_polars(raw, each):
    return {"bits": _packed(raw.fill_null(False)), "valid": _packed(raw.is_not_null())}


def _either(op):
    return (
        Peer("pyarrow", "greater, is_in, or", op, _arrow_either, _bits, "bitmap", "untouched"),
        Peer("polars", "a > x | is_in", op, _polars_either, _bits_polars, "bitmap", "untouched"),
        Peer("numpy", "a > x | isin", op, _numpy_either, _bits, "bytes", "untouched"),
    )


PEERS = (
    Peer("pyarrow", "greater, less, and", "bitmap", _arrow_pair, _bits, "bitmap", "untouched"),
    Peer("polars", "a > x & b < y", "bitmap", _polars_pair, _bits_polars, "bitmap", "untouched"),
    Peer("numpy", "a > x & b < y", "bitmap", _numpy_pair, _bits, "bytes", "untouched"),
    Peer("pyarrow", "indices_nonzero", "select", _arrow_pair, _rows, "u64 rows", "untouched"),
    Peer("polars", "arg_true", "select", _polars_pair, _rows, "u32 rows", "untouched"),
    Peer("numpy", "flatnonzero", "select", _numpy_pair, _rows, "i64 rows", "untouched"),
    *_either("either"),
    *_either("either_u8"),
    Peer("pyarrow", "and_kleene", "nullable", _arrow_pair, _kleene, "bitmaps", "untouched"),
    Peer(
        "polars", "a > x & b < y", "nullable", _polars_pair, _kleene_polars, "bitmaps", "untouched"
    ),
)
