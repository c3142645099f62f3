"""Measures the knob spaces of scripts/brute/NAME.py, in slices: what a slice leaves, the next does.

`--compile` builds every setting; `--measure` times what is built; `--write` makes the files in
spaces/. `--haswell` measures this processor restricted to AVX2, under a name that says so.
Pin it to one core: `taskset -c 1 .venv/bin/python scripts/brute_force.py take --measure`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from autoresearch.machine import fingerprint
from autoresearch.replay import brute, journal, space

ROOT = Path(__file__).resolve().parent.parent
HASWELL = {  # the name alone would leave numba all features of this processor
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2,+lzcnt",
}


def main() -> int:
    """Exit 1 while anything is left to do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a file of scripts/brute, without .py")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=50.0, help="of one slice")
    parser.add_argument("--haswell", action="store_true", help="restricted to AVX2")
    options = parser.parse_args()
    if options.haswell and not HASWELL.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | HASWELL)
    until = time.monotonic() + options.seconds
    plan = brute.Plan(ROOT, ROOT / "scripts" / "brute" / f"{options.name}.py")
    me = fingerprint()
    machine = f"{me.id}-as-haswell" if options.haswell else me.id
    folder = ROOT / ".autoresearch" / "brute" / machine / options.name
    path = folder / "journal.jsonl"
    left = 0
    if options.compile or options.measure:
        bench = brute.Bench(plan, folder)
    if options.compile:
        left += brute.compiled(bench, path, until)
    if options.measure:
        left += brute.measured(bench, path, options.rounds, until)
    print(f"{len(plan.settings)} settings, {left} left, scatter {journal.scatter(path):.3f}")
    if options.write and not left:
        caches = tuple(c.bytes for level in (1, 2) for c in me.caches if c.level == level)
        versions = {name: getattr(me, name) for name in ("python", "numpy", "numba", "llvmlite")}
        for i, found in enumerate(brute.spaces(plan, path, machine, caches, versions)):
            made = ROOT / "spaces" / machine / f"{options.name}-{i}{space.SUFFIX}"
            space.write(made, found)
            good = sum(ns <= 1.05 * found.best for ns in found.ns)
            print(f"{made.relative_to(ROOT)}: {found.shape}: best {found.best:.0f} ns, {good} near")
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main())
