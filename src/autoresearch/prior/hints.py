"""What this project's own files suggest for one target; `status` comes by here, so no numpy.

Knows where targets and the corpus lie; writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..model import Target, Trial
from .attempt import attempt
from .past import corpus, family
from .warm import SHOWN, Advice, Wanted, suggest

SMALL = 128 << 10  # bytes of a corpus that `status` reads: some 300 points


@dataclass(frozen=True, slots=True)
class Hints:
    """Suggestions, the targets whose past was asked, points used and lines dropped."""

    advice: tuple[Advice, ...] = ()
    family: tuple[str, ...] = ()
    points: int = 0
    dropped: int = 0
    told: str = ""


def hints(path: Path, targets: Mapping[str, Target], incumbent: Trial) -> Hints:
    """What the corpus at `path` knows that may beat an incumbent. Never raises."""
    return attempt(lambda: _hints(path, targets, incumbent), lambda told: Hints(told=told))


def _hints(path: Path, targets: Mapping[str, Target], incumbent: Trial) -> Hints:
    result = incumbent.result
    related = family(result.target, targets)
    found = corpus(path, related)
    ns, pct = incumbent.extra["ns"], result.pct_of_roofline
    wanted = Wanted(result.target, result.machine, incumbent.candidate, ns, pct)
    advice = suggest(found.rows, wanted)
    return Hints(advice, related, len(found.rows), found.dropped, found.told)


def notes(
    path: Path, targets: Mapping[str, Target], incumbents: Mapping[str, Trial]
) -> tuple[str, ...]:
    """Up to three lines for `status`, none when nothing is known; for a long corpus one line."""
    return attempt(lambda: _notes(path, targets, incumbents), lambda _: ())


def _notes(
    path: Path, targets: Mapping[str, Target], incumbents: Mapping[str, Trial]
) -> tuple[str, ...]:
    if not path.exists() or not incumbents:
        return ()
    if path.stat().st_size > SMALL:
        return ("suggestions from a long corpus: autoresearch warm <name>",)
    known = {name: row for name, row in incumbents.items() if name in targets}
    found = [(a, name) for name, row in known.items() for a in hints(path, targets, row).advice]
    best = sorted(found, key=lambda pair: -pair[0].ratio)[:SHOWN]
    return tuple(f"{name}: autoresearch warm {name} --apply ({a.why})" for a, name in best)
