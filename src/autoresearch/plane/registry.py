"""Which kernels exist here, and which of them serve without being asked for by name.

A package adds kernels through entry points of the group `autoresearch.kernels`: a name and a
callable without arguments that returns the kernel, or raises `Refusal` where it cannot run.
Knows nothing of requests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ..errors import Refusal
from .model import VectorKernel

GROUP = "autoresearch.kernels"
DEFAULT = "cpu"
BUILT_IN = {"cpu": "cpu:Cpu", "cpu-simd": "cpu:CpuSimd", "cuda": "cuda:make"}
SHIPPED = Path(__file__).with_name("accepted.json")
# Best first; what is not listed is asked behind these, the default kernel last of all.
PREFERENCE = ("cuda", "rocm", "metal", "simd")


def names() -> list[str]:
    """Every kernel that can be asked for, ours first."""
    return [*BUILT_IN, *sorted(set(_added()) - set(BUILT_IN))]


def load(name: str) -> VectorKernel:
    """The kernel of that name. Raises `Refusal` where there is none or it cannot run."""
    if name in BUILT_IN:
        return _built_in(name)
    if name not in _added():
        what = f"There is no kernel {name!r}."
        raise Refusal(what, f"Known are {', '.join(names())}; a package registers more.")
    return _added()[name]()


@cache
def _built_in(name: str) -> VectorKernel:
    module, _, attribute = BUILT_IN[name].partition(":")
    made: VectorKernel = getattr(import_module(f".{module}", __package__), attribute)()
    return made


def _added() -> dict[str, Callable[[], VectorKernel]]:
    """What packages register; a package that does not import is found out when it is asked for."""
    return {entry.name: partial(_made, entry) for entry in entry_points(group=GROUP)}


def _made(entry: EntryPoint) -> VectorKernel:
    kernel: VectorKernel = entry.load()()
    return kernel


def usable(enabled: Collection[str] = ()) -> tuple[VectorKernel, ...]:
    """The accepted kernels that can run here and those enabled by name, best first, `cpu` last.

    Raises `Refusal` for an enabled one that cannot run."""
    found = [load(name) for name in dict.fromkeys(enabled) if name != DEFAULT]
    for name in sorted(accepted() - {*enabled, DEFAULT}):
        with suppress(Refusal):
            found.append(load(name))
    return (*sorted(found, key=_rank), load(DEFAULT))


def _rank(kernel: VectorKernel) -> int:
    needs = kernel.caps().accelerator
    return PREFERENCE.index(needs) if needs in PREFERENCE else len(PREFERENCE)


def accepted() -> frozenset[str]:
    """Kernels promoted past experimental: by this package, or by `autoresearch accept` here, whose
    verdict counts for more where there is one."""
    rows = verdicts(SHIPPED) | verdicts(local())
    return frozenset(name for name, row in rows.items() if row.get("promoted") is True)


def local() -> Path:
    """Where this user's own verdicts are: they hold for this machine, not for a project."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "autoresearch" / "accepted.json"


def verdicts(path: Path) -> dict[str, dict[str, object]]:
    """The rows of a file by kernel; none where it is missing or not ours: nothing is accepted."""
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    rows = rows if isinstance(rows, dict) else {}
    return {str(name): row for name, row in rows.items() if isinstance(row, dict)}
