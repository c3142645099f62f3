"""Kill a process that saves indexes, at random moments: the name must hold an old or the new one.

The process saves ever new indexes under one name and tells after each which it was. Exit 1 on the
first file that does not load, is anything but one whole index, or is older than what was told.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from autoresearch.errors import Refusal
from autoresearch.index import IndexFlatL2, load

D = 16
MOST = 200_000  # vectors: 13 MB
AFTER_S = 0.2  # about three saves of the largest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "an.index"
        made(0, 1).save(path)
        told = 0
        for number in range(options.kills):
            told, outcome = _shot(path, told, draw)
            found[outcome] += 1
            if outcome.startswith("VIOLATION"):
                print(f"kill {number}: {outcome}")
                return 1
    print(f"{options.kills} kills: " + ", ".join(f"{n} {how}" for how, n in found.items()))
    return 0


def made(generation: int, n: int) -> IndexFlatL2:
    """An index of n vectors whose every component is the generation."""
    index = IndexFlatL2(D)
    index.add(np.full((n, D), generation, np.float32))
    return index


def _shot(path: Path, told: int, draw: random.Random) -> tuple[int, str]:
    """The generation at the name after one kill, and what that means."""
    reader, writer = os.pipe()
    seed, pid = draw.random(), os.fork()
    if not pid:
        _save_on(path, told, random.Random(seed), writer)
    os.close(writer)
    with open(reader) as pipe:
        pipe.readline()
        time.sleep(draw.random() * AFTER_S)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        told = max([told, *map(int, pipe.read().split())])
    if not os.WIFSIGNALED(status):
        return told, "VIOLATION: the saving process failed by itself"
    return _held(path, told)


def _save_on(path: Path, last: int, draw: random.Random, writer: int) -> None:
    """In the child: saves until it is killed, and tells each generation once it is saved."""
    try:
        os.write(writer, b"\n")
        while True:
            last += 1
            made(last, draw.randint(1, MOST)).save(path)
            os.write(writer, f"{last}\n".encode())
    finally:
        os._exit(1)


def _held(path: Path, told: int) -> tuple[int, str]:
    spare = [left for left in path.parent.iterdir() if left != path]
    for left in spare:  # what a kill cut short lies hidden beside it
        left.unlink()
    try:
        x = load(path).x
    except Refusal as refusal:
        return told, f"VIOLATION: {refusal}"
    generation = int(x[0, 0])
    if not (x == generation).all() or generation not in (told, told + 1):
        return told, f"VIOLATION: {generation} where {told} was the last one told"
    if generation > told:
        return generation, "with the new one, not yet told"
    return told, "with the old one, a part beside it" if spare else "with the old one"


if __name__ == "__main__":
    sys.exit(main())
