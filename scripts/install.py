"""Build .venv from the lock, once, whoever else is trying; knows pip and files only.

An install that was interrupted is redone, because the copy of the lock that marks it finished is
written last. Two at once do not collide: the second waits, and finds the work done.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MUTEX = ".installing"
OURS = "prompt = 'autoresearch'"  # in the pyvenv.cfg of an environment made here


def main(arguments: list[str]) -> None:
    """Make .venv fit `requirements.lock`, or with `--dev` the larger `requirements-dev.lock`;
    `--peers` adds the libraries that champions race against."""
    core, source = lock("requirements"), lock("requirements-peers-source")
    wanted = [lock("requirements-dev") if "--dev" in arguments else core]
    wanted += [lock("requirements-peers")] * ("--peers" in arguments)
    VENV.mkdir(exist_ok=True)
    with (VENV / MUTEX).open("w") as mutex:
        wait_for(mutex.fileno())
        os.set_inheritable(mutex.fileno(), True)  # a pip that outlives us still keeps others out
        if not is_current(core):
            start_over()
        for each in wanted:
            if not (is_current(each) and is_current(core)):
                install(each)
                link_sources()
                mark_current(core)
                mark_current(each)
        if "--peers" in arguments and not is_current(source):
            build(source)


def lock(name: str) -> Path:
    return ROOT / f"{name}.lock"


def install(wanted: Path, *more: str) -> None:
    say(f"installing the packages of {wanted.name} into {VENV}, once")
    pip("install", "--require-hashes", "--only-binary=:all:", *more, "--requirement", str(wanted))


def build(wanted: Path) -> None:
    """What is published as source only; a race goes on without it."""
    try:
        install(wanted, "--no-binary=pyfastpfor")
        mark_current(wanted)
    except subprocess.CalledProcessError:
        say("pyfastpfor could not be built; races skip it. It needs a C++ compiler and Python's")
        say("headers (Debian and Ubuntu: apt-get install g++ python3-dev); then run this again.")


def wait_for(mutex: int) -> None:
    try:
        fcntl.flock(mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another install of this checkout")
        fcntl.flock(mutex, fcntl.LOCK_EX)


def is_current(lock: Path) -> bool:
    copy = VENV / lock.name
    return PYTHON.exists() and copy.exists() and copy.read_bytes() == lock.read_bytes()


def mark_current(lock: Path) -> None:
    part = VENV / (lock.name + ".part")
    shutil.copyfile(lock, part)
    part.replace(VENV / lock.name)


def start_over() -> None:
    """An environment of our own is rebuilt from nothing; somebody else's is only added to."""
    settings = VENV / "pyvenv.cfg"
    if PYTHON.exists() and settings.exists() and OURS not in settings.read_text():
        return
    for path in VENV.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MUTEX:
            path.unlink()
    create = ["-m", "venv", "--without-pip", "--prompt", "autoresearch", str(VENV)]
    subprocess.run([sys.executable, "-I", *create], check=True)


def pip(*arguments: str) -> None:
    """The pip at hand installs into .venv: a pip of its own would take five seconds more."""
    command = [sys.executable, "-I", "-m", "pip", "--python", str(PYTHON)]
    if not find_spec("pip"):
        subprocess.run([PYTHON, "-I", "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
        command = [str(PYTHON), "-I", "-m", "pip"]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
    subprocess.run([*command, *arguments, *quiet], check=True, stdout=sys.stderr, close_fds=False)


def link_sources() -> None:
    """Put src on the path of .venv by a relative line, so that the checkout may be moved."""
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([PYTHON, "-I", "-c", where], check=True, capture_output=True, text=True)
    packages = Path(found.stdout.strip())
    line = os.path.relpath(ROOT / "src", packages.resolve())
    (packages / "autoresearch.pth").write_text(line + "\n")


def say(text: str) -> None:
    print(f"autoresearch: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError:
        say("the pinned packages could not be installed; the reason stands above.")
        say("Check disk space and the way to the package registry, and run the same command again.")
        sys.exit(1)
    except OSError as fault:
        say(f"{VENV} could not be written: {fault}.")
        say("Make the checkout writable, or clone it to a place that is, and run this again.")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; the next run starts the install again.")
        sys.exit(130)
