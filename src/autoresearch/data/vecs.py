""".fvecs, .bvecs and .ivecs: records of an i32 dimension and as many f32, u8 or i32 behind it.

The format of the TEXMEX corpus (http://corpus-texmex.irisa.fr). Knows one such file.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from . import caps, checks
from .checks import Array
from .source import Source

_TYPES = {".fvecs": "<f4", ".bvecs": "u1", ".ivecs": "<i4"}


def read(path: Path, kind: str) -> Source:
    """Vectors, or the components of .ivecs in their order; every record read is checked."""
    dtype = np.dtype(_TYPES[path.suffix.lower()])
    with path.open("rb") as file:
        size = file.seek(0, 2)
        width = _width(path, file, size)
        record = 4 + width * dtype.itemsize
        whole, rest = divmod(size, record)
        blocks = [
            _block(path, file, span, width, dtype, kind) for span in caps.spans(whole, 4 * width)
        ]
    if rest:
        raise _cut(path, whole, whole * record, record, rest)
    return Source(kind, np.concatenate(blocks))


def _width(path: Path, file: BinaryIO, size: int) -> int:
    """The dimension of the first record, which all must share."""
    file.seek(0)
    head = file.read(4)
    if len(head) < 4:
        raise caps.fault(path, f"has {size} bytes, and the first record's dimension needs 4")
    width = int.from_bytes(head, "little", signed=True)
    if not 0 < width <= caps.WIDEST:
        told = f"declares dimension {width} at byte 0, expected 1 to {caps.WIDEST}"
        raise caps.fault(path, told)
    return width


def _block(
    path: Path, file: BinaryIO, span: tuple[int, int], width: int, dtype: np.dtype, kind: str
) -> Array:
    begin, end = span
    record = 4 + width * dtype.itemsize
    file.seek(begin * record)
    raw = file.read((end - begin) * record)
    if len(raw) < (end - begin) * record:  # it shrank since its size was taken
        whole, rest = divmod(len(raw), record)
        raise _cut(path, begin + whole, (begin + whole) * record, record, rest)
    table = np.frombuffer(raw, np.uint8).reshape(-1, record)
    dims = table[:, :4].copy().view("<i4").ravel()

    def where(row: int) -> str:
        return f"record {begin + row} at byte {(begin + row) * record}"

    if (dims != width).any():
        at = int((dims != width).argmax())
        raise ValueError(f"declares dimension {dims[at]} in {where(at)}, {width} before")
    values = table[:, 4:].copy().view(dtype)
    if kind == "vectors":
        return checks.vectors(values, where)
    return checks.integers(values.ravel(), lambda i: where(i // width))


def _cut(path: Path, row: int, byte: int, record: int, rest: int) -> Exception:
    told = f"is cut off: record {row} at byte {byte} needs {record} bytes, {rest} are left"
    return caps.fault(path, told, "Fetch the file again, or name another one after --data.")
