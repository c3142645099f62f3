"""docs/adding-a-target.md followed word for word in a scratch project: commands and patches."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autoresearch.model import EXIT_CODES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding-a-target.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NOISE = "inconclusive"  # what a busy machine may make of three pairs; no test asserts a time


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit and a folder for targets."""
    root = tmp_path / "project"
    (root / "targets").mkdir(parents=True)
    for words in (
        ("config", "--global", "user.name", "reader"),
        ("config", "--global", "user.email", "reader@localhost"),
        ("init", "-q"),
        ("commit", "-q", "--allow-empty", "-m", "start"),
    ):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which `autoresearch` is this checkout's."""
    command = tmp_path / "bin" / "autoresearch"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m autoresearch "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}


def promised(line: str) -> set[str]:
    """The verdicts that a line of the page allows, named in its comment."""
    told = line.partition("# ")[2].strip()
    allowed = {told or "baseline"}
    return allowed | {NOISE} if " baseline " in line else allowed


def followed(line: str, root: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-c", line], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    codes = {EXIT_CODES[verdict] for verdict in promised(line)}
    assert done.returncode in codes, f"{line}\n{done.stdout}{done.stderr}"


def patched(patch: str, root: Path) -> None:
    done = subprocess.run(
        ["git", "apply", "-"], cwd=root, input=patch, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{patch}\n{done.stderr}"


def test_every_block_is_a_command_or_a_patch() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "diff"}
    assert BLOCKS[0][1].startswith("autoresearch new ")
    assert any(promised(line) == {"incorrect"} for _, body in BLOCKS for line in body.splitlines())


@pytest.mark.slow
def test_the_page_can_be_followed(project: Path, environment: dict[str, str]) -> None:
    for kind, body in BLOCKS:
        if kind == "diff":
            patched(body, project)
        for line in body.splitlines() if kind == "sh" else ():
            followed(line, project, environment)
    home = project / "targets" / "relu_add"
    assert (home / "kernels.py").read_bytes() == (home / "reference.py").read_bytes()
    out = np.full(3, np.nan, np.float32)
    x, y = np.array([1, -2, 3], np.float32), np.array([0.5, 1, -7], np.float32)
    runpy.run_path(str(home / "kernels.py"))["scale_add"](x, np.float32(2), y, out)
    assert out.tolist() == [2.5, 0.0, 0.0]
