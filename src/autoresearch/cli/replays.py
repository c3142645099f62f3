"""The verb that replays search strategies on spaces measured in full."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import show
from .app import Json, app

if TYPE_CHECKING:
    from ..replay.run import Timed
    from ..replay.space import Space


@app.command()
def replay(
    space: Annotated[Path, typer.Option(help="A space: a file of ours, or one in T4.")],
    past: Annotated[
        list[Path] | None, typer.Option(help="A space that the prior knows; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each strategy.")] = 20,
    evaluations: Annotated[int, typer.Option(min=10, help="Of one search, at most.")] = 100,
    export: Annotated[
        Path | None, typer.Option(help="Write the space here as T4 instead of replaying it.")
    ] = None,
    json: Json = False,
) -> None:
    """Replay search strategies on a knob space that was measured in full, and score them.

    Example: autoresearch replay --space take-0.json.gz --past take-1.json.gz
    """
    from ..replay import run, t4

    chosen, others = t4.load(space), [t4.load(path) for path in past or ()]
    if export:
        t4.write(export, chosen)
        show.emit(json, {"exported": export})
    else:
        _shown(chosen, run.compare(chosen, others, seeds, evaluations), json)


def _shown(space: Space, found: list[Timed], json: bool) -> None:
    if show.emit(json, {"replay": found, "space": space.name}):
        return
    heads = ("strategy", "to within 5 %", "p90", "regret@1", "regret@10", "P", "stopped", "faster")
    scores = [(timed.score, timed.faster) for timed in found]
    cells = [
        (
            *(s.strategy, str(s.evaluations), str(s.p90), str(s.first), str(s.tenth)),
            *(str(s.performance), f"{s.censored} of {s.searches}", f"{faster:,.0f}x"),
        )
        for s, faster in scores
    ]
    show.table(f"{space.name}, {len(space.settings)} settings", heads, cells)
