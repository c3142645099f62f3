"""The three kernels of a target that are compared end to end, and what the lab says of the newest.

Knows the ledger, the shipped kernels and the targets' references; measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import kernels
from ..catalog import Entry, find
from ..errors import Refusal
from ..model import Fault
from ..runner.screen import screen
from ..session import Session
from . import ship
from .judge import Audit
from .pipeline import Pipeline
from .pipelines import using


@dataclass(frozen=True, slots=True)
class Arms:
    """Text and blob id of each arm's kernel, and where the champion is from."""

    texts: Mapping[str, str]
    blobs: Mapping[str, str]
    origin: str

    @property
    def different(self) -> tuple[str, ...]:
        """The arms that need a process of their own, the product's always among them."""
        return tuple(
            arm
            for arm in self.blobs
            if arm == "product" or self.blobs[arm] != self.blobs["product"]
        )


def pipelines_of(target: str) -> tuple[Pipeline, ...]:
    """The pipelines that `target` takes part in; Refusal when there is none."""
    found = using(target)
    if not found:
        what = f"No end-to-end workload uses {target}."
        raise Refusal(what, "List it in a pipeline of src/autoresearch/product/pipelines.")
    return found


def alone(session: Session) -> Arms:
    """The product's kernel with nothing to compare it with."""
    text = product_text(session.entry)
    return Arms({"product": text}, {"product": session.workspace.put_blob(text.encode())}, "")


def product_text(entry: Entry) -> str:
    """The kernel that users get, as the lab writes it: the promoted one, else the reference."""
    if kernels.is_promoted(entry.name):
        folder = Path(kernels.__file__).parent / "promoted"
        return ship.lab((folder / f"{entry.folder}.py").read_text())
    return (entry.path / "reference.py").read_text()


def of(session: Session, file: Path | None = None) -> Arms:
    """The arms of a session's target; `file` stands in for the champion."""
    seed = (session.entry.path / "reference.py").read_text()
    champion, origin = _given(session, file) if file else _champion(session)
    texts = {"champion": champion, "product": product_text(session.entry), "seed": seed}
    blobs = {arm: session.workspace.put_blob(text.encode()) for arm, text in texts.items()}
    return Arms(texts, blobs, origin)


def kits(
    session: Session, arms: Arms, pipelines: tuple[Pipeline, ...]
) -> dict[str, dict[str, str]]:
    """For each arm that needs a process, the text of every target's kernel: the product's but for
    the one that is compared."""
    targets = {target for pipeline in pipelines for target in pipeline.targets}
    base = {name: product_text(find(session.project.root, name)) for name in sorted(targets)}
    return {arm: base | {session.entry.name: arms.texts[arm]} for arm in arms.different}


def _champion(session: Session) -> tuple[str, str]:
    """The ledger's incumbent of this machine, else kernels.py as HEAD has it."""
    row = session.ledger.incumbent(session.entry.name)
    if row and row.result.machine == session.machine.id:
        return session.workspace.get_blob(row.candidate).decode(), f"incumbent, row {row.id}"
    blob = session.workspace.blob_at(session.path)
    text = session.workspace.get_blob(blob) if blob else Fault("refused", "HEAD has no kernels.py")
    return _screened(session, text), "kernels.py at HEAD (no baseline on this machine)"


def _given(session: Session, file: Path) -> tuple[str, str]:
    if not file.is_file():
        raise Refusal(f"{file} is not a file.", "Name a kernel with --kernel.")
    return _screened(session, file.read_bytes()), str(file)


def _screened(session: Session, text: bytes | Fault) -> str:
    """A kernel that no trial has seen runs without a sandbox here: only if the screen passes it."""
    reference = (session.entry.path / "reference.py").read_text()
    found = text if isinstance(text, Fault) else screen(text, session.target, reference)
    if isinstance(found, Fault):
        what = f"The kernel of {session.entry.name} cannot run end to end: {found.reason}."
        raise Refusal(what, "Correct it, or name another with --kernel.")
    return found.text


def audit(session: Session, champion: str, product: str) -> Audit | None:
    """The newest audit of this champion blob against the product's blob, if this machine made one
    under the present digest: no other figure says what the product would gain (decision 0017)."""
    for row in session.ledger.newest_first('"kind":"audit"'):
        result = row.result
        if (row.kind, result.target) != ("audit", session.entry.name):
            continue
        if (row.candidate, row.incumbent) != (champion, product):
            continue
        here = result.machine == session.machine.id and row.digest == session.digest
        if here and result.speedup and result.speedup_ci95 and result.worst_speedup:
            low = result.speedup_ci95[0]
            return Audit(result.speedup, low, result.worst_speedup, result.worst_speedup_at)
    return None
