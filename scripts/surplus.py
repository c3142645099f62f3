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


Spent = Mapping[str, Mapping[str, float]]


def evenly(target: Target, rounds: float) -> Spent:
    """The same number of rounds for every element, whatever the op and the array."""
    return {
        name: dict.fromkeys(_arrays(target, op.each), rounds) for name, op in target.ops.items()
    }


def slowed(
    text: str,
    target: Target,
    spent: Spent,
    salt: int = 88172645463325252,
    pads: Sequence[int] = (),
) -> str:
    """`text` whose last step of every op first spins `spent[op][array]` rounds for each element it
    was given of that array.

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
    wrappers = [_wrapper(target, name, points[name], spent) for name in points]
    # The pads come last: the line of a `raise` is part of the machine code.
    return "\n\n".join([ast.unparse(tree), *wrappers, spin.strip()]) + "\n"


def _wrapper(target: Target, name: str, arguments: list[str], spent: Spent) -> str:
    words = ", ".join(arguments)
    passed = ", ".join("state[0]" if a == "state" else a for a in arguments)
    lines = ["@njit", f"def {name}({words}):"]
    if target.prepare and name == driver.entry_point(target.prepare):
        sizes = "".join(f"{a}.size, " for a in _arrays(target, {}))
        return "\n".join([*lines, f"    return inner_{name}({words}), ({sizes})"])
    for op_name, op in target.ops.items():
        if name == driver.entry_point(op.steps[-1]):
            lines.append(
                f"    if surplus_rounds(int({_rounds(target, arguments, spent[op_name])})) == 0:"
            )
            lines.append('        raise ValueError("never: xorshift has no zero")')
    returns = "" if name in _silent(target) else "return "
    return "\n".join([*lines, f"    {returns}inner_{name}({passed})"])


def _silent(target: Target) -> set[str]:
    """The entry points that only write into their outputs."""
    steps = [step for op in target.ops.values() for step in op.steps]
    return {driver.entry_point(s) for s in steps if isinstance(ast.parse(s).body[0], ast.Expr)}


def _rounds(target: Target, arguments: list[str], spent: Mapping[str, float]) -> str:
    """The expression for all rounds; the sizes of what `prepare` was given travel in the state."""
    packed = {a: f"state[1][{n}]" for n, a in enumerate(_arrays(target, {}))}
    known = {a: f"{a}.size" for a in arguments} | (packed if "state" in arguments else {})
    return (
        " + ".join(f"{rounds!r} * {known[a]}" for a, rounds in spent.items() if a in known) or "1"
    )


def _arrays(target: Target, each: Mapping[str, str]) -> list[str]:
    """The names of the arrays that an op is given, static ones first."""
    return [name for name, text in {**target.static, **each}.items() if not declared(text).scalar]
