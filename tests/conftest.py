"""What several tests start from: a toy project with a fake runner, away from the real lease."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake import Toy

from autoresearch.runner import lease


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setattr(lease, "_path", lambda core: tmp_path / f"core{core}.lock")
    return Toy.made(tmp_path / "project")
