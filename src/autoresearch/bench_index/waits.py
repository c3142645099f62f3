"""How long the threads of this process were ready without a core; knows /proc, not what runs."""

from __future__ import annotations

from pathlib import Path

from ..machine.files import text


class Waits:
    """ns, only ever growing. A thread that comes and goes between two readings is not seen, and
    where the kernel keeps no schedstat nothing is."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root, self.total = root, 0
        self.seen: dict[str, int] = {}

    def __call__(self) -> int:
        folder = self.root / "proc/self/task"
        now = {path.name: self._of(path.name) for path in folder.iterdir()}
        self.total += sum(max(0, ns - self.seen.get(name, 0)) for name, ns in now.items())
        self.seen = now
        return self.total

    def _of(self, thread: str) -> int:
        words = text(self.root, f"proc/self/task/{thread}/schedstat").split()
        return int(words[1]) if len(words) > 1 else 0
