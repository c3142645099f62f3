"""The machine code of shipped kernels, kept on disk: compiled once a machine, not once a process.

numba's own cache looks at one file's text only, may mix up the entries of two processes, and stops
at a damaged file; here the folder is named by all sources and versions that make code, and a file
holds one function at one signature, with a checksum. Knows numba; nothing of what kernels compute.
The lab never comes here: trials compile anew.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import pickle
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent
SOURCES = ("compiled.py", "simd", "kernels", "plane", "index")  # what machine code is made from
LIBRARIES = ("numba", "llvmlite", "numpy")
SWITCH = "AUTORESEARCH_CACHE"  # a folder; empty: keep nothing
SUM = hashlib.sha256().digest_size
PLAIN = (int, float, str, bytes, bool, type(None))


class Unnamed(Exception):
    """A function that closes over something whose name in another process is not known."""


def kept(names: Mapping[str, Any]) -> None:
    """From now on the compiled functions among `names` are looked up before they are compiled."""
    from numba.core.dispatcher import Dispatcher

    _ready()
    for value in names.values():
        if isinstance(value, Dispatcher):
            vars(value)["_cache"] = Kept(value.py_func)


@cache
def _ready() -> None:
    """Names of machine code hold a count of functions, and a linker takes the first of two alike
    for both: no two processes may count from the same number."""
    from numba.core import bytecode, event

    class Counting(event.Listener):
        def on_start(self, _: Any) -> None:
            _depth.now += 1

        def on_end(self, _: Any) -> None:
            _depth.now -= 1

    bytecode.FunctionIdentity._unique_ids = itertools.count(secrets.randbits(62))
    event.register("numba:compile", Counting())  # type: ignore[no-untyped-call]


class _Depth:
    """How many functions are being compiled, each on behalf of the one before. Only who holds
    numba's compiler lock changes or reads it."""

    now = 0


_depth = _Depth()


class Kept:
    """What numba asks for one function; only what Python calls is kept, with all that it calls.

    Whatever goes wrong with the disk costs a compilation, and nothing else."""

    cache_path = None

    def __init__(self, function: Any) -> None:
        self.function = function

    def load_overload(self, sig: Any, context: Any) -> Any:
        """The compiled function, or None."""
        from numba.core.compiler import CompileResult

        context.refresh()
        path = self._path(sig, context.codegen())
        if _depth.now or path is None:
            return None
        try:
            data = path.read_bytes()
            if hashlib.sha256(data[SUM:]).digest() != data[:SUM]:
                return None
            parts = pickle.loads(data[SUM:])
            return CompileResult._rebuild(context, *parts)  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - a file of whatever age and origin may raise anything
            return None

    def save_overload(self, sig: Any, result: Any) -> None:
        """Keep it, for whoever asks next: a reader sees a whole file or none."""
        from numba.core.serialize import dumps

        path = self._path(sig, result.codegen)
        if _depth.now or path is None or result.library.has_dynamic_globals or result.lifted:
            return
        spare = path.with_name(f".{secrets.token_hex(8)}")
        try:
            data = dumps(result._reduce())  # type: ignore[no-untyped-call]
            spare.write_bytes(hashlib.sha256(data).digest() + data)
            spare.replace(path)
        except Exception:  # noqa: BLE001 - a full disk, or what cannot be pickled
            with suppress(OSError):
                spare.unlink(missing_ok=True)

    def enable(self) -> None:
        """Nothing: the environment says whether code is kept."""

    disable = flush = enable

    def _path(self, sig: Any, codegen: Any) -> Path | None:
        where = folder()
        if where is None:
            return None
        try:
            parts = name(self.function), str(sig), *map(str, codegen.magic_tuple())
        except Unnamed:
            return None
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
        return where / f"{self.function.__name__}-{key}"


def name(function: Any) -> str:
    """What tells a function of the package from all others: where it stands, and what it closes
    over."""
    cells = (cell.cell_contents for cell in function.__closure__ or ())
    inside = ",".join(_value(value) for value in cells)
    line = function.__code__.co_firstlineno
    return f"{function.__module__}.{function.__qualname__}:{line}({inside})"


def _value(value: Any) -> str:
    if isinstance(value, PLAIN):
        return repr(value)
    if hasattr(value, "py_func"):
        return name(value.py_func)
    raise Unnamed


def folder() -> Path | None:
    """Where this user's machine code of these sources is kept; None where it cannot be, or where
    others could write: what lies there is executed."""
    named = os.environ.get(SWITCH)
    if named == "":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return _made(Path(named or f"{home}/autoresearch/code").expanduser() / digest())


@cache
def _made(path: Path) -> Path | None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError:
        return None
    own = found.st_uid == os.getuid() and not found.st_mode & 0o022
    return path if own and os.access(path, os.W_OK) else None


@cache
def digest() -> str:
    """Of all that machine code depends on, besides the processor."""
    from importlib.metadata import version

    versions = [sys.version, *(f"{name} {version(name)}" for name in LIBRARIES)]
    settings = sorted(f"{n}={v}" for n, v in os.environ.items() if n.startswith("NUMBA_"))
    whole = hashlib.sha256(repr((versions, settings)).encode())
    for entry in SOURCES:
        path = HOME / entry
        for file in sorted(path.rglob("*.py")) if path.is_dir() else (path,):
            data = file.read_bytes()
            whole.update(f"{file.relative_to(HOME)} {len(data)}\n".encode() + data)
    return whole.hexdigest()[:16]
