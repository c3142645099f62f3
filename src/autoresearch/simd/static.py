"""What is settled while compiling: features of the processor, and loops that are written out.

numba runs the rewrite below on every function before it infers types. `simd.has("...")` becomes
True or False there, so that numba drops the dead branch; `for i in simd.unroll(8)` becomes eight
copies of its body, in each of which `i` is a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from numba.core import ir, ir_utils, types
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.consts import ConstantInference
from numba.core.errors import CompilerError
from numba.core.rewrites.registry import Rewrite, rewrite_registry
from numba.extending import overload

from . import target

MOST = 256  # copies of a loop's body


def has(feature: str) -> bool:
    """Whether the code may use `feature`, by LLVM's name ("avx512vbmi"): a constant."""
    return target.has(feature)


def unroll(count: int) -> range:
    """`range(count)` for a loop that is written out; `count` is a constant."""
    return range(count)


@overload(unroll)
def _unroll(count: Any) -> Any:  # noqa: ARG001 - where rewrites are off, it is a loop as any other
    def loop(count: Any) -> Any:
        return range(count)

    return loop


@overload(has, prefer_literal=True)
def _has(feature: Any) -> Any:
    if not isinstance(feature, types.StringLiteral):
        return None
    known = target.has(feature.literal_value)

    def constant(feature: Any) -> Any:  # noqa: ARG001
        return known

    return constant


class Settle(Rewrite):
    """Changes the whole function at its first block, and never asks for another look."""

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.state: Any = state

    def match(self, func_ir: Any, block: Any, typemap: Any, calltypes: Any) -> bool:  # noqa: ARG002
        state, self.state = self.state, None
        if state is None:
            return False
        _answer(func_ir)
        given = func_ir.blocks
        func_ir.blocks = dict(given)
        if not _unroll_all(func_ir):
            func_ir.blocks = given
            return False
        # The registry works on the blocks that it began with and bears no new ones: it gets to do
        # with none, and all rewrites start again on what there is now.
        given.clear()
        rewrite_registry.apply("before-inference", state)
        return False


# Before numba's own: one of them looks for constant indices, which an unrolled loop has.
rewrite_registry.rewrites["before-inference"].insert(0, Settle)


def _calls(func_ir: Any, function: Any) -> Iterator[tuple[Any, Any]]:
    """(statement, call) of each assignment from a call of `function`."""
    for block in func_ir.blocks.values():
        for statement in block.find_insts(ir.Assign):
            call = statement.value
            if isinstance(call, ir.Expr) and call.op == "call":
                called = ir_utils.guard(ir_utils.find_outer_value, func_ir, call.func)
                if called is function:
                    yield statement, call


def _constant(func_ir: Any, name: Any, what: str) -> Any:
    try:
        return ir_utils.find_const(func_ir, name)
    except ir_utils.GuardException:
        raise CompilerError(f"simd.{what} takes a constant", loc=name.loc) from None


def _answer(func_ir: Any) -> None:
    for statement, call in _calls(func_ir, has):
        known = has(_constant(func_ir, call.args[0], "has"))
        statement.value = ir.Const(known, statement.loc)
        func_ir._definitions[statement.target.name] = [statement.value]


def _unroll_all(func_ir: Any) -> bool:
    if not _unroll_one(func_ir):
        return False
    while _unroll_one(func_ir):
        pass
    return True


def _unroll_one(func_ir: Any) -> bool:
    """Write one loop out, an outer one before those in it; False when there is none."""
    loops = compute_cfg_from_blocks(func_ir.blocks).loops().values()
    for loop in sorted(loops, key=lambda loop: -len(loop.body)):
        found = _count(func_ir, func_ir.blocks[loop.header])
        if found:
            statement, iteration, count = found
            iteration.value = statement.value = ir.Const(0, statement.loc)
            _write_out(func_ir.blocks, loop, count)
            func_ir._definitions = ir_utils.build_definitions(func_ir.blocks)
            func_ir._consts = ConstantInference(func_ir)
            return True
    return False


