"""The kernels that indexes and the plane run: plain ones, and champions that were promoted.

Every module has the entry points of its target's reference. Knows nothing of how one got here.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from ..compiled import kept


def seed(target: str) -> ModuleType:
    """The scalar kernel of `target`, a copy of its reference: slow, and right everywhere."""
    return _loaded(f"plain.{_folder(target)}")


def product(target: str) -> ModuleType:
    """What users get: the promoted champion of `target`, else the plain kernel. Champions were
    checked on arrays with 64 bytes to spare behind their ends, and may read there."""
    return _loaded(f"promoted.{_folder(target)}") if is_promoted(target) else seed(target)


def is_promoted(target: str) -> bool:
    """Whether a champion of `target` was promoted; `promoted` itself is the folder of them all."""
    return find_spec(f"{__name__}.promoted.{_folder(target)}") is not None


@cache
def _loaded(module: str) -> ModuleType:
    """The module, its text untouched; what it compiles is kept on disk."""
    found = import_module(f".{module}", __name__)
    kept(vars(found))
    return found


def _folder(target: str) -> str:
    return target.replace("-", "_")
