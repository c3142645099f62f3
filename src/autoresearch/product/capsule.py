"""What docs/targets says of kernels that ship: the line of a page, and the list. Pure text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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


HEAD = """\
# Kernels that ship

Rewritten by `autoresearch promote` and `demote`; a target that is not listed runs its plain kernel.
Figures are of the machine named: in an audit, over what shipped before, and end to end.

| target | audit | worst workload | end to end | machine |
|---|---|---|---|---|
"""


def listed(shipped: Iterable[Mapping[str, Any]]) -> str:
    """The page that lists them, from their provenance."""
    return HEAD + "".join(map(_row, sorted(shipped, key=lambda facts: str(facts["target"]))))


def _row(facts: Mapping[str, Any]) -> str:
    audit, name = facts["audit"], facts["target"]
    lab = f"{audit['speedup']:.2f}x (surely {audit['low']:.2f}x) | {audit['worst']:.2f}x"
    return f"| [{name}]({name}.md) | {lab} | {facts['overall'][0]:.2f}x | {facts['machine']} |\n"
