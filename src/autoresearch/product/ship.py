"""The two forms of a kernel: as the lab has it, and as it ships inside this package.

Pure text: the import of `simd` is all that differs.
"""

from __future__ import annotations

import re

_LAB = re.compile(r"^from autoresearch(\.simd)? import ", re.MULTILINE)
_SHIPPED = re.compile(r"^from \.\.\.(simd)? ?import ", re.MULTILINE)
_OTHER = re.compile(r"^\s*(import autoresearch|from autoresearch)\b", re.MULTILINE)


def shipped(text: str) -> str:
    """The text for `kernels/promoted`: imports of this package relative to that folder.

    Raises ValueError where one has a form that is not rewritten.
    """
    found = _LAB.sub(lambda m: f"from ...{(m[1] or '')[1:]} import ", text)
    if _OTHER.search(found) or lab(found) != text:
        raise ValueError("it imports autoresearch other than by `from autoresearch import ...`")
    return found


def lab(text: str) -> str:
    """The text that `shipped` was made from."""
    return _SHIPPED.sub(lambda m: f"from autoresearch{'.' + m[1] if m[1] else ''} import ", text)
