"""The fleet without an engine: posts, exactly once whatever dies, and rows brought home once.

`_Post._command` is replaced by one that appends the row a real command would leave.
"""

import subprocess
from dataclasses import replace

import psutil
import pytest
from fake import SEED, Toy

from autoresearch.cli import fleets
from autoresearch.errors import Refusal
from autoresearch.fleet import engine, post, run
from autoresearch.fleet.job import LOST, Done, Job, Parcel
from autoresearch.fleet.record import Record
from autoresearch.ledger import Ledger, new_id
from autoresearch.model import Result, Trial


class Killed(BaseException):
    """Stands for SIGKILL: nothing below catches it."""


@pytest.fixture
def parcel(toy: Toy, tmp_path, monkeypatch) -> Parcel:
    monkeypatch.setenv("AUTORESEARCH_POSTS", str(tmp_path / "posts"))
    return run._Home.open(toy.root, print).parcel()


@pytest.fixture
def commands(monkeypatch):
    """What posts were asked to run; `fate` may raise before or after the row is written."""
    asked = []

    class Fate:
        before = after = None
        verdicts = iter(())

    def command(self, verb, name, *more):
        asked.append((self.path.name, verb, (self.root / "targets/toy/kernels.py").read_bytes()))
        if Fate.before:
            raise Fate.before
        verdict = "baseline" if verb == "baseline" else next(Fate.verdicts, "revert")
        row = Trial(new_id(), verb, Result(name, verdict, machine="here"), stamps=(1, 2), core=1)
        Ledger(self.root).append(row)
        if Fate.after:
            raise Fate.after
        return subprocess.CompletedProcess((), rows_code(verdict), "said", "")

    monkeypatch.setattr(post._Post, "_command", command)
    command.fate, command.asked = Fate, asked
    return command


def rows_code(verdict: str) -> int:
    return 3 if verdict == "revert" else 0


def job(turn: int = 1, verb: str = "trial", **more) -> Job:
    return Job("run", turn, verb, "toy", **{"kernel": b"# new\n", "incumbent": b"# old\n"} | more)


def marks(parcel: Parcel) -> int:
    return len(list((post.home() / parcel.project).glob("*/jobs/*.json")))


class TestPost:
    def test_the_baseline_comes_first_and_each_command_finds_its_kernel(self, parcel, commands):
        done = post.run(job(), parcel)
        assert [(verb, text) for _, verb, text in commands.asked] == [
            ("baseline", b"# old\n"),
            ("trial", b"# new\n"),
        ]
        assert (done.code, done.out, done.row["result"]["verdict"]) == (3, "said", "revert")
        assert [row["kind"] for row in done.rows] == ["baseline", "trial"]

    def test_a_job_sent_twice_runs_once(self, parcel, commands):
        assert post.run(job(), parcel) == post.run(job(), parcel)
        assert len(commands.asked) == 2

    def test_the_second_job_needs_no_baseline_and_has_its_own_rows_only(self, parcel, commands):
        first, second = post.run(job(1), parcel), post.run(job(2), parcel)
        assert len(commands.asked) == 3
        assert {row["id"] for row in first.rows}.isdisjoint(row["id"] for row in second.rows)

    def test_killed_before_its_row_it_runs_again(self, parcel, commands):
        commands.fate.before = Killed
        with pytest.raises(Killed):
            post.run(job(verb="peers", incumbent=b""), parcel)
        commands.fate.before = None
        assert post.run(job(verb="peers", incumbent=b""), parcel).code == 3
        assert len(commands.asked) == 2
        assert marks(parcel) == 1

    def test_killed_after_its_row_it_does_not_run_again(self, parcel, commands):
        post.run(job(1), parcel)
        commands.fate.after = Killed
        with pytest.raises(Killed):
            post.run(job(2), parcel)
        commands.fate.after = None
        later = post.run(job(3), parcel)  # another job comes first to the post that died
        ran = len(commands.asked)
        done = post.run(job(2), parcel)
        assert len(commands.asked) == ran
        assert done.code == 3
        assert len(done.rows) == 1
        assert done.rows[0]["id"] != later.rows[0]["id"]

    def test_a_busy_post_is_left_alone(self, parcel, commands):
        base = post.home() / parcel.project
        with post._locked(base / "post-0", wait=False):
            assert post.run(job(), parcel).post == "post-1"

    def test_a_baseline_that_never_holds_ends_the_job(self, parcel, monkeypatch):
        tried = []

        def command(self, verb, *words):
            tried.append(verb)
            return subprocess.CompletedProcess((), 8, "", "too noisy\n")

        monkeypatch.setattr(post._Post, "_command", command)
        done = post.run(job(), parcel)
        assert (done.code, done.row, tried) == (8, None, ["baseline"] * post._BASELINES)

    def test_a_clone_that_a_kill_cut_short_is_laid_out_anew(self, parcel, commands):
        (post.home() / parcel.project / "post-0" / "project").mkdir(parents=True)
        assert post.run(job(), parcel).code == 3