def _count(func_ir: Any, header: Any) -> tuple[Any, Any, int] | None:
    """The call of `unroll` that a loop goes through, its iterator, and how many turns."""
    step = next(header.find_exprs("iternext"), None)
    begin: Any = step and ir_utils.guard(ir_utils.get_definition, func_ir, step.value)
    if getattr(begin, "op", "") != "getiter":
        return None
    counted = ir_utils.guard(ir_utils.get_definition, func_ir, begin.value)
    for statement, call in _calls(func_ir, unroll):
        if call is counted:
            count = _constant(func_ir, call.args[0], "unroll")
            if not isinstance(count, int) or not 0 <= count <= MOST:
                raise CompilerError(f"simd.unroll takes 0 to {MOST}", loc=statement.loc)
            return statement, _assignment(func_ir, begin), count
    return None


def _assignment(func_ir: Any, value: Any) -> Any:
    return next(
        statement
        for block in func_ir.blocks.values()
        for statement in block.find_insts(ir.Assign)
        if statement.value is value
    )


def _write_out(blocks: dict[int, Any], loop: Any, count: int) -> None:
    """Replace a loop by its copies: the header of copy k sets the variable to k and enters, and
    after the last one it goes where the loop goes when it ends."""
    step = max(blocks) + 1 - min(blocks)
    private = _private(blocks, loop.body)
    header = blocks[loop.header]
    inside, after = header.body[-1].truebr, header.body[-1].falsebr
    for turn in range(count):
        renamed = {label: label + step * (turn + 1) for label in loop.body}
        renamed[loop.header] = loop.header if turn == 0 else renamed[loop.header]
        ahead = loop.header + step * (turn + 2)
        copies = {}
        for label in loop.body:
            copies[renamed[label]] = copy = _copied(blocks[label])
            if label == loop.header:
                _settle_header(copy, turn, renamed[inside])
            else:
                _redirect(copy, renamed | {loop.header: ahead})
        fresh = {name: _renamed(var, turn) for name, var in private.items()}
        ir_utils.replace_vars(copies, fresh)
        if turn == 0:
            first = copies.pop(loop.header)
        blocks.update(copies)
    last = ir.Block(header.scope, header.loc)
    last.append(ir.Jump(after, header.loc))
    blocks[loop.header if count == 0 else loop.header + step * (count + 1)] = last
    for label in loop.body - {loop.header}:
        del blocks[label]
    if count:
        blocks[loop.header] = first


def _copied(block: Any) -> Any:
    """Statements of their own, in the same scope."""
    copy = ir.Block(block.scope, block.loc)
    known = {id(block.scope): block.scope}
    for statement in block.body:
        copy.append(deepcopy(statement, known | {id(statement.loc): statement.loc}))
    return copy


def _settle_header(block: Any, turn: int, inside: int) -> None:
    kept = []
    for statement in block.body[:-1]:
        value = getattr(statement, "value", None)
        op = value.op if isinstance(value, ir.Expr) else ""
        if op == "pair_first":
            statement.value = ir.Const(turn, statement.loc)
        if op not in ("iternext", "pair_second"):
            kept.append(statement)
    block.body = [*kept, ir.Jump(inside, block.loc)]


def _redirect(block: Any, labels: dict[int, int]) -> None:
    end = block.body[-1]
    for field in ("target", "truebr", "falsebr"):
        if hasattr(end, field):
            setattr(end, field, labels.get(getattr(end, field), getattr(end, field)))


def _private(blocks: dict[int, Any], body: set[int]) -> dict[str, Any]:
    """Variables that only the loop's blocks mention, by name: each copy gets its own, so that
    numba still sees one definition of each."""
    mentioned: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for label, block in blocks.items():
        for statement in block.body:
            mentioned[label in body] |= {var.name: var for var in statement.list_vars()}
    assigned = {s.target.name for label in body for s in blocks[label].find_insts(ir.Assign)}
    outside = mentioned[False].keys()
    return {n: v for n, v in mentioned[True].items() if n in assigned and n not in outside}


def _renamed(var: Any, turn: int) -> Any:
    return var.scope.get_or_define(f"{var.name}.{turn}", var.loc)
