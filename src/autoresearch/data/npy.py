""".npy through numpy's own reader of headers, memory-mapped; nothing is ever unpickled."""

from __future__ import annotations

import math
import tokenize
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from . import caps, checks
from .checks import Array, Where
from .source import Source

_HEADERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}
_GARBLED = (ValueError, SyntaxError, TypeError, EOFError, RecursionError, tokenize.TokenError)


def read(path: Path, kind: str) -> Source:
    """Rows of a matrix as vectors, or a one-dimensional array as integers."""
    array = _mapped(path)
    dims = 2 if kind == "vectors" else 1
    if array.dtype.kind not in "iuf" or array.ndim != dims:
        told = f"holds {array.dtype}{list(array.shape)}, expected numbers in {dims} dimension(s)"
        raise caps.fault(path, f"{told} for {kind}")
    if not array.size:
        raise caps.fault(path, f"is empty: its shape is {list(array.shape)}")
    width = array.shape[1] if dims == 2 else 1
    check = checks.vectors if dims == 2 else checks.integers
    blocks: list[Array] = []
    for begin, end in caps.spans(len(array), 4 * width):
        blocks.append(check(array[begin:end], _where(begin)))
    return Source(kind, np.concatenate(blocks))


def _where(begin: int) -> Where:
    return lambda row: f"row {begin + row}"


def _mapped(path: Path) -> Array:
    with path.open("rb") as file:
        try:
            shape, fortran, dtype = _header(file)
        except _GARBLED as error:
            raise ValueError(f"has no .npy header at byte 0: {error}") from error
        begin, size = file.tell(), file.seek(0, 2)
    if dtype.hasobject:
        told = "holds pickled Python objects, which are never loaded"
        raise caps.fault(path, told, "Save numbers instead, as numpy.save does with a plain dtype.")
    wanted = math.prod(shape) * dtype.itemsize
    if size - begin < wanted:
        told = f"is cut off at byte {size}: {begin + wanted} bytes are expected"
        raise caps.fault(path, told, "Fetch the file again, or name another one after --data.")
    if not wanted:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", begin, shape, "F" if fortran else "C")


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy_format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} is not read")
    shape, fortran, dtype = _HEADERS[version](file)
    if any(n < 0 for n in shape):
        raise ValueError(f"shape {shape} is negative")
    return shape, fortran, dtype
