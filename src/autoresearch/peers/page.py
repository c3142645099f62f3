"""A race as tables: rows of text for a terminal, and a Markdown table between marks in a page.

Pure but for `write`, which changes one file; prints no figure that the race does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .result import CHAMPION, Line, Race, Standing

BEGIN, END = "<!-- peers -->", "<!-- /peers -->"
SUMMARY = (
    *("op", "contestant", "version", "output", "layout", "workloads"),
    *("ns/{unit}", "time / champion's", "recall"),
)
Rows = list[tuple[str, ...]]


def heads(race: Race) -> tuple[str, ...]:
    return tuple(head.format(unit=race.unit) for head in SUMMARY)


def summary(race: Race) -> Rows:
    """One row for each op and contestant: the geometric means over the op's workloads."""
    return [_summarised(race, standing) for standing in race.standings]


def _summarised(race: Race, found: Standing) -> tuple[str, ...]:
    who = race.entrants[found.entrant]
    return (
        found.op,
        who.label,
        who.version,
        who.output,
        who.layout,
        f"{found.workloads} of {found.of}",
        figure(found.ns_per_unit),
        interval(found),
        f"{found.recall:.3f}" if found.recall is not None else "",
    )


def notes(race: Race) -> list[str]:
    """Why figures are missing: who, on which ops, and the reason."""
    told: dict[tuple[str, str], list[str]] = {}
    for found in race.standings:
        if found.note:
            told.setdefault((race.entrants[found.entrant].label, found.note), []).append(found.op)
    return [f"{who} ({', '.join(ops)}): {note}" for (who, note), ops in told.items()]


def workloads(race: Race, op: str) -> tuple[tuple[str, ...], Rows]:
    """(heads, rows) of one op: its workloads down, its contestants across."""
    lines = [line for line in race.lines if line.op == op]
    numbers = list(dict.fromkeys(line.entrant for line in lines))
    names = [race.entrants[n].label for n in numbers if n != CHAMPION]
    rows: Rows = []
    for label in dict.fromkeys(line.workload for line in lines):
        own = {line.entrant: line for line in lines if line.workload == label}
        rows.append((_spec(label), figure(own[CHAMPION].ns), *_cells(own, numbers)))
    return ("workload", "champion ns/op", *names), rows


def _cells(own: dict[int, Line], numbers: Sequence[int]) -> list[str]:
    others = [own[n] for n in numbers if n != CHAMPION]
    return [interval(line) or line.note.partition(":")[0] for line in others]


def _spec(label: str) -> str:
    """A workload's parameters, with spaces where a narrow table may break them."""
    return label.partition(": ")[2].replace(",", ", ")


def best(race: Race) -> list[str]:
    """One sentence for the best peer of each op, and one for all of them."""
    return [
        f"{one.op or 'all ops'}: {one.name} takes {_times(one.ratio, one.low, one.high)} "
        "times the champion's time"
        for one in race.best
    ]


def figure(value: float | None) -> str:
    """Three digits: no race is finer."""
    return "" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def interval(found: Standing | Line) -> str:
    if found.ratio is None or found.low is None or found.high is None:
        return ""
    return "1" if found.entrant == CHAMPION else _times(found.ratio, found.low, found.high)


def _times(ratio: float, low: float, high: float) -> str:
    return f"{ratio:.2f} [{low:.2f}, {high:.2f}]"


def told(race: Race) -> str:
    """Under what conditions, in two sentences."""
    data = f", and data from {race.data}" if race.data else ""
    return (
        f"{race.rounds} rounds, one core, one thread; above 1 the champion is faster, "
        f"intervals at 95 %. Champion: {race.champion}{data}; peers are called once per operation, "
        f"and an empty Python call takes {race.empty_call_ns:.0f} ns."
    )


def markdown(race: Race) -> str:
    """What stands between the marks: where, when, the table, the best."""
    where = f"`autoresearch peers {race.target}` on {race.date}, {race.cpu} ({race.machine})."
    head = heads(race)
    table = [head, ("---",) * len(head), *summary(race)]
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in table]
    sentences = told(race).replace(". ", ".\n")
    ends = [f"- {sentence}." for sentence in (*best(race), *notes(race))]
    return "\n".join([where, sentences, "", *lines, *(["", *ends] if ends else [])])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write(root: Path, race: Race) -> Path | None:
    """Put the table into the target's page; None, and nothing written, when nothing was measured.

    It replaces what lies between the marks, or goes behind the paragraph on peers, or to the end.
    """
    path = root / "docs" / "targets" / f"{race.target}.md"
    if not any(standing.workloads for standing in race.standings):
        return None
    text = path.read_text() if path.exists() else f"# {race.target}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_placed(text, f"{BEGIN}\n{markdown(race)}\n{END}"))
    return path


def _placed(text: str, table: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    if begin:
        return before + table + rest.partition(END)[2]
    head, mark, rest = text.partition("\n**Peers.**")
    paragraph, gap, rest = rest.partition("\n\n")
    if mark and gap:
        return f"{head}{mark}{paragraph}\n\n{table}\n\n{rest}"
    return f"{text.rstrip()}\n\n{table}\n"
