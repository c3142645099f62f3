"""Judges every kernel cheat as a harness without walls would: in one process, inputs repeated.

`python tests/cheats/naive.py [NAME ...]` shows what each attack wins there. It runs them
unprotected, in a subprocess and against a throw-away project: only by hand and never in CI.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import numpy as np
from corpus import HERE, cheats

TOY = HERE.parent / "toyroot" / "targets" / "toy"
LENGTH, CALLS, WARM = 16384, 300, 100


def main(names: list[str]) -> None:
    for cheat in cheats():
        if cheat.screen != "scenario" and (cheat.name in names or not names):
            with tempfile.TemporaryDirectory() as folder:
                print(f"{cheat.name:28}", outcome(cheat.text(folder), Path(folder)), flush=True)


def outcome(text: str, root: Path) -> str:
    """One line: what a subprocess said that judged this kernel in its own process."""
    shutil.copytree(TOY, root / "targets" / "toy")
    (root / ".git" / "hooks").mkdir(parents=True)
    (root / ".autoresearch").mkdir()
    (root / ".autoresearch" / "secret").write_text("42")
    (root / "candidate.py").write_text(text)
    with (root / "log").open("w+b") as log:
        command = [sys.executable, __file__, "--judge", str(root / "candidate.py")]
        done = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    said = (root / "log").read_text(errors="replace").strip().splitlines() or ["nothing"]
    return f"exit {done.returncode}: {said[-1][:120]}"


def judge(path: str) -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal((2, LENGTH), np.float32)
    want, slow = measured(loaded(str(TOY / "reference.py")), weights, x)
    cheat = loaded(path)
    got, fast = measured(cheat, weights, x)
    first, last = (bool(np.isclose(g, w, rtol=1e-3)) for g, w in zip(got, want, strict=True))
    breached = getattr(cheat, "BREACHED", "-")
    print(f"{slow / fast:5.1f}x, right at first {first}, at last {last}, breached {breached}")


def measured(kernel: ModuleType, weights: np.ndarray, x: np.ndarray) -> tuple[list[float], float]:
    """First and last output, and the median time of one call."""
    state = kernel.prepare(weights)
    scratch, total, times, seen = kernel.scratch(state), np.zeros(1, np.float32), [], []
    for _ in range(CALLS):
        start = time.perf_counter()
        kernel.weigh(state, scratch, x, total)
        times.append(time.perf_counter() - start)
        seen.append(float(total[0]))
    return [seen[0], seen[-1]], max(float(np.median(times[WARM:])), 1e-9)


def loaded(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    judge(sys.argv[2]) if sys.argv[1:2] == ["--judge"] else main(sys.argv[1:])
