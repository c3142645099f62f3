"""The kernels that indexes and the plane run: plain ones, and champions that were promoted.

Every module has the entry points of its target's reference. Knows nothing of how one got here.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def seed(target: str) -> ModuleType:
    """The scalar kernel of `target`, a copy of its reference: slow, and right everywhere."""
    return import_module(f".plain.{_folder(target)}", __name__)


def product(target: str) -> ModuleType:
    """What users get: the promoted champion of `target`, else the plain kernel. Champions were
    checked on arrays with 64 bytes to spare behind their ends, and may read there."""
    return (
        import_module(f".promoted.{_folder(target)}", __name__)
        if is_promoted(target)
        else seed(target)
    )


def is_promoted(target: str) -> bool:
    """Whether a champion of `target` was promoted; `promoted` itself is the folder of them all."""
    return find_spec(f"{__name__}.promoted.{_folder(target)}") is not None


def _folder(target: str) -> str:
    return target.replace("-", "_")
