"""A kernel with a known surplus of work, made from any other: same answers, slower by a knob.

Shared by the scripts beside it; knows the text of kernels and nothing of how they are measured.
"""

import ast
from collections.abc import Mapping, Sequence

from autoresearch.model import Target
from autoresearch.runner import driver
from autoresearch.runner.layout import declared

_SPIN = """
@njit
def {spin}(rounds):
    x = np.uint64({salt})
{pads}
    for _ in range(rounds):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
    return x
"""


def slowed(
    text: str,
    target: Target,
    share: Mapping[str, float],
    salt: int = 88172645463325252,
    pads: Sequence[int] = (),
) -> str:
    """`text` whose last step of every op first spins `share[op]` rounds per array element it reads.

    A round is three shifts and three exclusive ors, each waiting for the one before: about 2 ns
    whatever surrounds it, and no compiler folds it. `salt` makes a text new; `pads` are statements
    without effect, so that a shorter kernel of the same machine code can follow.
    """
    tree = ast.parse(text)
    points = driver.entry_points(target)
    inner = {name: f"inner_{name}" for name in points}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in inner:
            node.name = inner[node.name]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):  # a local may share it
            node.func.id = inner.get(node.func.id, node.func.id)
    padding = "\n".join(f"    pad = {n}" for n in pads)
    spin = _SPIN.format(spin="surplus_rounds", salt=salt | 1, pads=padding)
    wrappers = [_wrapper(target, name, points[name], share) for name in points]
    return "\n\n".join([ast.unparse(tree), spin.strip(), *wrappers]) + "\n"


def _wrapper(target: Target, name: str, arguments: list[str], share: Mapping[str, float]) -> str:
    words = ", ".join(arguments)
    passed = ", ".join("state[0]" if a == "state" else a for a in arguments)
    lines = ["@njit", f"def {name}({words}):"]
    if target.prepare and name == driver.entry_point(target.prepare):
        return "\n".join([*lines, f"    return inner_{name}({words}), {_sizes(target, arguments)}"])
    for op_name, op in target.ops.items():
        if name == driver.entry_point(op.steps[-1]):
            work = _sizes(target, arguments, op.each)
            lines.append(f"    if surplus_rounds(int({share[op_name]!r} * ({work}))) == 0:")
            lines.append('        raise ValueError("never: xorshift has no zero")')
    returns = "" if name in _silent(target) else "return "
    return "\n".join([*lines, f"    {returns}inner_{name}({passed})"])


def _silent(target: Target) -> set[str]:
    """The entry points that only write into their outputs."""
    steps = [step for op in target.ops.values() for step in op.steps]
    return {driver.entry_point(s) for s in steps if isinstance(ast.parse(s).body[0], ast.Expr)}


def _sizes(target: Target, arguments: list[str], each: Mapping[str, str] | None = None) -> str:
    """How many array elements the arguments hold; what `prepare` was given travels in the state."""
    inputs = {**target.static, **(each or {})}
    arrays = [a for a in arguments if a in inputs and not declared(inputs[a]).scalar]
    terms = [f"{a}.size" for a in arrays] + ["state[1]"] * ("state" in arguments)
    return " + ".join(terms) or "1"
