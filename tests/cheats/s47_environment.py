# class: 47
# tries: starts the trial with an environment that turns compilation, bounds, threads and caches to
#   its liking, preloads a library and prepends a directory to Python's path
# fails: workers, oracle and zygote get an environment built from scratch
# wall: process
# screen: scenario
# expect: keep revert refused

from pathlib import Path

FASTER = ("@njit\ndef weigh", "@njit(fastmath=True)\ndef weigh")  # honest
SITE = "import pathlib; pathlib.Path({!r}).touch()\n"


def attack(root: Path, env: dict[str, str]) -> None:
    path = root / "evil-path"
    path.mkdir(exist_ok=True)
    payload = "import sys\nif '-I' in sys.orig_argv:\n    " + SITE.format(str(root / "breached"))
    (path / "sitecustomize.py").write_text(payload)
    env.update(
        NUMBA_DISABLE_JIT="1",
        NUMBA_OPT="0",
        NUMBA_BOUNDSCHECK="1",
        NUMBA_CACHE_DIR=str(path),
        NUMBA_NUM_THREADS="64",
        OMP_NUM_THREADS="64",
        LD_PRELOAD=str(path / "missing.so"),
        PYTHONPATH=str(path),
        PYTHONUSERBASE=str(path),
        GIT_REPLACE_REF_BASE="refs/evil/",
    )
    kernels = root / "targets" / "toy" / "kernels.py"
    kernels.write_text(kernels.read_text().replace(*FASTER))
