"""The first look at a candidate: its text alone, never run, never imported.

Early, named refusals for what cannot be a kernel. A lint: the wall is the process boundary.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..model import Fault, Target
from .allowed import BUILTINS, MODULES, NAMESPACES, refused_attribute, refused_path
from .entry import Complaint, check_decorators, check_entry, entry_points
from .knobs import read_knobs
from .normal import norm, statements
from .source import BINDERS, Source, Unfit, bound, imported, is_docstring, parse, top_level

MAX_REASON = 200  # a reason is one line of a block that stays under 1 KB
ALLOWED = "numpy, numba, math and autoresearch.simd"
MODULE_LEVEL = "module level holds imports, constants and functions only"
FORBIDDEN: Mapping[type[ast.AST], str] = {
    ast.ClassDef: "a class",
    ast.AsyncFunctionDef: "async",
    ast.AsyncFor: "async",
    ast.AsyncWith: "async",
    ast.Await: "await",
    ast.Global: "global",
    ast.Nonlocal: "nonlocal",
    ast.With: "with (objmode)",
}


@dataclass(frozen=True, slots=True)
class Screened:
    """A kernel fit to run. `norm` is the digest of its code and knobs in use, `statements` its
    length, `knobs` every value with the one in use first."""

    text: str
    norm: str
    statements: int
    knobs: Mapping[str, tuple[Any, ...]]
    entry_points: tuple[str, ...]


def screen(text: bytes, target: Target, reference: str) -> Screened | Fault:
    """The kernel, or the fault (verdict `refused`) that names the line. Never raises on `text`."""
    points = entry_points(target, reference)
    names = tuple(point.name for point in points)
    try:
        source = parse(text)
        for rule in RULES:
            _refuse_first(rule(source))
        for point in points:
            _refuse_first(check_entry(source, point))
        knobs = read_knobs(source)
    except Unfit as fault:
        return Fault("refused", one_line(str(fault)))
    return Screened(source.text, norm(source.text, names), statements(source), knobs, names)


def one_line(reason: str) -> str:
    """`reason` without control characters and cut to fit a result block."""
    shown = "".join(c if c.isprintable() else "?" for c in reason)
    return shown if len(shown) <= MAX_REASON else shown[: MAX_REASON - 3] + "..."


def _refuse_first(complaints: Iterator[Complaint]) -> None:
    for node, reason in complaints:
        raise Unfit(getattr(node, "lineno", 1), reason)


def _imports(source: Source) -> Iterator[Complaint]:
    """numpy, numba, math and autoresearch.simd, at module level."""
    at_top = set(top_level(source.tree.body))
    for node in source.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if node not in at_top:
                yield node, "imports stand at module level"
            for alias in node.names:
                if reason := _refused_import(node, alias.name):
                    yield node, f"{reason}; a kernel imports {ALLOWED}"


def _refused_import(node: ast.Import | ast.ImportFrom, name: str) -> str:
    if isinstance(node, ast.Import):
        return "" if name in MODULES else f"import {name}"
    module = "." * node.level + (node.module or "")
    if module not in NAMESPACES | {"__future__"} or name == "*":
        return f"from {module} import {name}"
    return refused_path(f"{module}.{name}")


def _shape(source: Source) -> Iterator[Complaint]:
    """Imports, constants and functions at module level; nothing numba could not compile."""
    for statement in top_level(source.tree.body):
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if not all(isinstance(t, ast.Name | ast.Tuple) for t in targets):
                yield statement, MODULE_LEVEL
        elif not is_docstring(statement) and not isinstance(
            statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.If | ast.Pass
        ):
            yield statement, MODULE_LEVEL
    for node in source.nodes:
        if what := FORBIDDEN.get(type(node)):
            yield node, f"{what} has no place in a kernel"
        match node:
            case ast.Call(func=ast.Name(id="type"), args=[_, _, *_]):
                yield node, "a class has no place in a kernel"


def _names(source: Source) -> Iterator[Complaint]:
    """Every name is bound in the kernel or harmless, and means one thing."""
    module, *_ = source.tables
    ours = {s.get_name() for s in module.get_symbols() if s.is_assigned() or s.is_imported()}
    for statement in source.tree.body:
        for name in bound(statement):
            if name.startswith("__") or source.imports.get(name) in NAMESPACES:
                yield statement, f"the name {name} is taken"
    for name in sorted((ours - BUILTINS).intersection(dir(builtins))):
        yield _first(source, name, 1), f"the name {name} is taken"
    for table in source.tables:
        for symbol in table.get_symbols():
            name, free = symbol.get_name(), symbol.is_global() or table is module
            if free and name not in ours | BUILTINS:
                where = _first(source, name, table.get_lineno())
                yield where, f"the name {name} is not available to a kernel"
    yield from _bound_twice(source)


def _first(source: Source, name: str, line: int) -> ast.AST:
    """Where `name` first stands in a scope that begins on `line`, parameters and functions last."""
    named = [n for n in source.nodes if getattr(n, BINDERS.get(type(n), ""), "") == name]
    places = [(not isinstance(n, ast.Name), n.lineno, n) for n in named if hasattr(n, "lineno")]
    later = (place for place in places if place[1] >= line)
    return min(later, key=lambda place: place[:2], default=(True, 1, source.tree))[2]


def _bound_twice(source: Source) -> Iterator[Complaint]:
    """A second meaning at module level; the branches of one `if` count as one place."""
    home: dict[str, ast.stmt] = {}
    unit_of = {s: unit for unit in source.tree.body for s in top_level([unit])}
    for name, where in source.globals.items():
        for statement in where:
            if home.setdefault(name, unit_of[statement]) is not unit_of[statement]:
                yield statement, f"{name} is bound twice"
    for node in unit_of:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, _ in imported(node):
                if name in home:
                    yield node, f"{name} is bound twice"


def _attributes(source: Source) -> Iterator[Complaint]:
    """No private attributes, no way to frames and files, only the open parts of a module."""
    bases = {n.value for n in source.nodes if isinstance(n, ast.Attribute)}
    for node in source.nodes:
        if not isinstance(node, ast.Attribute | ast.Name):
            continue
        path = source.dotted(node)
        if path and (reason := refused_path(path)):
            yield node, reason
        elif path in NAMESPACES and node not in bases:
            yield node, f"the module {path} is used as a value"
        elif path and not isinstance(node.ctx, ast.Load) and isinstance(node, ast.Attribute):
            yield node, f"{path} is not a kernel's to change"
        elif isinstance(node, ast.Attribute) and (reason := refused_attribute(node.attr)):
            yield node, reason


RULES: tuple[Callable[[Source], Iterator[Complaint]], ...] = (
    _imports,
    _shape,
    check_decorators,
    _names,
    _attributes,
)
