# class: 44
# tries: cuts the ledger down to its first half line, as a crash would, and submits a slower kernel
#   as the first of its kind
# fails: a torn line is told apart from a missing one, and without a baseline nothing is kept
# wall: ledger
# screen: scenario
# expect: tampered refused revert

from pathlib import Path

SLOWER = (
    "    total[0] = s",
    "    total[0] = s\n    for i in range(x.size):\n        s += scratch[i]\n    scratch[0] = s",
)


def attack(root: Path, env: dict[str, str]) -> None:
    kernels = root / "targets" / "toy" / "kernels.py"
    kernels.write_text(kernels.read_text().replace(*SLOWER))
    for ledger in (root / ".autoresearch").rglob("trials.jsonl"):
        data = ledger.read_bytes()
        ledger.write_bytes(data[: data.find(b"\n") // 2])
