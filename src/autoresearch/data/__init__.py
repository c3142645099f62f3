"""Real data: a user's file as extra workloads of a target, named by file and content everywhere.

`origin` finds out what `--data` names, `load` reads it again where it is needed, `workloads` asks
the target which workloads it makes of it. Knows files; nothing of kernels, clocks or the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from ..errors import Refusal
from ..model import Workload
from . import caps, columns, lines, npy, vecs
from .source import KINDS, Source

__all__ = ["KINDS", "Origin", "Source", "load", "origin", "workloads"]

_Reader = Callable[[Path, str], Source]
_READERS: dict[str, tuple[tuple[str, ...], _Reader]] = {
    ".npy": (("vectors", "integers"), npy.read),
    ".fvecs": (("vectors",), vecs.read),
    ".bvecs": (("vectors",), vecs.read),
    ".ivecs": (("integers",), vecs.read),
    ".txt": (("text", "integers"), lines.read),
    ".log": (("text",), lines.read),
}
_NAME = 19  # characters of file and column in a label, the last ones: a block has 32 for it all
_HASH = 12  # of the digest's hex digits in a label: 48 bits tell any two files apart


@dataclass(frozen=True, slots=True)
class Origin:
    """Where data come from: the file, the column, what it is read as, and its name in every row.

    `label` holds file and column (of long names the end) and the first digits of the digest of all
    that is read; the folder appears in no row."""

    path: str
    column: str
    kind: str
    label: str


def origin(text: str, kind: str) -> Origin:
    """What `FILE` or `FILE:column` names, read once to check all of it; Refusal when unfit."""
    path, column = _split(text)
    where = Origin(str(path.resolve()), column, kind, "")
    return Origin(where.path, column, kind, _label(where, _read(where)))


def load(where: Origin) -> Source:
    """The data themselves; Refusal when they are not those that `where` was made from."""
    source = _read(where)
    if _label(where, source) != where.label:
        told = "changed while this command waited for its turn"
        raise caps.fault(Path(where.path), told, "Repeat the command when the file is at rest.")
    return source


def workloads(inputs: SimpleNamespace, source: Source, label: str) -> tuple[Workload, ...]:
    """What the target's `data(rows, width)` makes of a source, with its label in every spec."""
    made = inputs.data(source.rows, source.width)
    return tuple(Workload(w.op, {**w.spec, "data": label}) for w in made)


def _label(where: Origin, source: Source) -> str:
    parts = filter(None, (Path(where.path).name, where.column))
    named = ":".join(re.sub(r"[^\w.+-]", "_", part, flags=re.ASCII) for part in parts)
    return f"{named[-_NAME:]}:{source.digest()[:_HASH]}"


def _split(text: str) -> tuple[Path, str]:
    """A colon separates the column, unless a file has that name as a whole."""
    path, colon, column = text.rpartition(":")
    if not colon or Path(text).exists():
        return Path(text), ""
    return Path(path), column


def _read(where: Origin) -> Source:
    path = Path(where.path)
    reader = _reader(path, where.kind, where.column)
    try:
        if not path.is_file():
            told = "is no regular file" if path.exists() else "does not exist"
            raise caps.fault(path, told, "Name another one after --data.")
        return reader(path, where.kind)
    except (OSError, ValueError) as error:
        told = error.strerror or "" if isinstance(error, OSError) else str(error)
        verb = "cannot be read: " if isinstance(error, OSError) else ""
        raise caps.fault(path, f"{verb}{told}") from error


def _reader(path: Path, kind: str, column: str) -> _Reader:
    suffix = path.suffix.lower()
    if suffix in columns.SUFFIXES:
        return partial(columns.read, column=column)
    if suffix not in _READERS:
        told = f"has no extension that is known: {', '.join((*_READERS, *columns.SUFFIXES))}"
        raise caps.fault(path, told, "Convert the file to one of these.")
    kinds, reader = _READERS[suffix]
    if kind not in kinds:
        fit = ", ".join([s for s, (k, _) in _READERS.items() if kind in k] + [*columns.SUFFIXES])
        told = f"holds {' or '.join(kinds)}, and this target takes {kind}"
        raise caps.fault(path, told, f"Name a file of {kind}: {fit}.")
    if column:
        raise Refusal(f"{path.name} has no columns.", f"Leave {column!r} out.")
    return reader
