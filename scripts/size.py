"""How large src is: lines of code per floor, the longest files and functions; exit 1 above the
budget, which counts neither blank lines nor comments and docstrings (decision 0008)."""

import ast
import io
import statistics
import sys
import tokenize
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "autoresearch"
BUDGET = 8000
# Parts that a reader of the harness need not read, and those who read them need no more of it than
# its nouns (decisions 0011 and 0014).
APART = {
    "simd": 1400,
    "data": 700,
    "peers": 900,
    "prior": 900,
    "index": 2200,
    "plane": 1100,
    "product": 1250,
    "replay": 800,
    "fleet": 600,
    "bench_index": 1000,
    "cli": 900,
}
COPIES = ("kernels/plain/", "kernels/promoted/")  # of files in targets/
SHOWN = 8


def flat(floor: tuple[str | tuple[str, ...], ...]) -> list[str]:
    """The modules of a floor, its chains opened."""
    return [name for entry in floor for name in ([entry] if isinstance(entry, str) else entry)]


@cache
def floors() -> tuple[tuple[str | tuple[str, ...], ...], ...]:
    """The list that tests/unit/test_floors.py checks, read without importing it."""
    tree = ast.parse((ROOT / "tests" / "unit" / "test_floors.py").read_text())
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLOORS"
    )
    return tuple(eval(ast.unparse(value), {"__builtins__": {}}))  # a literal with stars in it


def level_of(path: Path) -> int | None:
    """The floor that lists a module, else the lowest one that lists a part of its package."""
    names = [flat(floor) for floor in floors()]
    module = ".".join(path.with_suffix("").parts)
    top = module.split(".")[0]
    exact = [level for level, listed in enumerate(names) if module in listed]
    near = [n for n, listed in enumerate(names) if top in {name.split(".")[0] for name in listed}]
    return next(iter([*exact, *near]), None)


_SILENT = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
)


def code(text: str) -> int:
    """Lines on which a statement, or a part of one, stands."""
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in _SILENT
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if ast.get_docstring(node) is not None and first is not None:
                lines -= set(range(first.lineno, (first.end_lineno or 0) + 1))
    return len(lines)


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


def _is_copy(path: Path) -> bool:
    return path.relative_to(SOURCE).as_posix().startswith(COPIES)


def main() -> int:
    """Print the page and say whether the budget holds."""
    ours = [path for path in SOURCE.rglob("*.py") if not _is_copy(path)]
    texts = {path: path.read_text() for path in ours}
    files = {path: code(text) for path, text in texts.items()}
    physical = {path: len(text.splitlines()) for path, text in texts.items()}
    tops = [{name.split(".")[0] for name in flat(floor)} for floor in floors()]
    sums = [0] * len(tops)
    facade = 0
    for path, lines in files.items():
        level = level_of(path.relative_to(SOURCE))
        facade += lines if level is None else 0
        sums[level or 0] += 0 if level is None else lines
    for level, lines in enumerate(sums):
        print(f"F{level}      {lines:6d}  {' '.join(sorted(tops[level]))}")
    print(f"facade  {facade:6d}")
    apart = dict.fromkeys(APART, 0)
    for path, lines in files.items():
        top = path.relative_to(SOURCE).parts[0]
        apart |= {top: apart[top] + lines} if top in apart else {}
    for name, lines in apart.items():
        print(f"{name:8s}{lines:6d}  lines of code, {APART[name]} allowed")
    total = sum(files.values()) - sum(apart.values())
    print(f"total   {total:6d}  lines of code without {' '.join(APART)}, {BUDGET} allowed")
    print(f"        {sum(physical.values()):6d}  with blank lines, comments and docstrings")
    measured = sorted((one for path in files for one in functions(path)), reverse=True)
    print(
        f"\n{len(measured)} functions, median {statistics.median(n for n, _ in measured):.0f} lines"
    )
    for lines, where in measured[:SHOWN]:
        print(f"{lines:6d}  {where}")
    print("\nlongest files, all lines")
    for path, lines in sorted(physical.items(), key=lambda item: -item[1])[:SHOWN]:
        print(f"{lines:6d}  {path.relative_to(SOURCE)}")
    return int(total > BUDGET or any(apart[name] > APART[name] for name in APART))


if __name__ == "__main__":
    sys.exit(main())
