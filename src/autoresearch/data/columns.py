"""One column of a parquet, arrow or feather file through pyarrow, which is loaded here only.

Read by row groups (parquet) or record batches (arrow), evenly spaced where there are many, and of
large ones in stretches that are evenly spaced again.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import caps, checks
from .checks import Array, Where
from .source import Source

_BATCH = 4096  # rows decoded at a time: 12 MB of 768 floats
SUFFIXES = (".parquet", ".arrow", ".feather")


@dataclass(slots=True)
class _Kept:
    """What was read so far, in blocks of values, and how long each text is."""

    values: list[Array] = field(default_factory=list)
    lengths: list[Array] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    width: int = 0  # of vectors, once one was read

    def add(self, values: Array, lengths: Array, width: int, rows: int) -> None:
        self.values.append(values)
        self.lengths.append(lengths)
        self.width = width
        self.rows += rows
        self.bytes += values.nbytes


def read(path: Path, kind: str, column: str) -> Source:
    """The rows of `column`, or of the only one that fits `kind`."""
    try:
        import pyarrow as pa
    except ImportError:
        told = "needs pyarrow to be read, and it is not installed"
        remedy = "Install the extra `data` of this project, or convert the file to .npy or text."
        raise caps.fault(path, told, remedy) from None
    try:
        file = _Parquet(path) if path.suffix.lower() == ".parquet" else _Ipc(path)
        kept = _kept(file, kind, _chosen(path, file.schema, kind, column))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"cannot be read as {path.suffix[1:]}: {str(error)[:160]}") from error
    if not kept.rows:
        raise caps.fault(path, "is empty: the column has no rows")
    ends = np.concatenate([[0], np.cumsum(np.concatenate(kept.lengths))])
    return Source(
        kind, np.concatenate(kept.values), ends if kind == "text" else np.zeros(1, np.int64)
    )


class _Parquet:
    unit = "row group"

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        # The defaults would hold a whole row group in memory; so it is read page by page.
        self.file = parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
        self.schema = self.file.schema_arrow
        self.groups = self.file.num_row_groups

    def rows(self, group: int) -> int:
        return int(self.file.metadata.row_group(group).num_rows)

    def arrays(self, group: int, column: int) -> Iterator[Any]:
        name = self.schema.field(column).name
        for batch in self.file.iter_batches(_BATCH, [group], [name], use_threads=False):
            yield batch.column(0)


class _Ipc:
    unit = "record batch"

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self.file = pa.ipc.open_file(pa.memory_map(str(path)))
        self.schema = self.file.schema
        self.groups = self.file.num_record_batches

    def rows(self, group: int) -> int:
        return int(self.file.get_batch(group).num_rows)

    def arrays(self, group: int, column: int) -> Iterator[Any]:
        array = self.file.get_batch(group).column(column)
        for begin in range(0, len(array), _BATCH):
            yield array.slice(begin, _BATCH)


def _kept(file: _Parquet | _Ipc, kind: str, column: int) -> _Kept:
    """Every group read has the same share of the caps."""
    count = min(file.groups, caps.BLOCKS)
    kept = _Kept()
    for group in caps.spaced(file.groups - 1, count):
        begin, share, wanted = 0, _Kept(), {0}
        for number, array in enumerate(file.arrays(group, column)):
            if number in wanted:
                part = array.slice(0, max(1, caps.ROWS // count) - share.rows)
                found = _checked(part, kind, kept.width, _where(begin, file.unit, group))
                for pool in (share, kept):
                    pool.add(*found, len(part))
            if not number:
                wanted = _wanted(file, group, share.bytes, count)
            if share.rows >= caps.ROWS // count or share.bytes >= caps.BYTES // count:
                break
            begin += len(array)
    return kept


def _wanted(file: _Parquet | _Ipc, group: int, bytes_: int, count: int) -> set[int]:
    """Which batches of a group to keep when the first took `bytes_`: evenly spaced ones, but the
    foremost where there are many groups, as to skip in parquet is to decode all the same."""
    batches = -(-file.rows(group) // _BATCH)
    fit = min(caps.ROWS // count // _BATCH, caps.BYTES // count // max(1, bytes_))
    most = max(1, min(batches, fit))
    return set(range(most + 1) if count == caps.BLOCKS else caps.spaced(batches - 1, most))


def _where(begin: int, unit: str, group: int) -> Where:
    return lambda row: f"row {begin + row} of {unit} {group}"


def _checked(array: Any, kind: str, width: int, where: Where) -> tuple[Array, Array, int]:
    """(values, lengths of texts, width of vectors) of one stretch of the column."""
    import pyarrow as pa

    if array.null_count:
        at = int(np.argmin(array.is_valid().to_numpy(zero_copy_only=False)))
        raise ValueError(f"is null in {where(at)}")
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    nothing = np.empty(0, np.int64)
    if kind == "integers":
        found = checks.integers(array.to_numpy(zero_copy_only=False), where)
        return found, nothing, 0
    if kind == "text":
        return *_texts(array, where), 0
    block = _matrix(array, width, where)
    return checks.vectors(block, where), nothing, block.shape[1]


def _matrix(array: Any, width: int, where: Where) -> Array:
    """The lists of a column as rows of a matrix."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(array.type):
        lengths = np.full(len(array), array.type.list_size)
    else:
        lengths = array.value_lengths().to_numpy(zero_copy_only=False)
    width = width or int(lengths[0] if len(lengths) else 0)
    if (lengths != width).any():
        at = int((lengths != width).argmax())
        raise ValueError(f"has {lengths[at]} components in {where(at)}, {width} before")
    if not 0 < width <= caps.WIDEST:
        raise ValueError(f"has {width} components in {where(0)}, expected 1 to {caps.WIDEST}")
    flat = array.flatten()
    if flat.null_count:
        at = int(np.argmin(flat.is_valid().to_numpy(zero_copy_only=False)))
        raise ValueError(f"has a null component in {where(at // width)}")
    matrix: Array = flat.to_numpy(zero_copy_only=False).reshape(-1, width)
    return matrix


