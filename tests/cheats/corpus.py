"""The corpus of cheats, read from the files beside this one and their heads.

`python tests/cheats/corpus.py` prints the table of README.md. Knows no harness and runs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FIELD = re.compile(r"^# (\w+): (.*(?:\n#   .*)*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cheat:
    """One attack.

    `screen` is passes (run as any candidate), bypassed (refused by the screen; must also fail with
    the screen switched off), refused (a rule of the screen and of nothing else) or scenario (a
    module whose `attack(root, env)` works around the kernel, before a trial).

    `refusal` is part of the screen's reason; `expect` are the verdicts of a run.
    """

    path: Path
    number: int
    tries: str
    fails: str
    wall: str
    screen: str
    expect: tuple[str, ...]
    refusal: str = ""

    @property
    def name(self) -> str:
        return self.path.stem

    def text(self, root: Path | str = "/nonexistent") -> str:
        """The candidate, told where the project it attacks lies; the harness may be elsewhere."""
        return self.path.read_text().replace("@ROOT@", str(root))


def cheats() -> list[Cheat]:
    """Every cheat, in order of class."""
    return [_read(path) for path in sorted(HERE.glob("[cs][0-9][0-9]_*.py"), key=_order)]


def table() -> str:
    """Class, file, screen, what stops it, verdicts: a row for every cheat."""
    rows = ["| class | file | screen | wall | verdicts |", "|---|---|---|---|---|"]
    rows += [
        f"| {c.number} | `{c.name}` | {c.screen} | {c.wall} | {' '.join(c.expect)} |"
        for c in cheats()
    ]
    return "\n".join(rows) + "\n"


def _order(path: Path) -> tuple[str, str]:
    return path.name[1:3], path.name


def _read(path: Path) -> Cheat:
    head = path.read_text().partition("\n\n")[0]
    found = {key: " ".join(text.replace("\n#", " ").split()) for key, text in FIELD.findall(head)}
    number, expect = int(found.pop("class")), tuple(found.pop("expect").split())
    return Cheat(path=path, number=number, expect=expect, **found)


if __name__ == "__main__":
    print(table(), end="")
