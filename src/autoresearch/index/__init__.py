"""Indexes with the names and shapes of faiss, on the kernels that were promoted."""

from importlib import import_module

_HOME = {
    "IndexFlatIP": "flat",
    "IndexFlatL2": "flat",
    "IndexIVFFlat": "ivfflat",
    "IndexIVFPQ": "ivfpq",
    "IndexRaBitQ": "rabitq",
    "PROFILES": "ivfflat",
    "from_faiss": "convert",
    "kmeans": "clusters",
    "load": "files",
    "to_faiss": "convert",
}


def __getattr__(name: str) -> object:
    """Load an index when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
