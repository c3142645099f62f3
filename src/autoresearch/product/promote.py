"""Puts a proven champion into the package that ships, or takes it out again: one commit each.

Knows this checkout, git and the rules of `judge`; measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import kernels
from ..errors import Refusal
from ..ledger.disk import replace
from ..model import Trial
from ..session import Session
from . import arms as comparing
from . import capsule, judge, record, ship
from .judge import Audit
from .record import Row

HOME = Path(kernels.__file__).parents[1]  # the package that runs


@dataclass(frozen=True, slots=True)
class Done:
    """What was committed: the file that appeared or went, the commit, and the provenance."""

    target: str
    file: str
    commit: str
    provenance: Mapping[str, Any]


def promote(session: Session) -> Done:
    """Ship the incumbent of a target; Refusal names every rule that it does not meet."""
    file = _file(session)
    incumbent = session.incumbent()
    arms = comparing.of(session)
    name = session.entry.name
    if arms.blobs["champion"] == arms.blobs["product"]:
        what = f"The incumbent of {name} is the kernel that ships already."
        raise Refusal(what, f"Keep a faster one first, by `autoresearch trial {name}`.")
    told = _objections(session, arms.blobs)
    if told:
        what = f"{name} was not promoted: {'; '.join(told)}."
        remedy = f"Run `autoresearch audit {name}` or `autoresearch integrate {name}` as that asks."
        raise Refusal(what, remedy)
    audit = comparing.audit(session, arms.blobs["champion"], arms.blobs["product"])
    row = record.newest(session.ledger, session.entry.name, record.INTEGRATE)
    assert audit and row
    try:
        text = ship.shipped(arms.texts["champion"])
    except ValueError as error:
        what = f"{name} was not promoted: {error}."
        raise Refusal(what, "Rewrite the import in a trial of its own.") from None
    provenance = _provenance(incumbent, audit, row)
    ratio = row.overall["product"][0]
    message = f"{name}: promoted, {audit.speedup:.2f}x in the lab, {ratio:.2f}x whole"
    facts = json.dumps(provenance, indent=2, sort_keys=True) + "\n"
    changes: dict[Path, bytes | None] = {**_page(session, provenance)}
    changes |= {file.with_suffix(".json"): facts.encode(), file: text.encode()}
    return Done(session.entry.name, *_committed(session, changes, message), provenance)


def demote(session: Session) -> Done:
    """Take the promoted kernel of a target out; users get the plain one again."""
    file, name = _file(session), session.entry.name
    if not file.is_file() and session.workspace.blob_at(file) is None:
        what = f"No promoted kernel of {name} ships."
        raise Refusal(what, "`autoresearch targets` shows which targets are at product.")
    provenance = record.provenance(name)
    changes = {**_page(session, None), file: None, file.with_suffix(".json"): None}
    return Done(name, *_committed(session, changes, f"{name}: demoted"), provenance)


def _page(session: Session, provenance: Mapping[str, Any] | None) -> dict[Path, bytes]:
    """The pages in docs/targets that speak of the kernel, as they read from now on."""
    folder, name = session.project.root / "docs" / "targets", session.entry.name
    ships = [facts for facts in record.shipped() if facts["target"] != name]
    if provenance:
        ships.append(dict(provenance))
    page, every = folder / f"{name}.md", folder / "README.md"
    found = {page: capsule.told(page.read_text(), provenance).encode()} if page.is_file() else {}
    return found | ({every: capsule.listed(ships).encode()} if every.is_file() else {})


def _file(session: Session) -> Path:
    """Where the kernel ships, if the project is the checkout that runs; else Refusal."""
    root = session.project.root
    if root / "src" / "autoresearch" != HOME:
        what = f"{root} is not the checkout of autoresearch that runs, hence it ships no kernels."
        raise Refusal(what, f"Promote in the checkout around {HOME}, from its own ledger.")
    return HOME / "kernels" / "promoted" / f"{session.entry.folder}.py"


def _objections(session: Session, blobs: Mapping[str, str]) -> tuple[str, ...]:
    audit = comparing.audit(session, blobs["champion"], blobs["product"])
    row = record.newest(session.ledger, session.entry.name, record.INTEGRATE)
    return judge.objections(audit, row if row and _counts(session, row, blobs) else None)


def _counts(session: Session, row: Row, blobs: Mapping[str, str]) -> bool:
    """Whether a row compares these kernels, here, now, at full size."""
    here = (row.machine, row.digest, row.scale) == (session.machine.id, session.digest, 1.0)
    return here and all(row.arms.get(arm) == blobs[arm] for arm in ("champion", "product"))


def _provenance(incumbent: Trial, audit: Audit, row: Row) -> dict[str, Any]:
    return {
        "target": row.target,
        "kernel": incumbent.candidate,
        "over": row.arms["product"],
        "trial": incumbent.id,
        "commit": incumbent.result.commit,
        "description": incumbent.description,
        "machine": row.machine,
        "digest": row.digest,
        "integrated": row.timestamp,  # no later time: repeated after a kill, the bytes are the same
        "audit": {"speedup": audit.speedup, "low": audit.low, "worst": audit.worst},
        "integration": {line.pipeline: list(line.versus["product"]) for line in row.lines},
        "overall": list(row.overall["product"]),
        "shares": {line.pipeline: line.share for line in row.lines},
    }


def _committed(
    session: Session, changes: Mapping[Path, bytes | None], message: str
) -> tuple[str, str]:
    """(file, commit): the files as `changes` says (None: gone) in one commit; as before if git
    refuses. The kernel's own file comes last, for it alone makes a kernel the product's."""
    before = {path: path.read_bytes() if path.exists() else None for path in changes}
    for path, data in changes.items():
        if before[path] != data and session.workspace.unsaved(path):
            what = f"{path} has changes that are in no commit."
            raise Refusal(what, "Commit or undo them, then repeat the command.")
    try:
        _put(changes)
        commit = session.workspace.commit_files(list(changes), message)
    except BaseException:
        _put(before)
        raise
    (file,) = (path for path in changes if path.suffix == ".py")
    return str(file.relative_to(session.project.root)), commit


def _put(changes: Mapping[Path, bytes | None]) -> None:
    for path, data in changes.items():
        if data is None:
            path.unlink(missing_ok=True)
        else:
            replace(path, data)
