"""How large src is: lines per floor, the longest files and functions; exit 1 above the budget."""

import ast
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "autoresearch"
BUDGET = 8000
SHOWN = 8


def flat(floor: tuple[str | tuple[str, ...], ...]) -> list[str]:
    """The modules of a floor, its chains opened."""
    return [name for entry in floor for name in ([entry] if isinstance(entry, str) else entry)]


def floors() -> tuple[tuple[str | tuple[str, ...], ...], ...]:
    """The list that tests/unit/test_floors.py checks, read without importing it."""
    tree = ast.parse((ROOT / "tests" / "unit" / "test_floors.py").read_text())
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLOORS"
    )
    return tuple(eval(ast.unparse(value), {"__builtins__": {}}))  # a literal with stars in it


def functions(path: Path) -> list[tuple[int, str]]:
    """(lines, where) of each function of a file, docstring and decorators not counted."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = ast.get_docstring(node, clean=False)
            lines = (node.end_lineno or 0) - node.lineno + 1
            lines -= told.count("\n") + 1 if told else 0
            found.append((lines, f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}"))
    return found


def main() -> int:
    """Print the page and say whether the budget holds."""
    files = {path: len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}
    tops = [{name.split(".")[0] for name in flat(floor)} for floor in floors()]
    sums = [0] * len(tops)
    facade = 0
    for path, lines in files.items():
        top = path.relative_to(SOURCE).with_suffix("").parts[0]
        for level, names in enumerate(tops):
            sums[level] += lines if top in names else 0
        facade += lines if top == "__init__" else 0
    for level, lines in enumerate(sums):
        print(f"F{level}      {lines:6d}  {' '.join(sorted(tops[level]))}")
    print(f"facade  {facade:6d}")
    total = sum(files.values())
    print(f"total   {total:6d}  of {BUDGET}")
    measured = sorted((one for path in files for one in functions(path)), reverse=True)
    print(
        f"\n{len(measured)} functions, median {statistics.median(n for n, _ in measured):.0f} lines"
    )
    for lines, where in measured[:SHOWN]:
        print(f"{lines:6d}  {where}")
    print("\nlongest files")
    for path, lines in sorted(files.items(), key=lambda item: -item[1])[:SHOWN]:
        print(f"{lines:6d}  {path.relative_to(SOURCE)}")
    return int(total > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
