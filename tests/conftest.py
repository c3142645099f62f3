"""What several tests start from: a toy project with a fake runner, and one with the real one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from fake import BRIEF, SEED, Toy
from hypothesis import settings

from autoresearch.runner import lease
from autoresearch.runner.pair import Runner

# Tests compile what they test, and leave nothing in a user's folder; a name given is kept.
os.environ.setdefault("AUTORESEARCH_CACHE", "")

# No test asserts a time, and CI asks the same questions in every run.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """The toy project as a repository, never run."""
    return Toy.made(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(autouse=True)
def quiet_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the repository's own."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))


@pytest.fixture
def toy(fresh: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A project whose runner is a fake: it needs no lease of this machine."""
    monkeypatch.setattr(lease, "_path", lambda core: tmp_path / f"core{core}.lock")
    return fresh.copy(tmp_path / "project")


@pytest.fixture(scope="session")
def baselined(fresh: Toy, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A project whose runner is real, with the seed as its baseline."""
    plain = fresh.copy(tmp_path_factory.mktemp("live") / "project")
    made = replace(plain, policy=BRIEF, runner=Runner)
    result = made.baseline(SEED.encode()).result
    assert result.verdict == "baseline", result
    return made


@pytest.fixture
def live(baselined: Toy, tmp_path: Path) -> Toy:
    return baselined.copy(tmp_path / "project")
