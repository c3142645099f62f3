"""The facade: exactly what a target may import, loaded on first use."""

from importlib import import_module

_HOME = {
    "Op": "model",
    "Peer": "model",
    "Target": "model",
    "Work": "model",
    "Workload": "model",
    "draw": "draw",
    "run_experiment": "experiment",
}


def __getattr__(name: str) -> object:
    """Load a name of the facade when it is first asked for (PEP 562): importing stays free."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_HOME[name]}", __name__)
    return module if name == _HOME[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(_HOME)
