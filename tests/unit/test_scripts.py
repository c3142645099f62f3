"""The way in: the launcher against a fake environment, the locks against each other."""

import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "dirname", "readlink", "cmp")


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def pins(name):
    return set(re.findall(r"^([a-z0-9-]+==\S+)", (ROOT / name).read_text(), re.MULTILINE))


@pytest.fixture
def checkout(tmp_path):
    """A checkout in a path with a space; its python is a script that tells its arguments."""
    root = tmp_path / "a b"
    (root / "scripts").mkdir(parents=True)
    for name in ("autoresearch", "install", "install.py"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts")
    shutil.copy(ROOT / "requirements.lock", root)
    program(root / ".venv/bin/python", 'echo "$PWD"; for each in "$@"; do echo "$each"; done')
    shutil.copy(ROOT / "requirements.lock", root / ".venv")
    return root


def run(command, cwd, **env):
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


class TestLauncher:
    def test_arguments_and_directory_arrive_as_they_are(self, checkout, tmp_path):
        done = run([checkout / "scripts/autoresearch", "trial", "x y", ""], tmp_path)
        assert done.stdout.splitlines() == [
            str(tmp_path),
            "-I",
            "-m",
            "autoresearch",
            "trial",
            "x y",
            "",
        ]

    def test_through_symlinks(self, checkout, tmp_path):
        (tmp_path / "one").symlink_to(checkout / "scripts/autoresearch")
        (tmp_path / "two").symlink_to("one")
        assert run(["./two", "status"], tmp_path).stdout.endswith("status\n")

    def test_named_without_a_directory(self, checkout):
        assert run(["sh", "autoresearch", "status"], checkout / "scripts").stdout.endswith(
            "status\n"
        )

    def test_the_exit_code_is_passed_on(self, checkout, tmp_path):
        program(checkout / ".venv/bin/python", "exit 8")
        assert run([checkout / "scripts/autoresearch"], tmp_path).returncode == 8

    @pytest.mark.parametrize("broken", ["requirements.lock", "bin/python"])
    def test_installs_when_the_environment_is_not_that_of_the_lock(
        self, checkout, tmp_path, broken
    ):
        (checkout / ".venv" / broken).unlink()
        program(checkout / "scripts/install", "echo called; exit 1")
        done = run([checkout / "scripts/autoresearch"], tmp_path)
        assert (done.stdout, done.returncode) == ("called\n", 1)

    def test_a_changed_lock_installs(self, checkout, tmp_path):
        with (checkout / "requirements.lock").open("a") as lock:
            lock.write("# changed\n")
        program(checkout / "scripts/install", "exit 1")
        assert run([checkout / "scripts/autoresearch"], tmp_path).returncode == 1


class TestInstall:
    @pytest.fixture
    def path(self, tmp_path):
        """A PATH with nothing but what the scripts need."""
        folder = tmp_path / "bin"
        folder.mkdir()
        for tool in TOOLS:
            (folder / tool).symlink_to(shutil.which(tool))
        return folder

    @pytest.mark.parametrize(
        ("status", "said"), [(1, "no Python 3.11 or newer"), (3, "neither pip nor ensurepip")]
    )
    def test_a_python_that_will_not_do(self, checkout, path, status, said):
        program(path / "python3", f"exit {status}")
        done = run([checkout / "scripts/install"], checkout, PATH=str(path))
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 2

    def test_an_older_python3_gives_way_to_a_newer_one(self, checkout, path):
        program(path / "python3", "exit 1")
        program(path / "python3.12", 'test "$2" = -c || echo "$2"')
        done = run([checkout / "scripts/install"], checkout, PATH=str(path))
        assert done.stdout.strip() == str(checkout / "scripts/install.py")

    @pytest.fixture
    def installs(self, checkout):
        """Runs install.py with a pip that writes its arguments down, and may fail for a lock."""
        for name in ("peers", "peers-source"):
            shutil.copy(ROOT / f"requirements-{name}.lock", checkout)

        def install(*words, fails="nothing"):
            log = checkout / "pip.log"
            log.write_text("")
            program = (
                "import runpy, subprocess, sys\n"
                f"ours = runpy.run_path({str(checkout / 'scripts/install.py')!r})\n"
                "def pip(*words):\n"
                f"    open({str(log)!r}, 'a').write(' '.join(words) + '\\n')\n"
                f"    if {fails!r} in words[-1]: raise subprocess.CalledProcessError(1, 'pip')\n"
                "ours['main'].__globals__.update(pip=pip, link_sources=lambda: None)\n"
                f"ours['main']({list(words)!r})\n"
            )
            done = run([sys.executable, "-c", program], checkout)
            asked = [Path(line.split()[-1]).name for line in log.read_text().splitlines()]
            return asked, done

        return install

    def test_peers_are_added_to_what_is_there(self, installs, checkout):
        asked, done = installs("--peers")
        assert asked == ["requirements-peers.lock", "requirements-peers-source.lock"]
        assert done.returncode == 0
        assert (checkout / ".venv/requirements-peers.lock").exists()
        assert installs("--peers")[0] == installs()[0] == []

    def test_a_peer_that_cannot_be_built_is_said_and_tried_again(self, installs):
        done = installs("--peers", fails="source")[1]
        assert done.returncode == 0 and "C++ compiler" in done.stderr
        assert installs("--peers")[0] == ["requirements-peers-source.lock"]

    def test_peers_whose_wheels_are_refused_are_not_marked(self, installs, checkout):
        assert installs("--peers", fails="peers.lock")[1].returncode != 0
        assert not (checkout / ".venv/requirements-peers.lock").exists()

    def test_nothing_to_do(self, checkout):
        before = set((checkout / ".venv").rglob("*"))
        assert run([checkout / "scripts/install"], checkout).returncode == 0
        assert set((checkout / ".venv").rglob("*")) - before == {checkout / ".venv/.installing"}


class TestLocks:
    def test_the_dev_lock_holds_the_core_lock(self):
        assert pins("requirements.lock") < pins("requirements-dev.lock")

    def test_every_dependency_is_pinned(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        core = {pin.split("==")[0] for pin in pins("requirements.lock")}
        dev = {pin.split("==")[0] for pin in pins("requirements-dev.lock")}
        assert set(project["dependencies"]) <= core
        assert set(project["optional-dependencies"]["dev"]) <= dev

    def test_every_peer_is_pinned_beside_what_is_there(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        there = dict(pin.split("==") for pin in pins("requirements-dev.lock"))
        for extra in ("peers", "peers-source"):
            added = dict(pin.split("==") for pin in pins(f"requirements-{extra}.lock"))
            assert set(project["optional-dependencies"][extra]) <= set(added)
            assert {n: v for n, v in added.items() if there.get(n, v) != v} == {}
            assert pins("requirements.lock") < pins(f"requirements-{extra}.lock")

    @pytest.mark.parametrize("name", sorted(p.name for p in ROOT.glob("requirements*.lock")))
    def test_every_pin_has_a_hash(self, name):
        text = (ROOT / name).read_text()
        assert len(re.findall(r"==\S+.*\\\n    --hash=sha256:", text)) == len(pins(name))


@pytest.mark.parametrize("name", ["autoresearch", "install", "test", "lock", "../.ci/run"])
def test_scripts_can_be_run(name):
    assert (ROOT / "scripts" / name).stat().st_mode & stat.S_IXUSR


def test_the_budget_counts_code_only():
    size = runpy.run_path(str(ROOT / "scripts" / "size.py"))
    text = '''"""A module,
on two lines."""

# A reason.
x = (  # one

    1,
)


class Empty:
    """Nothing else."""


def f():
    "Said."
    told = """not
    said"""
    return told
'''
    assert size["code"](text) == len(["x", "1", ")", "class", "def", "told", "said", "return"])
