# class: 43
# tries: takes the costly output out of the target's declaration, so that nothing compares it, and
#   leaves its work out
# fails: the digest covers the declaration
# wall: digest
# screen: scenario
# expect: tampered

from pathlib import Path


def attack(root: Path, env: dict[str, str]) -> None:
    target = root / "targets" / "toy"
    facts = target / "run_experiment.py"
    facts.write_text(facts.read_text().replace('"rows": "u32[~n]", ', ""))
    kernels = target / "kernels.py"
    kernels.write_text(kernels.read_text().replace("rows[n] = i", "pass"))
