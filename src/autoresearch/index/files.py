"""Any saved index, by the kind that its file names."""

from __future__ import annotations

import os
from typing import Any

from ..errors import Refusal
from . import storage
from .flat import IndexFlatIP, IndexFlatL2
from .ivfflat import IndexIVFFlat
from .ivfpq import IndexIVFPQ
from .rabitq import IndexRaBitQ

KNOWN = (IndexFlatL2, IndexFlatIP, IndexIVFFlat, IndexIVFPQ, IndexRaBitQ)
KINDS: dict[str, Any] = {kind.kind: kind for kind in KNOWN}


def load(path: str | os.PathLike[str], check: bool = True) -> Any:
    """The index saved at `path`, its arrays mapped from the file; `check=False` skips the checksums
    and thereby reading all of it. Refusal where the file is damaged or of an unknown kind."""
    head, arrays = storage.load(path, check)
    if head.get("kind") not in KINDS:
        what = f"{path} holds an index of kind {head.get('kind')!r}."
        raise Refusal(what, f"This release knows {', '.join(KINDS)}.")
    return KINDS[head["kind"]].restored(head, arrays)
