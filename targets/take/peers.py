"""Libraries on the work of take, all over the arrays as they lie, in Arrow's layout.

polars sizes its pool when it is imported: POLARS_MAX_THREADS=1 must be set before.
"""

import numpy as np

from autoresearch import Peer

SOURCE = {"words": "words", "longs": "longs", "nullable": "longs", "rows": "rows"}


def _arrow(workload, static):
    import pyarrow as pa
    import pyarrow.compute as pc

    pa.set_cpu_count(1)
    source = _arrow_source(pa, workload.op, static)
    return lambda indices: pc.take(source, indices, boundscheck=False)


def _arrow_source(pa, op, static):
    """A view of the declared arrays; no byte is copied."""
    if op == "utf8":
        buffers = [None, pa.py_buffer(static["offsets"]), pa.py_buffer(static["text"])]
        return pa.Array.from_buffers(pa.string(), len(static["offsets"]) - 1, buffers)
    values = static[SOURCE[op]]
    valid = pa.py_buffer(static["valid"]) if op == "nullable" else None
    flat = pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), values.size, [valid, pa.py_buffer(values)]
    )
    if op != "rows":
        return flat
    if not values.shape[1]:
        raise NotImplementedError("a list of no components says nothing of how many there are")
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _arrow_pack(workload, static, each):
    import pyarrow as pa

    return pa.array(each["indices"])


def _polars(workload, static):
    import polars as pl
    import pyarrow as pa

    source = pl.Series(_arrow_source(pa, workload.op, static))
    return lambda indices: source.gather(indices)


def _polars_pack(workload, static, each):
    import polars as pl

    return pl.Series(each["indices"])


def _numpy(workload, static):
    """Into a buffer that is there already; `clip` spares numpy a second one."""
    source = static[SOURCE[workload.op]]
    outs = {}

    def call(each):
        n = len(each["indices"])
        if n not in outs:
            outs[n] = np.empty((n, *source.shape[1:]), source.dtype)
        return np.take(source, each["indices"], axis=0, out=outs[n], mode="clip")

    return call


def _values(raw, each):
    return {"out": raw if isinstance(raw, np.ndarray) else raw.to_numpy()}


def _rows(raw, each):
    if isinstance(raw, np.ndarray):
        return {"out": raw}
    return {"out": raw.flatten().to_numpy().reshape(len(raw), raw.type.list_size)}


def _nullable(raw, each):
    known = raw.is_valid() if hasattr(raw, "is_valid") else raw.is_not_null()
    valid = np.packbits(np.asarray(known, bool), bitorder="little")
    return {"out": np.asarray(raw.fill_null(0)), "out_valid": valid}


def _strings(raw, each):
    """Offsets and bytes again, from whatever form the strings have."""
    texts = [text.encode() for text in (raw.to_pylist() if hasattr(raw, "type") else raw.to_list())]
    offsets = np.append(0, np.cumsum([len(text) for text in texts])).astype(np.int32)
    out = np.frombuffer(b"".join(texts), np.uint8)
    return {"out_offsets": offsets, "out": out, "n": out.size}


ANSWERS = {"words": _values, "longs": _values, "nullable": _nullable, "rows": _rows}
ANSWERS["utf8"] = _strings


def _peer(library, op, make, output, pack=None):
    what = {"pyarrow": "take", "polars": "gather", "numpy": "take into out"}[library]
    return Peer(library, what, op, make, ANSWERS[op], output, "untouched", pack=pack)


PEERS = (
    *(_peer("pyarrow", op, _arrow, "array", _arrow_pack) for op in ANSWERS),
    *(
        _peer("polars", op, _polars, "series", _polars_pack)
        for op in ("words", "longs", "nullable")
    ),
    _peer("polars", "utf8", _polars, "views", _polars_pack),
    *(_peer("numpy", op, _numpy, "array") for op in ("words", "longs", "rows")),
)
