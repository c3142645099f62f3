"""Reads the small text files by which a kernel describes a machine, under any root; nothing raises.

A container may hide any of them: what is missing reads as empty.
"""

from __future__ import annotations

from pathlib import Path


def text(root: Path, name: str) -> str:
    """The file `name` (as `proc/stat`) below `root`, stripped, or `""` where it cannot be read."""
    try:
        return (root / name).read_text(errors="replace").strip()
    except OSError:
        return ""


def number(root: Path, name: str) -> int | None:
    """The file as an integer, or None."""
    try:
        return int(text(root, name))
    except ValueError:
        return None


def fields(block: str) -> dict[str, str]:
    """`key : value` lines as a dict; of a repeated key the first is kept, as of the first CPU."""
    found: dict[str, str] = {}
    for line in block.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


def chosen(line: str) -> str:
    """The bracketed word of a line such as `always [madvise] never`."""
    return line.partition("[")[2].partition("]")[0]


def size_of_list(ranges: str) -> int:
    """How many CPUs a list such as `0-3,8` names."""
    total = 0
    for part in ranges.split(",") if ranges else []:
        first, _, last = part.partition("-")
        total += int(last or first) - int(first) + 1
    return total


def memory_mb(root: Path, key: str) -> int:
    """A line of /proc/meminfo (`MemTotal`, `MemAvailable`) in MB, 0 where unknown."""
    words = fields(text(root, "proc/meminfo")).get(key, "").split()
    return int(words[0]) // 1024 if words else 0
