"""What runs inside the sandbox: build a candidate, or map a stage's memory and obey tokens.

Everything it says is distrusted; what counts is the bytes in the buffers and the "done" edge.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import mmap
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import caching

from ..model import Op, Target
from . import driver, layout, wire
from .shift import make_room, shift

Arrays = dict[str, layout.Array]

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    ctypes.c_long,
)
_PROT_NONE, _MAP_FIXED, _MAP_NORESERVE = 0, 0x10, 0x4000


class Locator(caching._CacheLocator):
    """Caches beside the source. The directory is named by the content hash of all that enters the
    build, so a source stamp would add nothing (and numba's misses edits in imported files)."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self.path = str(Path(py_file).parent / "cache")
        self.line = py_func.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return self.path

    def get_source_stamp(self) -> str:
        return "content-hashed"

    def get_disambiguator(self) -> str:
        return str(self.line)

    @property
    def _py_file(self) -> str:
        """numba asks for it only to say what it cannot cache."""
        what = "a kernel refers to no array of more than a megabyte: make it in prepare"
        raise TypeError(what)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Locator:
        return cls(py_func, py_file)


def load(build_dir: str, called: Iterable[str]) -> Any:
    """Import kernels.py from the build directory. Only what is `called` from Python needs a wrapper
    for that, whatever else it is called: wrappers are a tenth of the time that compiling takes."""
    caching.CacheImpl._locator_classes = [Locator]
    sys.path.insert(0, build_dir)
    kernels = importlib.import_module("kernels")
    wrapped = [getattr(kernels, name) for name in called]
    for value in vars(kernels).values():
        if isinstance(value, numba.core.dispatcher.Dispatcher):
            value.targetoptions |= {
                "no_cpython_wrapper": value not in wrapped,
                "no_cfunc_wrapper": True,
            }
    return kernels


def cached(function: Any) -> Any:
    """What is called from Python is cached beside the source: whatever it calls is part of it."""
    if isinstance(function, numba.core.dispatcher.Dispatcher):
        function.enable_caching()
    return function


def load_drive(op: str) -> Any:
    return cached(importlib.import_module(f"drive_{op}").drive)


def compiled(request: Mapping[str, Any], target: Target) -> tuple[Any, dict[str, Any]]:
    """The kernel module and a driver per op, compiled (or loaded from the cache) from types
    alone: no machine code of the candidate runs, so what is cached is what its source says."""
    make_room()
    setup = filter(None, (target.prepare, target.scratch))
    kernels = load(request["build_dir"], {driver.entry_point(statement) for statement in setup})
    types_of = _setup_types(target, kernels)
    drives = {op: load_drive(op) for op in target.ops}
    for name, drive in drives.items():
        op = target.ops[name]
        params = driver.parameters(target, op)
        shift(name, request["shift"])
        drive.compile((types.int64, *(_type_of(p, op, types_of) for p in params)))
    return kernels, drives


def _setup_types(target: Target, kernels: Any) -> dict[str, Any]:
    known = {n: _array_type(layout.declared(t)) for n, t in target.static.items()}
    for name, statement in (("state", target.prepare), ("scratch", target.scratch)):
        if statement:
            function = cached(getattr(kernels, driver.entry_point(statement)))
            signature = tuple(known[a] for a in driver.arguments(statement))
            function.compile(signature)
            known[name] = function.overloads[signature].signature.return_type
    return known


def _array_type(decl: layout.Declared) -> Any:
    dtype = numba.from_dtype(layout.DTYPES[decl.dtype])
    return types.Array(dtype, max(1, len(decl.dims)), "C")


def _type_of(param: driver.Parameter, op: Op, known: Mapping[str, Any]) -> Any:
    if param.source in ("state", "scratch"):
        return known[param.source]
    if param.source == "static":
        return known[param.array]
    if param.source == "at":
        return types.Array(types.int64, 2, "C")
    if param.source == "dim":
        return types.int64
    decl = layout.declared({**op.each, **op.out}[param.array])
    return types.Array(numba.from_dtype(layout.DTYPES[decl.dtype]), 1, "C")


class Space:
    """The three shared regions of a stage, mapped with an unmapped page after every array."""

    def __init__(self, static_fd: int, each_fd: int, out_fd: int) -> None:
        self.fds = {"static": static_fd, "each": each_fd, "out": out_fd}

    def arrays(self, kind: str, plan: list[dict[str, Any]]) -> Arrays:
        return {e.name: self._map(kind, e) for e in layout.from_plan(plan)}

    def inputs(self, workload: Mapping[str, Any]) -> Arrays:
        """Everything a driver touches besides static data: per-operation inputs and outputs."""
        return self.arrays("each", workload["each"]) | self.arrays("out", workload["out"])

    def _map(self, kind: str, extent: layout.Extent) -> layout.Array:
        """Map one extent between guard pages; inputs read-only: a write to them kills the worker.

        The array is declared writable all the same: a kernel sees the types real callers pass.
        """
        whole = extent.size + 2 * layout.PAGE
        base = _mmap(
            _anywhere(), whole, _PROT_NONE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        )
        prot = mmap.PROT_READ | (mmap.PROT_WRITE if kind == "out" else 0)
        at = _mmap(
            base + layout.PAGE,
            extent.size,
            prot,
            mmap.MAP_SHARED | _MAP_FIXED,
            self.fds[kind],
            extent.offset,
        )
        raw: Any = (ctypes.c_char * max(1, extent.nbytes)).from_address(at + extent.start)
        count = int(np.prod(extent.shape))
        flat: layout.Array = np.frombuffer(raw, layout.DTYPES[extent.dtype], count)
        return flat.reshape(extent.shape)


def _anywhere() -> int:
    """A page for the next array, perhaps taken: no kernel knows from one where others lie."""
    return int.from_bytes(os.urandom(4), "little") * layout.PAGE + (1 << 40)


def _mmap(
    address: int | None, size: int, prot: int, flags: int, fd: int = -1, offset: int = 0
) -> int:
    result = _libc.mmap(address, size, prot, flags, fd, offset)
    if result in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "mmap failed in a worker")
    return int(result)


