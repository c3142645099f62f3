"""One digest for the same code however it is written, and null variants: other text, same code.

Knows names and syntax; what a kernel may do is not judged here.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import random
from collections import deque
from collections.abc import Callable, Collection, Iterator

from .knobs import NAME as KNOBS
from .knobs import in_use
from .source import BINDERS, Source, binds, bound, is_docstring, parse, top_level


def norm(text: str, entry_points: Collection[str]) -> str:
    """Digest of the code and of the knobs in use.

    Blind to comments, docstrings, annotations, the spelling of constants, the names of locals,
    helpers and module constants, their order, and the alternatives of a knob.
    """
    source = in_use(_bare(text))
    canonical = [ast.dump(unit) for unit in _Naming(source, entry_points).units()]
    return hashlib.sha256("\n".join(canonical).encode(errors="backslashreplace")).hexdigest()


def statements(source: Source) -> int:
    """Statements of a kernel, its docstrings and KNOBS apart: the length that simplicity counts."""
    knobs = source.globals.get(KNOBS, [])
    return sum(
        isinstance(node, ast.stmt) and not is_docstring(node) and node not in knobs
        for node in source.nodes
    )


def null_variant(text: str, seed: int, keep: Collection[str]) -> str:
    """The same code in another dress, for A/A trials: names, padding and order of functions differ.

    `keep` are the entry points: their names and parameters stay. `norm` does not change.
    """
    source, rng = _bare(text), random.Random(seed)
    old = sorted(bound(source.tree) - _unrenamable(source, keep))
    stem = f"v{rng.getrandbits(32):08x}"
    numbers = rng.sample(range(len(old)), len(old))
    fresh = {name: f"{stem}_{i}" for name, i in zip(old, numbers, strict=True)}
    units = _shuffled(source.tree.body, rng)
    _rename(source.tree, lambda name: fresh.get(name, name))
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef):
            node.body.insert(0, ast.Expr(ast.Constant(f"{rng.getrandbits(64):x}")))
    return "".join(ast.unparse(unit) + "\n" * rng.randint(1, 3) for unit in units)


class _Naming:
    """Walks a kernel from its entry points and numbers what it meets in that order."""

    def __init__(self, source: Source, entry_points: Collection[str]) -> None:
        self.source = source
        self.pinned = _pinned(source)
        self.numbers: dict[str, str] = {}
        self.homes: dict[str, list[ast.stmt]] = {}
        self.body = [u for u in source.tree.body if not isinstance(u, ast.Import | ast.ImportFrom)]
        for unit in self.body:
            for name in frozenset[str]().union(*map(binds, top_level([unit]))):
                self.homes.setdefault(name, []).append(unit)
        self.keep = frozenset(entry_points)
        self.queue = deque(entry_points)

    def units(self) -> Iterator[ast.stmt]:
        """Module-level statements in canonical order, renamed; unreachable ones come last."""
        done: set[ast.stmt] = set()
        unreached = deque(sorted(self.body, key=_shape))
        while self.queue or unreached:
            if self.queue:
                homes = self.homes.get(self.queue.popleft(), [])
            else:
                homes = [unreached.popleft()]
            for unit in homes:
                if unit not in done:
                    done.add(unit)
                    self._rename_unit(unit)
                    yield unit

    def _rename_unit(self, unit: ast.stmt) -> None:
        local = bound(unit) - self.homes.keys() - self.source.imports.keys() - self.pinned
        seen: dict[str, str] = {}

        def new(name: str) -> str:
            if name in local:
                return seen.setdefault(name, f"%{len(seen)}")
            if name in self.homes:
                return self._numbered(name)
            return self.source.imports.get(name, name)

        _rename(unit, new)

    def _numbered(self, name: str) -> str:
        if name not in self.numbers:
            fixed = name in self.keep or name in self.pinned
            self.numbers[name] = name if fixed else f"@{len(self.numbers)}"
            self.queue.append(name)
        return self.numbers[name]


def _bare(text: str) -> Source:
    """A fresh tree without docstrings, annotations and string prefixes."""
    source = parse(text.encode())
    for node in ast.walk(source.tree):
        for field in {"body", "orelse", "finalbody"}.intersection(node._fields):
            block = getattr(node, field)
            if isinstance(block, list) and block:
                kept = [_unannotated(s) for s in block if not is_docstring(s)]
                setattr(node, field, kept or ([] if node is source.tree else [ast.Pass()]))
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.Constant):
            node.kind = None
    return source


def _unannotated(statement: ast.stmt) -> ast.stmt:
    if not isinstance(statement, ast.AnnAssign):
        return statement
    if statement.value is None:  # it still makes the name local
        statement.annotation = ast.Constant(None)
        return statement
    plain = ast.Assign([statement.target], statement.value)
    return ast.fix_missing_locations(ast.copy_location(plain, statement))


def _pinned(source: Source) -> frozenset[str]:
    """Names that code also spells elsewhere: keyword arguments, strings (`locals={"acc": ...}`)."""
    names = {KNOBS}
    for node in source.nodes:
        if isinstance(node, ast.keyword) and node.arg:
            names.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return frozenset(names)


def _unrenamable(source: Source, keep: Collection[str]) -> frozenset[str]:
    parameters = {
        argument.arg
        for name in keep
        for function in source.globals.get(name, [])
        for argument in ast.walk(function)
        if isinstance(argument, ast.arg)
    }
    known = {*dir(builtins), *source.imports, *keep}
    return _pinned(source) | known | parameters


def _shuffled(body: list[ast.stmt], rng: random.Random) -> list[ast.stmt]:
    """`body` with every run of adjacent, independent functions in random order."""
    units: list[ast.stmt] = []
    run: list[ast.stmt] = []
    for unit in [*body, ast.Pass()]:
        if isinstance(unit, ast.FunctionDef) and _is_lazy(unit):
            run.append(unit)
        else:
            units += [*rng.sample(run, len(run)), unit]
            run = []
    return units[:-1]


def _is_lazy(function: ast.FunctionDef) -> bool:
    """True unless its definition needs others: a signature compiles at once, a default runs."""
    eager = any(isinstance(d, ast.Call) and d.args for d in function.decorator_list)
    defaults = [*function.args.defaults, *filter(None, function.args.kw_defaults)]
    return not eager and all(isinstance(d, ast.Constant) for d in defaults)


def _rename(root: ast.AST, new: Callable[[str], str]) -> None:
    for node in ast.walk(root):
        field = BINDERS.get(type(node))
        if field and (name := getattr(node, field)):
            setattr(node, field, new(name))


def _shape(unit: ast.stmt) -> str:
    """What of a statement survives renaming, to order those that nothing reaches."""
    nodes = ast.walk(unit)
    return " ".join(
        repr(n.value) if isinstance(n, ast.Constant) else type(n).__name__ for n in nodes
    )
