"""Libraries that decode a dictionary: their values and strings are an independent oracle."""

import numpy as np

from autoresearch import Peer


def _values(workload, static):
    return static["longs" if workload.op == "i64" else "doubles"]


def _arrow(workload, static):
    """The dictionary as an arrow array, not copied."""
    import pyarrow as pa

    if workload.op != "utf8":
        return pa.array(_values(workload, static))
    buffers = [pa.py_buffer(np.ascontiguousarray(static[name])) for name in ("offsets", "text")]
    return pa.StringArray.from_buffers(workload.spec["k"], *buffers)


def _decode(workload, static):
    import pyarrow as pa

    pa.set_cpu_count(1)
    return lambda packed: packed.dictionary_decode()


def _decode_pack(workload, static, each):
    import pyarrow as pa

    codes = pa.array(each["codes"])
    return pa.DictionaryArray.from_arrays(codes, _arrow(workload, static), safe=False)


def _take(workload, static):
    import pyarrow as pa
    import pyarrow.compute as pc

    pa.set_cpu_count(1)
    values = _arrow(workload, static)
    return lambda codes: pc.take(values, codes, boundscheck=False)


def _take_pack(workload, static, each):
    import pyarrow as pa

    return pa.array(each["codes"])


def _from_arrow(raw, each):
    """Values, or offsets and bytes; a library may hand out an array that begins at an offset."""
    import pyarrow as pa

    if not pa.types.is_string(raw.type):
        return {"out": raw.to_numpy()}
    _, offsets, text = raw.buffers()
    ends = np.frombuffer(offsets, np.int32)[raw.offset :][: len(raw) + 1]
    ends = ends if ends.size else np.zeros(1, np.int32)  # arrow may leave them out of an empty one
    whole = np.frombuffer(text, np.uint8) if text else np.empty(0, np.uint8)
    out = whole[ends[0] : ends[-1]]
    return {"out_offsets": ends - ends[0], "out": out, "n": out.size}


def _polars(workload, static):
    import os

    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read when polars is first imported
    import polars as pl

    if not workload.spec["k"]:
        raise NotImplementedError("polars gathers nothing from an empty series")
    values = pl.Series(_arrow(workload, static))
    return lambda codes: values.gather(codes)


def _polars_pack(workload, static, each):
    import polars as pl

    return pl.Series(each["codes"])


def _from_polars(raw, each):
    import pyarrow as pa

    arrow = raw.to_arrow()
    return _from_arrow(arrow if raw.dtype.is_numeric() else arrow.cast(pa.string()), each)


def _numpy(workload, static):
    values = _values(workload, static)
    out = np.empty(workload.spec["n"], values.dtype)
    if not values.size:
        raise NotImplementedError("numpy takes nothing from an empty array")
    return lambda each: np.take(values, each["codes"], out=out, mode="clip")


def _array(raw, each):
    return {"out": raw}


def _peers(op):
    views, layout = ("string views", "free") if op == "utf8" else ("array", "untouched")
    return (
        Peer(
            "pyarrow",
            "dictionary_decode",
            op,
            _decode,
            _from_arrow,
            "arrow array",
            "untouched",
            pack=_decode_pack,
        ),
        Peer(
            "pyarrow", "take", op, _take, _from_arrow, "arrow array", "untouched", pack=_take_pack
        ),
        Peer("polars", "gather", op, _polars, _from_polars, views, layout, pack=_polars_pack),
    )


NUMPY = tuple(
    Peer("numpy", "take", op, _numpy, _array, "array", "untouched") for op in ("i64", "f64")
)
PEERS = (*_peers("i64"), *_peers("f64"), *_peers("utf8"), *NUMPY)
