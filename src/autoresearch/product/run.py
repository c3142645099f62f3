"""`ceiling` and `integrate`: a target's ops at work, measured under the machine's lease, recorded.

Knows sessions, arms and rows; leaves timing to `measure` and what a figure means to `judge`.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..errors import Refusal
from ..runner import lease
from ..session import WAIT_S, Say, Session
from . import arms as comparing
from . import bench, judge, measure, record
from .arms import Arms
from .measure import Tell
from .pipeline import Size
from .record import Row

ROUNDS = 8  # of a spawn, as in a trial
Prepare = Callable[..., bench.Bench]


@dataclass(frozen=True, slots=True)
class Asked:
    """How much to measure, and a file that stands in for the champion. Only scale 1 may ship."""

    spawns: int = 10
    scale: float = 1.0
    kernel: Path | None = None


def ceiling(
    session: Session, asked: Asked, say: Say, tell: Tell, prepare: Prepare = bench.prepared
) -> Row:
    """The share of each pipeline that the target's op takes with the product's kernel."""
    row = _measured(session, asked, comparing.alone(session), say, tell, prepare)
    record.write(session.ledger, row)
    return row


def integrate(
    session: Session, asked: Asked, say: Say, tell: Tell, prepare: Prepare = bench.prepared
) -> Row:
    """Champion, product and seed end to end; whether the champion is proven."""
    name = session.entry.name
    comparing.pipelines_of(name)  # a target in none is refused for that, whatever its champion is
    arms = comparing.of(session, asked.kernel)
    champion, product = arms.blobs["champion"], arms.blobs["product"]
    if champion == product:
        what = f"The champion of {name} is the product's kernel already ({arms.origin})."
        raise Refusal(what, f"Keep a faster one first, or run `autoresearch ceiling {name}`.")
    row = _measured(session, asked, arms, say, tell, prepare)
    audit = comparing.audit(session, champion, product)
    lab = audit.speedup if audit else None
    told = judge.shortfalls(row, audit)
    verdict = record.UNPROVEN if told else record.PROVEN
    row = replace(row, kind=record.INTEGRATE, lab=lab, verdict=verdict, reasons=told)
    record.write(session.ledger, row)
    return row


def _measured(
    session: Session, asked: Asked, arms: Arms, say: Say, tell: Tell, prepare: Prepare
) -> Row:
    target, core = session.entry.name, lease.core_set()[0]
    pipelines = comparing.pipelines_of(target)
    texts = comparing.kits(session, arms, pipelines)
    with tempfile.TemporaryDirectory(prefix="autoresearch-product-") as folder:
        tell("drawing")
        size = Size(asked.scale, ROUNDS + 1)
        place = bench.Place(session.project.root, Path(folder), core)
        found = prepare(target, pipelines, texts, size, place)
        with lease.held(core, f"{target} end to end", WAIT_S, say):
            rng = np.random.default_rng(secrets.randbits(62))
            rounds = ROUNDS if len(texts) > 1 else 0
            seen = measure.run(found, asked.spawns, rounds, rng, tell)
    return Row(
        kind=record.CEILING,
        target=target,
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=session.machine.id,
        digest=session.digest,
        scale=asked.scale,
        spawns=asked.spawns,
        lines=measure.lines(seen),
        arms=arms.blobs,
        origin=arms.origin,
        overall=measure.versus(seen, slice(None)),
    )
