"""Every cheat end to end: the verdict is one its head names, it is never kept, it breached nothing.

A cheat that the screen refuses runs with the screen switched off: what lies behind must hold alone.
"""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from typing import Any

import pytest
from corpus import HERE, Cheat, cheats
from fake import SEED, Toy

from autoresearch import trial
from autoresearch.runner.screen import Screened

pytestmark = pytest.mark.live

KERNELS = [c for c in cheats() if c.screen != "scenario"]
SCENARIOS = [c for c in cheats() if c.screen == "scenario"]


def permissive(text: bytes, *_: Any) -> Screened:
    """A screen that lets everything pass."""
    statements = sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(text)))
    return Screened(text.decode(), "unscreened", statements, {}, ())


@pytest.mark.parametrize("cheat", KERNELS, ids=lambda cheat: cheat.name)
def test_a_cheat_is_not_kept(live: Toy, monkeypatch: pytest.MonkeyPatch, cheat: Cheat) -> None:
    if cheat.screen == "bypassed":
        monkeypatch.setattr(trial, "screen", permissive)
    result = live.trial(cheat.text(live.root).encode(), cheat.name).trial.result
    assert result.verdict in (*cheat.expect, "inconclusive"), result
    assert result.verdict not in ("keep", "simpler")
    assert list(live.root.rglob("breached")) == []
    assert live.kernels.read_bytes() == SEED.encode()
    assert live.rows() == [("baseline", "baseline"), ("trial", result.verdict)]
    assert live.git("status", "--porcelain") == ""


@pytest.mark.parametrize("cheat", SCENARIOS, ids=lambda cheat: cheat.name)
def test_a_scenario_gets_nowhere(live: Toy, cheat: Cheat) -> None:
    env = dict(os.environ)
    runpy.run_path(str(cheat.path))["attack"](live.root, env)
    command = [sys.executable, str(HERE / "one_trial.py"), str(live.root)]
    done = subprocess.run(command, env=env, cwd=HERE, capture_output=True, text=True, check=False)
    verdict, _, _ = done.stdout.strip().partition(" ")
    assert verdict in (*cheat.expect, "inconclusive"), done.stdout + done.stderr
    assert list(live.root.rglob("breached")) == []
