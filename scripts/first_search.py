"""How long a fresh process takes to its first answer, by kind of index: seconds of filling and the
first search, as compiled there and then, and as read from disk.

Each is one process; `AUTORESEARCH_CACHE` is a folder of its own, and is removed again.
"""

import os
import subprocess
import sys
import tempfile

KINDS = {
    "IndexFlatL2": "(64)",
    "IndexFlatIP": "(64)",
    "IndexIVFFlat": "(64, 16)",
    "IndexIVFPQ": "(64, 16, 16)",
    "IndexRaBitQ": "(64)",
}
ONE = """
import time
import numpy as np
import autoresearch.index
x = np.random.default_rng(0).standard_normal((2000, 64), np.float32)
begin = time.perf_counter()
index = autoresearch.index.{}
index.train(x)
index.add(x)
middle = time.perf_counter()
index.search(x[:1], 5)
print(middle - begin, time.perf_counter() - middle)
"""


def seconds(made: str, folder: str) -> tuple[float, float]:
    """(filling, first search) of one process that keeps machine code in `folder`, if any."""
    environment = os.environ | {"AUTORESEARCH_CACHE": folder}
    command = [sys.executable, "-c", ONE.format(made)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    filled, searched = map(float, done.stdout.split())
    return filled, searched


def main() -> None:
    print("index         compiled: fill, search   kept: fill, search")
    for name, arguments in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            seconds(name + arguments, folder)
            kept = seconds(name + arguments, folder)
        compiled = seconds(name + arguments, "")
        print(f"{name:13} {compiled[0]:14.2f} {compiled[1]:7.2f} {kept[0]:13.2f} {kept[1]:7.2f}")


if __name__ == "__main__":
    main()
