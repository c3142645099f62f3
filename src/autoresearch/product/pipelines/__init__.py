"""The pipelines there are: each module of this package lists its own, with the targets they use."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ..pipeline import Pipeline


def every() -> tuple[Pipeline, ...]:
    """All pipelines, by module and in the order listed there."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    return tuple(pipeline for module in modules for pipeline in module.PIPELINES)


def using(target: str) -> tuple[Pipeline, ...]:
    """Those in which an operation of `target` takes part."""
    return tuple(pipeline for pipeline in every() if target in pipeline.targets)
