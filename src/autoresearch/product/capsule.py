"""The line of a target's page in docs/targets that says what its best kernel brings. Pure text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LINE = re.compile(r"^\*\*Best result\.\*\* .*$", re.MULTILINE)
NONE = "**Best result.** None ships: users get the plain kernel."


def told(page: str, provenance: Mapping[str, Any] | None) -> str:
    """The page with that line as the provenance of the promoted kernel has it, or with `NONE`."""
    line = _line(provenance) if provenance else NONE
    return _LINE.sub(lambda _: line, page, count=1)


def _line(facts: Mapping[str, Any]) -> str:
    audit, target = facts["audit"], facts["target"]
    return (
        f"**Best result.** {audit['speedup']:.2f}x what shipped before, in an audit "
        f"(surely {audit['low']:.2f}x, the worst workload {audit['worst']:.2f}x), and "
        f"{facts['overall'][0]:.2f}x end to end, on {facts['machine']}: the kernel ships. "
        f"`autoresearch audit {target}` and `autoresearch integrate {target}` measure a champion "
        f"anew."
    )
