"""Generates the loop that calls a kernel: one source file per op.

Python's dispatch cost never enters a timing, because a whole batch of operations is one call of
this loop. Pure text in, text out; the worker writes nothing of its own.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from ..model import Op, Target
from .layout import Declared, declared

_HEADER = '''"""Generated driver of op {op!r}."""

from numba import njit

import kernels

{bindings}

@njit(error_model="numpy", nogil=True)
def drive(_n, {args}):
    for _i in range(_n):
{body}
'''


@dataclass(frozen=True, slots=True)
class Parameter:
    """One driver argument and its source: state, scratch, a static array, flat, at or dim."""

    name: str
    source: str
    array: str = ""
    axis: int = 0


def parameters(target: Target, op: Op) -> list[Parameter]:
    """The driver's arguments in order; the worker fills them, the generator names them."""
    params = [Parameter(n, "static", n) for n in target.static] if not target.prepare else []
    params += [Parameter("state", "state")] if target.prepare else []
    params += [Parameter("scratch", "scratch")] if target.scratch else []
    for name, text in {**op.each, **op.out}.items():
        decl = declared(text)
        params.append(Parameter(name, "flat", name))
        if not decl.scalar:
            params.append(Parameter(f"{name}_at", "at", name))
        if len(decl.dims) > 1:
            params += [Parameter(f"{name}_d{a}", "dim", name, a) for a in range(len(decl.dims))]
    return params


def source(target: Target, name: str) -> str:
    """The driver's Python text for op `name`."""
    op = target.ops[name]
    views = {n: _view(n, declared(t)) for n, t in {**op.each, **op.out}.items()}
    steps = [ast.unparse(_Views(views).visit(ast.parse(step))) for step in op.steps]
    called = sorted({entry_point(step) for step in op.steps})
    return _HEADER.format(
        op=name,
        bindings="\n".join(f"{f} = kernels.{f}" for f in called) + "\n",
        args=", ".join(p.name for p in parameters(target, op)),
        body="\n".join(f"        {step}" for step in steps),
    )


def call(statement: str) -> ast.Call:
    """The call inside a step such as `n = intersect(a, b, out)`."""
    node = ast.parse(statement).body[0]
    assert isinstance(node, ast.Expr | ast.Assign) and isinstance(node.value, ast.Call), statement
    return node.value


def entry_point(statement: str) -> str:
    return ast.unparse(call(statement).func)


def arguments(statement: str) -> list[str]:
    return [ast.unparse(a) for a in call(statement).args]


def entry_points(target: Target) -> dict[str, list[str]]:
    """Every function a kernels.py must define, with its argument names as the steps write them."""
    setup = [s for s in (target.prepare, target.scratch) if s]
    steps = setup + [s for op in target.ops.values() for s in op.steps]
    return {entry_point(s): arguments(s) for s in steps}


def _view(name: str, decl: Declared) -> ast.expr:
    text = f"{name}[_i]" if decl.scalar else f"{name}[{name}_at[_i, 0]:{name}_at[_i, 1]]"
    if len(decl.dims) > 1:
        text += f".reshape(({', '.join(f'{name}_d{a}' for a in range(len(decl.dims)))}))"
    return ast.parse(text, mode="eval").body


class _Views(ast.NodeTransformer):
    """Replaces each array's name by the view of the current operation's piece."""

    def __init__(self, views: dict[str, ast.expr]) -> None:
        self.views = views

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.views:
            return node
        view = self.views[node.id]
        if isinstance(node.ctx, ast.Store) and isinstance(view, ast.Subscript):
            return ast.Subscript(view.value, view.slice, ast.Store())
        return view
