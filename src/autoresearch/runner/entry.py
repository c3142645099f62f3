"""Entry points and decorators: what a target calls must exist, compiled, with the right shape.

Knows how numba marks a function as compiled; nothing of what may stand inside one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from ..model import Target
from .allowed import FIXED_OPTIONS, JIT, JIT_OPTIONS
from .source import Source, top_level

Complaint = tuple[ast.AST, str]


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """What a target calls: parameter names, and whether the call takes a value back."""

    name: str
    parameters: tuple[str, ...]
    returns: bool

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(self.parameters)})"


def entry_points(target: Target, reference: str) -> tuple[EntryPoint, ...]:
    """Every function the target calls, with the reference's parameter names."""
    tree = ast.parse(reference)
    given = {f.name: _parameters(f) for f in tree.body if isinstance(f, ast.FunctionDef)}
    calls = [(call, True) for text in (target.prepare, target.scratch) for call, _ in _calls(text)]
    for op in target.ops.values():
        calls += [call for step in op.steps for call in _calls(step)]
    points = {}
    for call, returns in calls:
        name = ast.unparse(call.func)
        shown = tuple(ast.unparse(argument) for argument in call.args)
        points[name] = EntryPoint(name, given.get(name, shown), returns)
    return tuple(points.values())


def check_entry(source: Source, point: EntryPoint) -> Iterator[Complaint]:
    """The entry point exists, compiled, with the reference's parameters and the right result."""
    found = list(_functions(source, ast.Name(point.name, ast.Load())))
    if not found:
        yield source.tree, f"missing entry point: {point.signature}, a jitted function"
    for function, jitted in found:
        arguments = function.args
        more = arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults
        if more or _parameters(function) != point.parameters:
            got = f"{point.name}({', '.join(a.arg for a in _arguments(arguments))})"
            yield function, f"wrong signature: expected {point.signature}, got {got}"
        if not jitted:
            yield function, f"{point.name} is not jitted: decorate it with @njit"
        values = [r for r in _returns(function) if not _is_none(r.value)]
        if values and not point.returns:
            yield values[0], f"{point.name} returns a value: it writes into its outputs only"
        if point.returns and not values:
            yield function, f"{point.name} must return a value"


def check_decorators(source: Source) -> Iterator[Complaint]:
    """numba's decorators with plain options, and none that leaves nopython mode."""
    jits = jit_names(source)
    for node in source.nodes:
        for decorator in getattr(node, "decorator_list", []):
            path = source.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
            ours = path.startswith("autoresearch.simd.")
            if not ours and not _is_jit(source, decorator, jits):
                yield decorator, f"decorator {path or '?'}: only numba's jit and njit decorate"
        if isinstance(node, ast.Call) and _is_jit(source, node.func, jits):
            for keyword in node.keywords:
                if reason := _refused_option(keyword):
                    yield keyword.value, reason


def jit_names(source: Source) -> frozenset[str]:
    """Module constants that stand for a decorator: `fast = njit(fastmath=True)`."""
    names: set[str] = set()
    for statement in top_level(source.tree.body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                wraps = isinstance(value, ast.Call) and value.args
                if not wraps and _is_jit(source, value, names):
                    names.add(name)
    return frozenset(names)


def _is_jit(source: Source, node: ast.expr, names: frozenset[str] | set[str]) -> bool:
    while isinstance(node, ast.Call):
        node = node.func
    return source.dotted(node) in JIT or (isinstance(node, ast.Name) and node.id in names)


def _refused_option(keyword: ast.keyword) -> str:
    name, value = keyword.arg, keyword.value
    if name is None:
        return "jit options must be spelled out"
    if name not in JIT_OPTIONS:
        return f"the jit option {name} is not available to a kernel"
    literal = value.value if isinstance(value, ast.Constant) else None
    if name in FIXED_OPTIONS and literal is not FIXED_OPTIONS[name]:
        return f"the jit option {name} must be {FIXED_OPTIONS[name]}"
    if name == "inline" and not isinstance(literal, str):
        return "the jit option inline must be a string"
    return ""


def _functions(source: Source, name: ast.Name) -> Iterator[tuple[ast.FunctionDef, bool]]:
    """(function, compiled?) a name can stand for: through names, `a if X else b`, `njit(f)`."""
    jits, seen = jit_names(source), set()
    todo: list[tuple[ast.expr, bool]] = [(name, False)]
    while todo:
        node, jitted = todo.pop()
        if isinstance(node, ast.IfExp):
            todo += [(node.body, jitted), (node.orelse, jitted)]
        elif isinstance(node, ast.Call) and node.args and _is_jit(source, node, jits):
            todo.append((node.args[-1], True))
        elif isinstance(node, ast.Name) and (node.id, jitted) not in seen:
            seen.add((node.id, jitted))
            for statement in source.globals.get(node.id, []):
                if isinstance(statement, ast.FunctionDef):
                    decorated = any(_is_jit(source, d, jits) for d in statement.decorator_list)
                    yield statement, jitted or decorated
                elif isinstance(value := getattr(statement, "value", None), ast.expr):
                    todo.append((value, jitted))


def _calls(step: str) -> list[tuple[ast.Call, bool]]:
    """The calls of one step, each with whether the step takes a value back."""
    tree = ast.parse(step)
    takes = any(isinstance(statement, ast.Assign) for statement in tree.body)
    return [(node, takes) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _parameters(function: ast.FunctionDef) -> tuple[str, ...]:
    return tuple(a.arg for a in (*function.args.posonlyargs, *function.args.args))


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    return [node for node in ast.walk(arguments) if isinstance(node, ast.arg)]


def _returns(function: ast.FunctionDef) -> Iterator[ast.Return]:
    """The function's own `return` statements, not those of functions inside it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Return):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)
