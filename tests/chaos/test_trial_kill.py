"""Real trials killed, interrupted and run side by side: scripts do it and check what is left."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
pytestmark = [pytest.mark.live, pytest.mark.slow]


def said(script: str, *words: str) -> str:
    command = [sys.executable, str(SCRIPTS / script), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_next_command_finishes_what_a_killed_trial_left() -> None:
    assert "SIG" in said("chaos.py", "--kills", "8", "--minutes", "0.7", "--seed", "3")


def test_measurements_of_two_agents_never_overlap() -> None:
    told = said("two_agents.py", "--trials", "1")
    assert "1 work tree(s): 2 rows" in told and "2 work tree(s): 2 rows" in told
