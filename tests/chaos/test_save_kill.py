"""kill -9 while an index is saved: the name holds an old or the new one, whole."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "kill_saves.py"


def run(program: list[str]) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1] / "src")}
    return subprocess.run([sys.executable, *program], capture_output=True, text=True, env=env)


def test_a_killed_save_leaves_a_whole_index() -> None:
    done = run([str(SCRIPT), "--kills", "5"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("5 kills: ")


def test_a_save_in_place_would_be_noticed() -> None:
    """The same script where saving writes over the file itself."""
    program = (
        "import runpy, sys; from pathlib import Path; from autoresearch.index import storage\n"
        "def save(path, head, arrays):\n"
        "    with open(path, 'wb') as file:\n"
        "        storage._write(file, head, arrays)\n"
        "storage.save = save\n"
        "sys.argv = ['kill_saves', '--kills', '60']\n"
        f"runpy.run_path({str(SCRIPT)!r}, None, '__main__')"
    )
    done = run(["-c", program])
    assert done.returncode == 1 and "VIOLATION" in done.stdout, done.stdout + done.stderr