def _texts(array: Any, where: Where) -> tuple[Array, Array]:
    """UTF-8 side by side, and how long each text is; pyarrow itself believes what a file says."""
    import pyarrow as pa

    texts = array.cast(pa.large_binary()).to_pylist()
    for row, text in enumerate(texts):
        checks.utf8(text, _within(where(row)))
    lengths = np.array([len(text) for text in texts], np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), lengths


def _within(row: str) -> Where:
    return lambda byte: f"{row}, byte {byte} of the text"


def _chosen(path: Path, schema: Any, kind: str, column: str) -> int:
    """The column's place; a Refusal names the nearest one, or those that would do."""
    fit = [i for i, one in enumerate(schema) if _fits(one.type, kind)]
    names = [schema.field(i).name for i in fit]
    if not column and len(fit) == 1:
        return fit[0]
    if not column:
        told = f"has {len(fit)} columns of {kind}" + (f": {', '.join(names[:8])}" if fit else "")
        remedy = f"Name one as --data {path.name}:COLUMN." if fit else ""
        raise caps.fault(path, told, remedy)
    if column in names:
        return fit[names.index(column)]
    if column in schema.names:
        told = f"has {schema.field(schema.names.index(column)).type} in column {column}"
        raise caps.fault(path, f"{told}, expected {kind}")
    near = difflib.get_close_matches(column, schema.names, 1, 0.0)
    told = f"has no column {column!r}"
    raise caps.fault(path, told, f"Did you mean {near[0]!r}?" if near else "")


def _fits(kind_of: Any, kind: str) -> bool:
    import pyarrow.types as t

    if kind == "vectors":
        listed = t.is_list(kind_of) or t.is_large_list(kind_of) or t.is_fixed_size_list(kind_of)
        return bool(listed) and bool(
            t.is_floating(kind_of.value_type) or t.is_integer(kind_of.value_type)
        )
    if t.is_dictionary(kind_of):
        kind_of = kind_of.value_type
    if kind == "integers":
        return bool(t.is_integer(kind_of) or t.is_floating(kind_of))
    return bool(t.is_string(kind_of) or t.is_large_string(kind_of))
