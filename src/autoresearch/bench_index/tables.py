"""Rows as tables and sentences, for a terminal and for a page. Pure; shows no figure that the rows
do not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .grid import KINDS
from .model import SEARCH, TRAIN, K, Row

Cells = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one kind that may stand side by side, one for each point, in its order."""

    kind: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        return KINDS[self.kind][0]

    @property
    def searches(self) -> list[Row]:
        return [row for row in self.rows if row.op == SEARCH]

    @property
    def nqs(self) -> list[int]:
        return sorted({row.nq for row in self.searches})


def newest(rows: Sequence[Row]) -> tuple[Table, ...]:
    """For each kind the rows under the setting that was measured last, of each point the last.

    A quick look is shown only where nothing else was measured. `rows` stand in the order they were
    written.
    """
    found = []
    for kind in KINDS:
        own = [row for row in rows if row.kind == kind]
        own = [row for row in own if not row.quick] or own
        points = {row.point: row for row in own if row.setting == own[-1].setting}
        if points:
            found.append(Table(kind, tuple(sorted(points.values(), key=_order))))
    return tuple(found)


def _order(row: Row) -> tuple[object, ...]:
    """Trainings and additions, then searches: those without a limit before those with one."""
    setting = (row.threads, row.max_codes > 0, row.nprobe, row.max_codes)
    return (row.op == SEARCH, row.op != TRAIN, *setting, row.nq)


def search_heads(table: Table) -> tuple[str, ...]:
    nqs = (f"nq {nq:,}" for nq in table.nqs)
    return ("threads", "nprobe", "max_codes", f"recall@{K}", "faiss's", *nqs)


def search_cells(table: Table) -> Cells:
    """A line for each number of threads and setting, a column for each number of queries."""
    lines: dict[tuple[int, int, int], dict[int, Row]] = {}
    for row in table.searches:
        lines.setdefault((row.threads, row.nprobe, row.max_codes), {})[row.nq] = row
    return [_search(table, own) for own in lines.values()]


def _search(table: Table, own: dict[int, Row]) -> tuple[str, ...]:
    """Recall is told of the largest batch, which asked the most queries."""
    row = own[max(own)]
    setting = (str(row.threads), str(row.nprobe or ""), str(row.max_codes or ""))
    recalls = (share(row.recall), share(row.faiss_recall))
    return (*setting, *recalls, *(times(own[nq]) if nq in own else "" for nq in table.nqs))


FILL_HEADS = ("operation", "threads", "ours, ms", "faiss, ms", "ratio", "loss", "faiss's")


def fill_cells(table: Table) -> Cells:
    return [
        (
            *(row.op, str(row.threads), f"{row.ours_ns / 1e6:.4g}", f"{row.faiss_ns / 1e6:.4g}"),
            *(times(row), _figure(row.loss), _figure(row.faiss_loss)),
        )
        for row in table.rows
        if row.op != SEARCH
    ]


def times(row: Row) -> str:
    if row.ratio is None:
        return "n/a"
    bounded = row.low is not None and row.high is not None
    return f"{row.ratio:.2f}" + (f" [{row.low:.2f}, {row.high:.2f}]" if bounded else "")


def share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def told(table: Table) -> list[str]:
    """What was raced, where, when and with what: whole sentences."""
    row, lists = table.rows[-1], f", {table.rows[-1].nlist} lists" if table.rows[-1].nlist else ""
    what = f"{row.n:,} vectors of {row.d} components ({row.data}){lists}, {row.k} neighbours"
    days = sorted({row.at[:10] for row in table.rows})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    versions = ", ".join(f"{name} {version}" for name, version in sorted(row.versions.items()))
    processes = max(len(row.logs) for row in table.rows)
    often = f"{processes} process{'es' * (processes > 1)} for each number of threads"
    said = [
        f"{what}; {when} on {row.machine}, {often}.",
        f"Ours: digest {row.digest}, commit {row.commit or 'unknown'}; {versions}.",
    ]
    notes = Counter(row.note for row in table.rows if row.note)
    said += [
        f"No ratio for {count} of {len(table.rows)} points: {n}." for n, count in notes.items()
    ]
    return [*said, *(["A quick look: too small to mean anything."] if row.quick else [])]
