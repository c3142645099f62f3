"""Kill trials at random instants and hold what is left against what the ledger promises.

A quarter of the runs are interrupted as by Ctrl-C instead: those must clean up by themselves.
Exit 1 on the first violation, whose project is then kept for a look.
"""

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import promises
import scratch
from surplus import evenly, slowed

from autoresearch.catalog import Entry, find
from autoresearch.ledger import Ledger
from autoresearch.model import EXIT_CODES, Trial
from autoresearch.runner.sandbox import adopt_orphans

KINDS = {"simpler": 5, "faster": 3, "slower": 3, "crashing": 2, "same": 2, "refused": 1}
CODES = {"simpler": 0, "crashing": 6, "same": 1, "refused": 1}  # exits that no speed decides
INTERRUPTS = 0.25  # of all runs
LATE = 0.4  # of all runs end within LATE_S of the decision,
LATE_S = 0.15  # in which ledger, git and table follow
START_S = 0.5  # until then the interpreter is loading, and Ctrl-C is its own affair
GRACE_S = 20.0  # a helper that was importing when its parent died ends by itself


@dataclass(frozen=True, slots=True)
class Make:
    """What a generated kernel consists of: rounds spun per element, a salt, idle statements."""

    share: float
    salt: int
    pads: int


@dataclass(frozen=True, slots=True)
class Shot:
    """One run: what was tried, as which text and description, and what ended it after how long."""

    kind: str
    text: str
    note: str
    how: str = ""
    after_s: float = 0.0
    code: int = 0


@dataclass(slots=True)
class Chaos:
    """A scratch project, where its commands leave their files, and what was seen so far."""

    entry: Entry
    folder: Path
    rng: random.Random
    text: str
    made: dict[str, Make] = field(default_factory=dict)
    whole_s: dict[str, list[float]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0

    @property
    def root(self) -> Path:
        return self.entry.root

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.root)

    @property
    def log(self) -> Path:
        return self.folder / "stderr"

    def incumbent(self) -> Trial:
        row = self.ledger.incumbent(self.entry.name)
        assert row is not None, "a baseline was made"
        return row

    def blob(self, name: str) -> str:
        return promises.blob(self.root, name)

    def kernel(self, make: Make) -> str:
        target = self.entry.facts()
        text = slowed(self.text, target, evenly(target, make.share), make.salt, range(make.pads))
        self.made[text] = make
        return text

    def variant(self, kind: str) -> str:
        """A text that was never tried; every kind takes another way through a trial."""
        now, salt = self.made[self.blob(self.incumbent().candidate)], self.rng.getrandbits(62)
        if kind == "simpler":  # the same machine code from fewer statements: kept unmeasured
            return self.kernel(Make(now.share, now.salt, now.pads - 1))
        if kind == "faster":
            return self.kernel(Make(now.share / 1.3, salt, now.pads))
        if kind == "same":  # the incumbent's machine code, no fewer statements
            text = self.kernel(Make(now.share, now.salt, now.pads + 1))
            return text.replace("pad = 0\n", f"pad = {salt}\n")
        text = self.kernel(Make(now.share * 1.5, salt, now.pads))
        if kind == "crashing":
            return text.replace(") == 0:", ") != 0:")
        return f"import os  # {salt}\n{text}" if kind == "refused" else text

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """The command line in a process group of its own, its stderr in `log`."""
        with self.log.open("wb") as told:
            return subprocess.Popen(
                scratch.command(self.root, *words),
                stdout=subprocess.DEVNULL,
                stderr=told,
                env=os.environ | {"TMPDIR": str(self.folder)},
                process_group=0,
            )


def main() -> int:
    """Prepare a project, torture it, print what was seen."""
    options = _options()
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    with scratch.project(options.target) as (root,):
        chaos = _prepared(root, options.target, folder, options.seed)
        broken = _rounds(chaos, options.kills, 60 * options.minutes)
        broken = broken or list(promises.git_complaints(chaos.root))
        print(_summary(chaos))
        if broken:
            shutil.copytree(root, folder / "project", symlinks=True)
    for line in broken:
        print(f"VIOLATION: {line}")
    if broken:
        print(f"project and stderr are kept in {folder}; the seed was {options.seed}")
        return 1
    shutil.rmtree(folder)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="toy", help="toy, or a target of this repository")
    parser.add_argument("--kills", type=int, default=300, help="how many runs to cut short")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after this long")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    return parser.parse_args()


def _prepared(root: Path, target: str, folder: Path, seed: int) -> Chaos:
    """A project whose incumbent is slow and long-winded: there is much to gain."""
    entry = find(root, target)
    chaos = Chaos(entry, folder, random.Random(seed), entry.kernels.read_text())
    entry.kernels.write_text(chaos.kernel(Make(share=1.0, salt=1, pads=150)))
    scratch.git(root, "commit", "-qam", "a slow kernel")
    scratch.baseline(root, target)
    print(f"a baseline of {target} is made; seed {seed}", flush=True)
    return chaos


