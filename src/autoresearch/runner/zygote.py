"""The clean ancestor of every worker: numba and simd imported and warm, nothing of any target.

Started as `python -I -B -m autoresearch.runner.zygote FD`; knows neither seeds nor clocks.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any

if __name__ == "__main__":
    # numba loads scipy where it is installed, and no worker may run code that kernels do not need
    sys.modules["scipy"] = None  # type: ignore[assignment]

import numba
import numpy as np

from .. import simd  # noqa: F401 - a worker's import of it finds it here, and reads no file
from . import sandbox, wire, worker

_PR_SET_PDEATHSIG = 1
_RUNTIME = sandbox.runtime("numpy", "numba", "llvmlite")


@numba.njit
def _warm(x: Any, n: Any) -> Any:
    for i in range(n):
        x[i : i + 1].reshape((1, 1))[0, 0] += 1.0
    return x


def _honest() -> None:
    _warm(np.zeros(8, np.float32), 1)


def main(fd: int) -> None:
    """Warm numba up (0.2 s that every worker would pay otherwise), then fork workers on request."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _honest()
    sock = socket.socket(fileno=fd)
    wire.send(
        sock,
        {"tier": sandbox.probe(_honest, sandbox.Jail(read=_RUNTIME, listed=(sandbox.stdlib(),)))},
    )
    while True:
        try:
            request, fds = wire.receive(sock)
        except EOFError:
            return
        pid = spawn(sock, request, fds)
        for each in fds:
            os.close(each)
        wire.send(sock, {"pid": pid})


def spawn(sock: socket.socket, request: Mapping[str, Any], fds: list[int]) -> int:
    """Fork a worker through an intermediate that dies, so that the harness (a child subreaper)
    becomes its parent: only a parent can confirm a stop and reap. 0 when that failed."""
    told, tell = os.pipe()
    middle = os.fork()
    if middle == 0:
        _become_worker(sock, request, fds, tell)
    os.close(tell)
    os.waitpid(middle, 0)
    with os.fdopen(told, "rb") as line:
        return int(line.readline() or b"0")


def _become_worker(
    sock: socket.socket, request: Mapping[str, Any], fds: list[int], tell: int
) -> None:
    try:
        sock.close()
        sandbox.detach(request["tier"], tell)
        jail = sandbox.Jail(
            read=(*_RUNTIME, *request["read"]),
            write=tuple(request["write"]),
            listed=(sandbox.stdlib(),),
            keep=tuple(fds),
            directory=request["build_dir"],  # numba's complaints name files relative to here
            memory_bytes=request["memory_bytes"],
            cpu_seconds=request["cpu_seconds"],
        )
        sandbox.lock_down(request["tier"], jail)
        token_fd, done_fd, *regions = fds
        worker.run(request, regions, token_fd, done_fd)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
