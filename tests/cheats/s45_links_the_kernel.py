# class: 45
# tries: replaces kernels.py by a symbolic link to the reference's twin outside the target, to be
#   exchanged once it has been screened
# fails: the kernel must be a regular file; its bytes are read once and what was read is what runs
# wall: workspace
# screen: scenario
# expect: refused tampered

from pathlib import Path


def attack(root: Path, env: dict[str, str]) -> None:
    kernels = root / "targets" / "toy" / "kernels.py"
    elsewhere = root / "elsewhere.py"
    elsewhere.write_text(kernels.read_text() + "\n# two accumulators\n")
    kernels.unlink()
    kernels.symlink_to(elsewhere)