def _rounds(chaos: Chaos, kills: int, seconds: float) -> list[str]:
    """Shots until enough were fatal or time is up; what the first bad one broke."""
    deadline, fatal = time.monotonic() + seconds, 0
    while fatal < kills and time.monotonic() < deadline:
        shot = _shot(chaos)
        chaos.seen[shot.how] += 1
        fatal += shot.how != "done"
        if shot.how != "done" and fatal % 25 == 0:
            print(f"{fatal} of {kills} cut short", flush=True)
        broken = [*_own_end(chaos, shot), *_next_command(chaos, shot), *_state(chaos, shot)]
        if broken:
            return [*broken, f"... after {shot.how} at {shot.after_s:.2f} s of a {shot.kind} one"]
    return []


def _shot(chaos: Chaos) -> Shot:
    """Start a trial and end it at an instant of chance, unless it is quicker."""
    rng = chaos.rng
    kinds = {kind: weight for kind, weight in KINDS.items() if kind != "simpler" or _long(chaos)}
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    shot = Shot(kind, chaos.variant(kind), f"{kind} {rng.getrandbits(62)}")
    chaos.entry.kernels.write_text(shot.text)
    trial, begun = chaos.start("trial", chaos.entry.name, "-m", shot.note), time.monotonic()
    how = _ended(chaos, kind, trial)
    took = time.monotonic() - begun
    if how == "done":
        chaos.whole_s.setdefault(kind, []).append(took)
    elif how == "SIGKILL":
        trial.kill()
    else:
        os.killpg(trial.pid, signal.SIGINT)  # a terminal tells the whole group
    try:
        code = trial.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        trial.kill()
        code = trial.wait()
    return replace(shot, how=how, after_s=took, code=code)


def _long(chaos: Chaos) -> bool:
    """Whether the incumbent has statements left that do nothing."""
    return chaos.made[chaos.blob(chaos.incumbent().candidate)].pads > 0


def _ended(chaos: Chaos, kind: str, trial: subprocess.Popen[bytes]) -> str:
    """Wait for an instant of chance: how to end the trial then, or "done" if it has ended."""
    rng = chaos.rng
    wait = rng.uniform(0, 1.1 * statistics.median(chaos.whole_s.get(kind, [5.0])))
    if rng.random() < LATE:
        wait = rng.uniform(0, LATE_S)
        while trial.poll() is None and not list(chaos.ledger.folder.glob("journal/*.json")):
            time.sleep(0.002)
    try:
        trial.wait(wait)
    except subprocess.TimeoutExpired:
        return "SIGINT" if rng.random() < INTERRUPTS else "SIGKILL"
    return "done"


def _own_end(chaos: Chaos, shot: Shot) -> Iterator[str]:
    """What a command that was not killed owes: its exit code, its last words, no child."""
    told = chaos.log.read_text()
    if shot.how == "SIGKILL":
        return
    chaos.seen[f"{shot.how}, exit {shot.code}"] += 1
    early = shot.how == "SIGINT" and shot.after_s < START_S
    if "Traceback" in told and not early:
        yield f"a traceback: {told[-2000:]}"
    if shot.how == "done" and shot.code != CODES.get(shot.kind, shot.code):
        yield f"exit code {shot.code}"
    # Ctrl-C while the interpreter shuts down is the interpreter's: it ends by the signal itself.
    if shot.code not in {*EXIT_CODES.values(), 130, -signal.SIGINT} and not early:
        yield f"exit code {shot.code}: {told}"
    for left in scratch.left_over(1.0):
        yield f"a process outlived its command: {left}"


def _next_command(chaos: Chaos, shot: Shot) -> Iterator[str]:
    """One command that measures nothing finishes what was left, half the time amid the ruins."""
    if chaos.rng.random() < 0.5:
        yield from _strays(chaos)
    code = chaos.start("calibrate", chaos.entry.name, "--report").wait()
    told = chaos.log.read_text()
    for word in ("finishing", "interrupted", "left as it is", "had been edited"):
        chaos.seen[f"next command: {word}"] += word in told
    if code:
        yield f"the next command after {shot.how} exits {code}: {told}"
    yield from _strays(chaos)


def _strays(chaos: Chaos) -> Iterator[str]:
    begun = time.monotonic()
    for left in scratch.left_over(GRACE_S):
        yield f"a stray process: {left}"
    chaos.longest_s = max(chaos.longest_s, time.monotonic() - begun)


def _state(chaos: Chaos, shot: Shot) -> Iterator[str]:
    """What of the promises is broken, counting what became of the trial."""
    rows = [row for row in chaos.ledger.trials() if row.description == shot.note]
    chaos.seen[f"row: {rows[0].result.verdict}" if rows else "undecided"] += 1
    yield from promises.broken(chaos.entry, chaos.incumbent(), shot.text, rows)


def _summary(chaos: Chaos) -> str:
    usual = {kind: statistics.median(times) for kind, times in sorted(chaos.whole_s.items())}
    litter = sum(path.name.startswith("autoresearch-") for path in chaos.folder.iterdir())
    lines = [f"{number:6d}  {what}" for what, number in sorted(chaos.seen.items()) if number]
    lines += [f"{took:6.1f}  s for a whole trial: {kind}" for kind, took in usual.items()]
    lines += [f"{chaos.longest_s:6.1f}  s until the last process was gone, at most"]
    lines += [f"{litter:6d}  temporary folders of killed commands in TMPDIR"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
