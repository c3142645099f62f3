"""`KNOBS = {"block": (64, 32)}`: reading the literal, and choosing a setting by reordering it.

Knows the syntax tree and nothing of what a knob means.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from ..errors import Refusal
from .source import NEWLINE, Source, Unfit, parse

NAME = "KNOBS"
Setting = int | float | bool | str
READ_AS = f'{NAME} is read as {NAME}["name"][0] only: the first value is the one in use'


def read_knobs(source: Source) -> dict[str, tuple[Setting, ...]]:
    """Every knob with its values, the one in use first; Unfit names the line it dislikes."""
    literal = _literal(source)
    if literal is None:
        return {}
    knobs: dict[str, tuple[Setting, ...]] = {}
    for key, value in zip(literal.keys, literal.values, strict=True):
        line = value.lineno
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise Unfit(line, f"{NAME} has a key that is not a string")
        if key.value in knobs:
            raise Unfit(line, f"{NAME} names {key.value!r} twice")
        if not isinstance(value, ast.Tuple) or not value.elts:
            raise Unfit(line, f"{NAME}[{key.value!r}] must be a tuple of literals, not empty")
        knobs[key.value] = tuple(_setting(element) for element in value.elts)
    _check_reads(source, knobs)
    return knobs


def with_knobs(text: str, chosen: Mapping[str, Setting]) -> str:
    """`text` with each chosen value moved to the front of its tuple and nothing else changed.

    Refusal if a knob or value is not among those the kernel declares.
    """
    source = parse(text.encode())
    knobs, literal = read_knobs(source), _literal(source)
    edits: list[tuple[int, int, bytes]] = []
    for name, value in chosen.items():
        if name not in knobs or literal is None:
            raise Refusal(f"The kernel has no knob {name!r}.", f"It has: {', '.join(knobs)}.")
        same = [type(other) is type(value) and other == value for other in knobs[name]]
        if True not in same:
            raise Refusal(f"Knob {name!r} has no value {value!r}.", f"It has: {knobs[name]}.")
        element = literal.values[list(knobs).index(name)]
        edits += _moved_to_front(text, element, same.index(True))
    return _spliced(text.encode(), edits)


def in_use(source: Source) -> Source:
    """The same tree with only what the knobs choose: first values, keys in order."""
    literal = _literal(source)
    if literal is not None:
        pairs = sorted(zip(read_knobs(source), literal.values, strict=True), key=lambda kv: kv[0])
        chosen = [value.elts[:1] for _, value in pairs if isinstance(value, ast.Tuple)]
        literal.keys = [ast.Constant(key) for key, _ in pairs]
        literal.values = [ast.Tuple(first, ast.Load()) for first in chosen]
    return Source(source.text, source.tree)


def _literal(source: Source) -> ast.Dict | None:
    statements = source.globals.get(NAME, [])
    if not statements:
        return None
    first = statements[0]
    line = first.lineno
    if len(statements) > 1 or first not in source.tree.body:
        raise Unfit(line, f"{NAME} must be assigned once, outside of any `if`")
    if not isinstance(first, ast.Assign | ast.AnnAssign) or not isinstance(first.value, ast.Dict):
        raise Unfit(line, f"{NAME} must be a literal dictionary")
    targets = first.targets if isinstance(first, ast.Assign) else [first.target]
    if len(targets) != 1 or not isinstance(targets[0], ast.Name):
        raise Unfit(line, f"{NAME} must be assigned alone")
    return first.value


def _setting(node: ast.expr) -> Setting:
    sign = -1 if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else 1
    inner = node.operand if isinstance(node, ast.UnaryOp) and sign == -1 else node
    value = inner.value if isinstance(inner, ast.Constant) else None
    if sign == -1 and isinstance(value, int | float) and not isinstance(value, bool):
        return -value
    if sign == 1 and isinstance(value, bool | int | float | str):
        return value
    raise Unfit(node.lineno, "a knob's values are numbers, strings or booleans")


def _check_reads(source: Source, knobs: Mapping[str, tuple[Setting, ...]]) -> None:
    read = set()
    for node in source.nodes:
        match node:
            case ast.Subscript(
                value=ast.Subscript(
                    value=ast.Name(id="KNOBS") as name, slice=ast.Constant(value=k)
                ),
                slice=ast.Constant(value=0),
                ctx=ast.Load(),
            ):
                if k not in knobs:
                    raise Unfit(node.lineno, f"{NAME} has no {k!r}")
                read.add(name)
    for node in source.nodes:
        match node:
            case ast.Name(id="KNOBS", ctx=ast.Load()) if node not in read:
                raise Unfit(node.lineno, READ_AS)


def _moved_to_front(text: str, node: ast.expr, at: int) -> list[tuple[int, int, bytes]]:
    """Edits that put element `at` first and keep the order of the rest, and all between them."""
    assert isinstance(node, ast.Tuple)
    starts = [0]
    for newline in NEWLINE.finditer(text):
        starts.append(len(text[: newline.end()].encode()))
    data = text.encode()
    spans = [
        (
            starts[e.lineno - 1] + e.col_offset,
            starts[(e.end_lineno or e.lineno) - 1] + (e.end_col_offset or 0),
        )
        for e in node.elts[: at + 1]
    ]
    order = [at, *range(at)]
    return [(*spans[i], data[slice(*spans[j])]) for i, j in enumerate(order) if i != j]


def _spliced(data: bytes, edits: list[tuple[int, int, bytes]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        data = data[:start] + new + data[end:]
    return data.decode()
