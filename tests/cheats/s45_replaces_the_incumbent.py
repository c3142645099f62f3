# class: 45
# tries: registers a slow kernel as git's replacement object for the incumbent's blob: every plain
#   read of the incumbent returns the slow one
# fails: objects are read without replacements and checked against their own hash
# wall: ledger
# screen: scenario
# expect: revert refused tampered

import os
import subprocess
from pathlib import Path

KERNELS = "targets/toy/kernels.py"
LOOP = "    for i in range(x.size):\n        scratch[i]"
SLOW = "    for i in range(5 * x.size):\n        scratch[i % x.size]"


def git(root: Path, *words: str, stdin: str = "", index: str = "") -> str:
    more = {"GIT_INDEX_FILE": index} if index else {}
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
    environment = os.environ | more
    done = subprocess.run(
        command, cwd=root, input=stdin, text=True, capture_output=True, check=True, env=environment
    )
    return done.stdout.strip()


def attack(root: Path, env: dict[str, str]) -> None:
    text = (root / KERNELS).read_text()
    slow = git(root, "hash-object", "-w", "--stdin", stdin=text.replace(LOOP, SLOW))
    git(root, "replace", "-f", git(root, "rev-parse", f"HEAD:{KERNELS}"), slow)
    (root / KERNELS).write_text(text + "\n# four accumulators\n")
