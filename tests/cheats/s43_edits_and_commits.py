# class: 43
# tries: edits the reference and commits everything, so that HEAD, the index and the files agree
#   with one another
# fails: the digest is compared with the baseline's record, never with HEAD
# wall: digest
# screen: scenario
# expect: tampered

import subprocess
from pathlib import Path

EASIER = ("range(x.size)", "range(x.size // 2)")
WHO = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def attack(root: Path, env: dict[str, str]) -> None:
    for name in ("reference.py", "kernels.py"):
        file = root / "targets" / "toy" / name
        file.write_text(file.read_text().replace(*EASIER))
    subprocess.run(["git", *WHO, "commit", "-qam", "Tidy up"], cwd=root, check=True)
