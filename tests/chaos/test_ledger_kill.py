"""kill -9 at any instant: what was acknowledged is there once; the next command does the rest."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoresearch.ledger import Decision, Ledger, Running, new_id
from autoresearch.model import Evidence, Pair, Result, Trial
from autoresearch.workspace import Workspace

KERNEL = "kernels.py"
KILLS = 40
GIT_KILLS = 15


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """Run `work` in a child that never returns; its pid and the pipe it acknowledges on."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            work(writer)
        finally:
            os._exit(1)
    os.close(writer)
    return pid, reader


def killed(work: Callable[[int], None], after_s: float) -> list[str]:
    """Kill a child some time after its first sign of life; all that it acknowledged."""
    pid, reader = forked(work)
    with open(reader) as pipe:
        first = pipe.readline()
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "the child must be killed, not fail"
        return (first + pipe.read()).split()


def trial(name: str, verdict: str = "keep") -> Trial:
    result = Result("pq-l2", verdict, speedup=1.1, reason="r" * 200)
    return Trial(name, "trial", result, description=name)


def shown(ledger: Ledger) -> list[str]:
    lines = ledger.table_path.read_text().splitlines()[1:]
    return [line.split("\t")[-1] for line in lines]


def test_no_acknowledged_row_is_lost_or_doubled(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)

    def work(pipe: int) -> None:
        while True:
            row = ledger.append(trial(new_id()))
            os.write(pipe, f"{row.id}\n".encode())
            ledger.project()
            ledger.summary()

    rng = random.Random(1)
    acknowledged = []
    for _ in range(KILLS):
        acknowledged += killed(work, rng.uniform(0, 0.03))
    acknowledged.append(ledger.append(trial(new_id())).id)  # the next command mends a torn end
    ledger.project()
    rows = [t.id for t in ledger.trials()]
    assert len(acknowledged) >= KILLS
    assert len(set(rows)) == len(rows) and set(acknowledged) <= set(rows)
    assert len(rows) - len(acknowledged) <= KILLS, "at most the one row being acknowledged"
    assert shown(ledger) == rows and ledger.summary().rows == len(rows)
    assert ledger.verify() == ()


def test_many_writers_make_one_chain(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)

    def work(pipe: int) -> None:
        for _ in range(25):
            os.write(pipe, f"{ledger.append(trial(new_id())).id}\n".encode())
            ledger.project()
        os._exit(0)

    children = [forked(work) for _ in range(4)]
    acknowledged = []
    for pid, reader in children:
        with open(reader) as pipe:
            acknowledged += pipe.read().split()
        assert os.waitpid(pid, 0)[1] == 0
    rows = [t.id for t in ledger.trials()]
    assert sorted(rows) == sorted(acknowledged) and len(rows) == 100
    assert shown(ledger) == rows and ledger.verify() == ()


def finish(ledger: Ledger, space: Workspace, decision: Decision) -> None:
    """What the loop does with a decision, now or after a crash."""
    name = decision.trial.id
    ledger.ensure(decision.trial)
    if decision.action == "keep":
        space.keep(decision.path, decision.candidate, decision.message, name)
    else:
        space.restore(decision.path, space.get_blob(decision.candidate), decision.incumbent)
    ledger.project()
    ledger.settle(name)


def one_trial(ledger: Ledger, space: Workspace, incumbent: str, keep: bool) -> str:
    name = new_id()
    text = f"TRIAL = {name!r}\n".encode()
    (space.root / KERNEL).write_bytes(text)
    blob = space.put_blob(text)
    space.snapshot("pq-l2", name, KERNEL, blob)
    ledger.begin(Running(name, "pq-l2", KERNEL, blob))
    pair = Pair(np.ones((5, 8)), np.ones((5, 8)))
    row = replace(trial(name, "keep" if keep else "revert"), candidate=blob)
    row = ledger.attach(row, Evidence(screen=(pair, pair)))
    decision = Decision(row, "keep" if keep else "restore", KERNEL, blob, incumbent, "subject")
    ledger.decide(decision)
    finish(ledger, space, decision)
    return blob if keep else incumbent


def test_a_decision_is_carried_out_once_whenever_its_process_dies(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=u", "-c", "user.email=u@x")
        command = ["git", *who, *words]
        return subprocess.check_output(command, cwd=tmp_path, text=True).strip()

    git("init", "-q")
    (tmp_path / KERNEL).write_text("SEED = 1\n")
    git("add", "-A")
    git("commit", "-qm", "start")
    space, ledger = Workspace.open(tmp_path), Ledger(tmp_path)
    space.ignore_state()
    seed = space.put_blob(b"SEED = 1\n")
    rng = random.Random(2)

    def work(pipe: int) -> None:
        os.write(pipe, b"up\n")
        while True:
            last = ledger.incumbent("pq-l2")
            one_trial(ledger, space, last.candidate if last else seed, rng.random() < 0.5)

    stopped = 0
    for _ in range(GIT_KILLS):
        rng.seed(rng.random())
        killed(work, rng.uniform(0.02, 0.2))
        for decision in ledger.pending():
            finish(ledger, space, decision)
        for running in ledger.interrupted():
            stopped += 1
            assert ledger.find(running.id) is None
            assert running.id.encode() in space.recover("pq-l2", running.id, KERNEL)
    ledger.project()  # nothing was written yet where every child was killed too early
    rows = list(ledger.trials())
    kept = [t.id for t in rows if t.result.verdict == "keep"]
    form = "--format=%(trailers:key=Autoresearch-Trial,valueonly,separator=)"
    assert git("log", "--reverse", form).split() == kept
    assert shown(ledger) == [t.id for t in rows] and len(rows) > stopped
    assert ledger.pending() == () == ledger.interrupted() == ledger.verify()
    git("fsck", "--strict")
