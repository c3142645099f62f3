"""How races look: tables for people, one object for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..peers import page
from ..peers.result import Race
from .show import emit, table


def races(found: Sequence[Race], json: bool) -> None:
    if emit(json, {"peers": list(found)}):
        return
    for race in found:
        table(f"Peers of {race.target}", page.heads(race), page.summary(race))
        for op in dict.fromkeys(standing.op for standing in race.standings):
            heads, rows = page.workloads(race, op)
            table(f"{race.target}, {op}: time over the champion's", heads, rows)
        for sentence in (*page.notes(race), page.told(race), *page.best(race)):
            sys.stdout.write(f"{sentence}\n")
