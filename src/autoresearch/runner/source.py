"""A kernel's text as a tree with caps: its imports, the names it binds, the dotted paths it uses.

Reads hostile bytes without running or importing anything; knows no rule about what is allowed.
"""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

T = TypeVar("T")

MAX_BYTES = 256 * 1024
MAX_NODES = 60_000  # a screen of this many takes 0.5 s; a large honest kernel has 5,000
MAX_DEPTH = 160  # `ast.unparse` needs three frames a level, of a thousand
MAX_INT_BITS = 128  # wider literals make printing the tree quadratic, or fail

NEWLINE = re.compile(r"\r\n|\r|\n")  # as the tokenizer counts lines; `splitlines` knows more

# Where a node that binds a name keeps it.
BINDERS: Mapping[type[ast.AST], str] = {
    ast.Name: "id",
    ast.arg: "arg",
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
}


class Unfit(Exception):
    """Text that cannot be a kernel, and the line that says so."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")


@dataclass(frozen=True)
class Source:
    """A parsed kernel. `tree` is owned by the caller: renaming works on a fresh one."""

    text: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, walked once: the walk is most of what a screen costs."""
        return list(ast.walk(self.tree))

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> dotted path, of every import statement wherever it stands."""
        return {
            local: path
            for node in self.nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
            for local, path in imported(node)
        }

    @cached_property
    def globals(self) -> dict[str, list[ast.stmt]]:
        """Name -> the statements that bind it at module level, imports apart."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in top_level(self.tree.body):
            if not isinstance(statement, ast.If | ast.Import | ast.ImportFrom):
                for name in binds(statement):
                    found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def tables(self) -> list[symtable.SymbolTable]:
        """The compiler's own table of names for every scope, the module's first; Unfit where it
        finds what no tree shows."""
        found = [_quietly(lambda: symtable.symtable(self.text, "kernels.py", "exec"))]
        for table in found:
            found += table.get_children()
        return found

    def dotted(self, node: ast.AST) -> str:
        """`np.lib.format` as `numpy.lib.format`; empty unless the chain starts at an import."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.imports:
            return ""
        return ".".join([self.imports[node.id], *reversed(parts)])


def parse(text: bytes) -> Source:
    """The tree of `text`, or Unfit."""
    if len(text) > MAX_BYTES:
        raise Unfit(1, f"{len(text)} bytes: a kernel has at most {MAX_BYTES}")
    if b"\0" in text:
        raise Unfit(text[: text.index(0)].count(10) + 1, "NUL byte")
    try:
        source = text.decode("utf-8")
    except UnicodeDecodeError as fault:
        line = text[: fault.start].count(b"\n") + 1
        raise Unfit(line, "not UTF-8") from None
    for head in NEWLINE.split(source, 2)[:2]:
        cookie = re.match(r"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", head)
        if cookie and cookie[1].lower() not in ("utf-8", "utf8"):
            raise Unfit(1, f"encoding {cookie[1]}: a kernel is UTF-8")
    return Source(source, _capped(_quietly(lambda: ast.parse(source))))


def _quietly(read: Callable[[], T]) -> T:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except SyntaxError as fault:
        raise Unfit(fault.lineno or 1, fault.msg) from None
    except (MemoryError, RecursionError, ValueError):
        raise Unfit(1, "nested too deeply to parse") from None


def _capped(tree: ast.Module) -> ast.Module:
    count, line = 0, 1
    todo: list[tuple[ast.AST, int]] = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        count += 1
        line = getattr(node, "lineno", line)
        if count > MAX_NODES:
            raise Unfit(line, f"more than {MAX_NODES} syntax nodes")
        if depth > MAX_DEPTH:
            raise Unfit(line, f"nested more than {MAX_DEPTH} levels deep")
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, int) and value.bit_length() > MAX_INT_BITS:
            raise Unfit(line, f"integer wider than {MAX_INT_BITS} bits")
        todo += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    return tree


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Module-level statements, those inside `if` and `else` included."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If):
            yield from top_level(statement.body)
            yield from top_level(statement.orelse)


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """(local name, dotted path) of one import statement."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{'.' * node.level}{node.module or ''}.{alias.name}"
        elif alias.asname:
            yield alias.asname, alias.name
        else:
            yield alias.name.partition(".")[0], alias.name.partition(".")[0]


def binds(statement: ast.stmt) -> frozenset[str]:
    """The names one module-level statement binds in the module."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return frozenset({statement.name})
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    names = (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
    return frozenset(n.id for n in names if isinstance(n.ctx, ast.Store))


def bound(root: ast.AST) -> frozenset[str]:
    """Every name bound anywhere under `root`, nested functions and comprehensions included."""
    names = set()
    for node in ast.walk(root):
        field = BINDERS.get(type(node))
        loaded = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if field and not loaded and (name := getattr(node, field)):
            names.add(name)
    return frozenset(names)


def is_docstring(node: ast.AST) -> bool:
    """A statement that is only a string: documentation, wherever it stands."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