def done(turn: int = 1, host: str = "a", verdict: str = "keep", at: str = "post-0") -> Done:
    row = {
        "id": f"{turn}-{host}",
        "kind": "trial",
        "hash": f"{turn:02}-{host}-{at}",
        "stamps": [turn, turn + 1],
        "core": 1,
        "extra": {"pairs": "digest"},
        "result": {
            "target": "toy",
            "verdict": verdict,
            "machine": f"m{host}",
            "speedup": 1.5,
            "reason": "kept",
        },
    }
    return Done(job(turn), host, at, 0, rows=(row,), pairs={row["id"]: b"pairs"})


class TestRecord:
    def test_rows_come_home_once_with_host_core_and_stamps(self, toy):
        record = Record(toy.root)
        assert [record.add(one) for one in (done(1), done(1), done(2))] == [1, 0, 1]
        found = list(record.lines())
        assert [(e["host"], e["core"], e["start_ns"], e["end_ns"]) for e in found] == [
            ("a", 1, 1, 2),
            ("a", 1, 2, 3),
        ]
        assert (record.path.parent / "pairs" / "1-a.npz").read_bytes() == b"pairs"

    def test_a_job_that_two_posts_finished_counts_once(self, toy):
        record = Record(toy.root)
        assert [record.add(one) for one in (done(1, "a"), done(1, "b"))] == [1, 0]

    def test_the_ledger_of_this_machine_is_untouched(self, toy):
        Record(toy.root).add(done())
        assert list(Ledger(toy.root).trials()) == []


class TestReport:
    @pytest.mark.parametrize(
        ("found", "portable"),
        [
            ((done(1, "a"), done(2, "b")), True),
            ((done(1, "a"), done(2, "b", "revert")), False),
            ((done(1, "a"), Done(job(2), "", "", LOST, err="the node died")), False),
            ((), False),
        ],
    )
    def test_a_keep_is_portable_where_every_machine_kept(self, found, portable):
        assert run.Report(found, 0).portable is portable

    def test_a_lost_job_shows_and_fails(self, capsys):
        lost = Done(job(), "", "", LOST, err="the node died")
        assert fleets.report(run.Report((done(), lost), 1), json=False) == 1
        out = capsys.readouterr().out
        assert "2 jobs, 1 lost, 1 new rows" in out
        assert fleets.report(run.Report((done(),), 1), json=True) == 0

    def test_a_job_keeps_its_name_over_retries_and_no_other_has_it(self):
        names = {job(1).id, job(2).id, job(1, "calibrate").id, job(1, kernel=b"x").id}
        assert len(names) == 4
        assert replace(job(1)).id == job(1).id


def test_a_missing_ray_is_a_refusal(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(Refusal, match="needs the package ray"), engine.cluster(""):
        pass


def test_what_is_committed_stands_in_where_nothing_was_measured(toy):
    assert run._Home.open(toy.root, print).incumbent("toy") == SEED.encode()


def test_a_worker_that_must_give_way_does_not_measure(monkeypatch):
    here = psutil.Process()
    monkeypatch.setattr(psutil.Process, "nice", lambda _: 15)
    engine.urgent()
    monkeypatch.setattr(psutil.Process, "nice", lambda process: 15 * (process.pid == here.pid))
    with pytest.raises(Refusal, match="niceness 15"):
        engine.urgent()
