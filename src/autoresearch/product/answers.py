"""Whether two arms of a pipeline answered alike: None, or one sentence that says where not.

Pure: knows arrays and the three ways in which answers compare; nothing of kernels.
"""

from __future__ import annotations

import numpy as np

from ..oracle import TOLERANCE, exact, found
from .pipeline import Array, Arrays

__all__ = ["LOSS", "differ", "found"]

# Of recall, on the few thousand answers of a run: three standard errors. A trial holds a lossy
# kernel to less, on more queries.
LOSS = 0.02


def differ(kind: str, want: Arrays, have: Arrays, drawn: Arrays, batch: int) -> str | None:
    """Compare what two arms answered on one batch; `kind` is the pipeline's `answers`."""
    if kind == "exact":
        told = ((name, exact(want[name], have[name])) for name in want)
        return next((name + wrong for name, wrong in told if wrong), None)
    if want["ids"].shape != have["ids"].shape:
        return f"ids has shape {have['ids'].shape}, expected {want['ids'].shape}"
    scale = drawn["scale"][batch][:, None] if "scale" in drawn else np.abs(want["dists"])
    slack = 2 * TOLERANCE * np.where(np.isfinite(scale), scale, 0)  # each of the two may err once
    return _ranked(want, have, slack) if kind == "ranked" else _lossy(want, have, slack)


def _ranked(want: Arrays, have: Arrays, slack: Array) -> str | None:
    """Distances agree rank by rank, and ids do but among near-ties, of which the last rank may
    have left some out."""
    far, near = want["dists"], have["dists"]
    with np.errstate(invalid="ignore"):  # inf - inf, where nothing was left to find
        alike = (far == near) | (np.abs(far - near) <= slack)
        sure = far < far[:, -1:] - slack
    if not alike.all():
        return _at("dists", alike, far, near)
    held = (want["ids"][:, :, None] == have["ids"][:, None, :]).any(-1)
    missing = sure & ~held
    return _at("ids", ~missing, want["ids"], have["ids"]) if missing.any() else None


def _lossy(want: Arrays, have: Arrays, slack: Array) -> str | None:
    """The ids that both found have the same distance; which are found is a matter of recall."""
    same = (want["ids"][:, :, None] == have["ids"][:, None, :]) & (want["ids"][:, :, None] >= 0)
    gap = np.abs(want["dists"][:, :, None] - have["dists"][:, None, :])
    wrong = (same & (gap > slack[:, :, None])).any(-1)
    return _at("dists", ~wrong, want["dists"], have["dists"]) if wrong.any() else None


def _at(name: str, alike: Array, want: Array, have: Array) -> str:
    row, column = np.argwhere(~alike)[0]
    return f"{name}[{row}, {column}] is {have[row, column]}, expected {want[row, column]}"