class Bound:
    """One workload of a stage in a process: its arrays viewed, prepared and called on command."""

    def __init__(
        self,
        target: Target,
        plan: Mapping[str, Any],
        static: Arrays,
        arrays: Arrays,
        kernels: Any,
        drive: Any,
    ) -> None:
        self.target, self.plan = target, plan
        self.static, self.arrays = static, arrays
        self.kernels, self.drive = kernels, drive
        self.env: dict[str, Any] = {}
        self.args: tuple[Any, ...] = ()

    def prepare(self) -> None:
        """Run the kernel's own preparation, then bind the driver's arguments."""
        env: dict[str, Any] = dict(self.static)
        for name, statement in (("state", self.target.prepare), ("scratch", self.target.scratch)):
            if statement:
                function = getattr(self.kernels, driver.entry_point(statement))
                env[name] = function(*(env[a] for a in driver.arguments(statement)))
        self.env = env
        self.bind()

    def bind(self) -> None:
        """Line up the driver's arguments with the present arrays."""
        params = driver.parameters(self.target, self.target.ops[self.plan["op"]])
        self.args = (self.plan["operations"], *(self._argument(p, self.env) for p in params))

    def _argument(self, param: driver.Parameter, env: Mapping[str, Any]) -> Any:
        if param.source in ("state", "scratch"):
            return env[param.source]
        if param.source == "static":
            return self.static[param.array]
        if param.source == "dim":
            return self.plan["shapes"][param.array][param.axis]
        return self.arrays[param.name]

    def call(self) -> None:
        self.drive(*self.args)


def serve(
    request: Mapping[str, Any], target: Target, fds: list[int], token_fd: int, done_fd: int
) -> None:
    """Map the stage, say ready, then run one command per token until the pipe closes."""
    kernels, drives = compiled(request, target)
    space = Space(*fds)
    bound = [
        Bound(
            target,
            w,
            space.arrays("static", w["static"]),
            space.inputs(w),
            kernels,
            drives[w["op"]],
        )
        for w in request["workloads"]
    ]
    for fd in fds:
        os.close(fd)
    gc.collect()
    gc.freeze()
    gc.disable()
    commands: dict[bytes, Callable[[Bound], None]] = {
        wire.PREPARE: Bound.prepare,
        wire.CALL: Bound.call,
    }
    os.write(done_fd, wire.DONE)
    while token := os.read(token_fd, wire.TOKEN.size):
        command, index = wire.TOKEN.unpack(token)
        commands[command](bound[index])
        os.write(done_fd, wire.DONE)


def run(request: Mapping[str, Any], fds: list[int], token_fd: int, done_fd: int) -> None:
    """A worker's life after the sandbox is closed; failures become one line for the reason."""
    try:
        target = wire.target_from(request["target"])
        if request["role"] == "build":
            gc.disable()  # a twelfth of the time that compiling takes
            ops = {name: target.ops[name] for name in request["ops"]}
            compiled(request, replace(target, ops=ops))
            os.write(done_fd, wire.DONE)
        else:
            serve(request, target, fds, token_fd, done_fd)
    except BaseException as error:  # noqa: BLE001 - the line is shown, never believed
        os.write(done_fd, wire.FAILED + complaint(error).encode() + b"\n")


def complaint(error: BaseException) -> str:
    """One informative line: numba's own first sentences and the place in kernels.py, if named."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    wanted = [li for li in lines if not li.startswith(("Failed in", "During:", "-", "^", "~"))]
    place = [li for li in lines if "kernels.py" in li][-1:]
    return f"{type(error).__name__}: {' '.join((wanted or [''])[:3])} {' '.join(place)}"[
        :600
    ].strip()
