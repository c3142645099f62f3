"""The chart of a race as SVG text: ratios by number of queries, both axes logarithmic.

Pure; draws figures of tables and computes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor, log2, log10
from xml.sax.saxutils import escape

from .model import Row
from .tables import Table

WIDTH, HEIGHT = 830, 300  # of a panel, one for each kind
LEFT, RIGHT, TOP, BOTTOM = 60, 260, 40, 45  # margins; the legend stands at the right
# Okabe & Ito 2008: told apart with any colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = {1: "none", 2: "6 4"}  # by threads
STYLE = "text{font:12px sans-serif;fill:#222}.title{font-weight:bold}"


def svg(found: Sequence[Table]) -> str:
    """One panel under the other, on white so that it reads on dark pages too."""
    height = HEIGHT * len(found)
    panels = "\n".join(
        f'<g transform="translate(0 {HEIGHT * number})">\n{_panel(table)}\n</g>'
        for number, table in enumerate(found)
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    return f"{head}\n<style>{STYLE}</style>\n{ground}\n{panels}\n</svg>\n"


class Axes:
    """Where a number of queries and a ratio lie in a panel."""

    def __init__(self, rows: Sequence[Row]) -> None:
        ends = [value for row in rows for value in (row.low, row.ratio, row.high) if value]
        self.low = min(floor(log2(min(ends, default=1))), -1)
        self.high = max(ceil(log2(max(ends, default=1))), 1)
        self.last = max(log10(max((row.nq for row in rows), default=10)), 1)

    def x(self, nq: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * log10(nq) / self.last

    def y(self, ratio: float) -> float:
        share = (log2(ratio) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _panel(table: Table) -> str:
    rows = [row for row in table.searches if row.ratio]
    axes = Axes(rows)
    title = f"{table.title}: faiss's time / ours (above 1 ours is faster)"
    parts = [_text(LEFT, 22, title, "start", "title"), *_grid(axes, table.nqs)]
    lines: dict[tuple[int, int, int], list[Row]] = {}
    for row in rows:
        lines.setdefault((row.nprobe, row.max_codes, row.threads), []).append(row)
    settings = list(dict.fromkeys(key[:2] for key in lines))
    for number, (key, own) in enumerate(lines.items()):
        colour = COLOURS[settings.index(key[:2]) % len(COLOURS)]
        parts += [*_series(axes, own, colour), *_legend(number, own[0], colour)]
    return "\n".join(parts)


def _grid(axes: Axes, nqs: Sequence[int]) -> Iterator[str]:
    for power in range(axes.low, axes.high + 1):
        y = axes.y(2.0**power)
        yield _line(LEFT, y, WIDTH - RIGHT, y, "#222" if power == 0 else "#ddd")
        yield _text(LEFT - 6, y + 4, f"{2.0**power:g}", "end")
    for nq in nqs:
        yield _text(axes.x(nq), HEIGHT - BOTTOM + 18, f"{nq}", "middle")
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield _text(middle, HEIGHT - BOTTOM + 36, "queries in a call", "middle")


def _series(axes: Axes, rows: Sequence[Row], colour: str) -> Iterator[str]:
    """A line through the ratios, and a bar for each interval there is."""
    for row in rows:
        if row.low and row.high:
            x = axes.x(row.nq)
            yield _line(x, axes.y(row.low), x, axes.y(row.high), colour)
    points = " ".join(f"{axes.x(row.nq):.1f},{axes.y(row.ratio or 1):.1f}" for row in rows)
    dash = f'stroke-dasharray="{DASHES.get(rows[0].threads, "2 2")}"'
    yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" {dash}/>'


def _legend(number: int, row: Row, colour: str) -> Iterator[str]:
    x, y = WIDTH - RIGHT + 14, TOP + 16 * number
    yield _line(x, y, x + 24, y, colour, DASHES.get(row.threads, "2 2"))
    probes = f"nprobe {row.nprobe}, " if row.nprobe else ""
    codes = f"max_codes {row.max_codes}, " if row.max_codes else ""
    threads = f"{row.threads} thread{'s' * (row.threads > 1)}"
    yield _text(x + 30, y + 4, f"{probes}{codes}{threads}", "start")


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, dash: str = "none") -> str:
    ends = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-dasharray="{dash}"/>'


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{style}">{escape(text)}</text>'
