"""One arm of an integration in a fresh process: opens pipelines on its kernels and times them.

Started as `python -I -B -m autoresearch.product.child FD`, pinned to the measuring core. Trusted:
its kernels have passed a sandbox or a screen, and share this process with its clock.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from numba.core import caching

from ..runner.sandbox import linux
from ..runner.sealed import raw_clock
from ..runner.shift import make_room, shift
from ..runner.worker import Locator, cached, complaint
from . import pipelines, store
from .pipeline import Arrays, Request, Run, Share

_SETUP = ("prepare", "scratch")


class Clock:
    """Adds up the time spent inside the functions that it is put around."""

    def __init__(self) -> None:
        self.ns = self.calls = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            begin = raw_clock()
            result = function(*args)
            self.ns += raw_clock() - begin
            self.calls += 1
            return result

        return timed

    def net_ns(self) -> float:
        """Without what it adds to a call itself, as measured on one that does nothing."""
        empty = Clock()
        nothing = empty.around(lambda: None)
        for _ in range(1000):
            nothing()
        return max(self.ns - self.calls * empty.ns / empty.calls, 0.0)


def loaded(file: Path) -> SimpleNamespace:
    """The functions of a kernel, compiled at their first call or loaded from the cache beside it.

    The module is named by its content: numba derives the names of machine code from that, and the
    linker would take the first of two alike for both.
    """
    spec = spec_from_file_location(f"kernel_{file.parent.name}", file)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    own = {name: cached(value) for name, value in vars(module).items() if callable(value)}
    return SimpleNamespace(**{name: f for name, f in own.items() if not name.startswith("_")})


class Stage:
    """The pipelines of one arm, open and warm."""

    def __init__(self, request: Request) -> None:
        caching.CacheImpl._locator_classes = [Locator]
        make_room()
        shift("arm", request.moved)
        self.request = request
        self.kit = {name: loaded(Path(file)) for name, file in request.kernels.items()}
        self.runs = {name: self._opened(name) for name in request.pipelines}

    def _opened(self, name: str) -> Run:
        (pipeline,) = (one for one in pipelines.every() if one.name == name)
        run = pipeline.open(self.kit, store.load(self.request.folder, name))
        for _ in range(2):  # compiles, then fills caches; the last batch is for this alone
            run(self.request.batches)
        return run

    def run(self, name: str, batch: int) -> tuple[int, Arrays]:
        """(ns, answers) of one batch."""
        run = self.runs[name]
        gc.collect(0)
        gc.disable()
        begin = raw_clock()
        answers = run(batch)
        took = raw_clock() - begin
        gc.enable()
        return took, answers

    def share(self, name: str) -> Share:
        """The op is timed in runs of its own, which take turns with untouched ones, so that the
        clock's readings are not in the whole."""
        kernel, whole, clock = self.kit[self.request.target], 0, Clock()
        plain = vars(kernel).copy()
        timed = {n: clock.around(f) for n, f in plain.items() if n not in _SETUP}
        for batch in range(self.request.batches):
            for clocked in (batch % 2, 1 - batch % 2):
                vars(kernel).update(timed if clocked else plain)
                took, _ = self.run(name, batch)
                whole += 0 if clocked else took
        vars(kernel).update(plain)
        return Share(whole, clock.net_ns(), clock.calls / self.request.batches)


def serve(line: Connection) -> None:
    """Open what is asked, then answer one question at a time until the other end closes."""
    verb, request = line.recv()
    stage = Stage(request)
    gc.collect()
    gc.freeze()
    line.send((verb, None))
    while True:
        try:
            verb, *words = line.recv()
        except EOFError:
            return
        line.send((verb, stage.share(*words) if verb == "share" else stage.run(*words)))


def main(fd: int) -> None:
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_THP_DISABLE, 1)
    line = Connection(fd)
    try:
        serve(line)
    except Exception as error:  # noqa: BLE001 - a kernel may raise anything; told as it is
        line.send(("fault", complaint(error)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
