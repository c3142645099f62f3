"""Races: the statistic on made-up times, tables from it, and one real race of the toy's peers."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from fake import kernel
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from autoresearch.cli.every import app
from autoresearch.errors import Refusal
from autoresearch.peers import child, page, ratio, result, run
from autoresearch.peers.result import Entrant, Heat, Race
from autoresearch.runner import lease

ROOT = Path(__file__).resolve().parents[2]
TOY_PEERS = ROOT / "tests" / "toyroot" / "peers.py.txt"

ENTRANTS = (
    Entrant("champion", "", "", "", "declared", ""),
    Entrant("reference", "", "", "", "declared", ""),
    Entrant("faiss-cpu", "IndexPQ", "search", "1.0", "ids", "free"),
    Entrant("slow", "scan", "search", "2.0", "ids", "untouched"),
    Entrant("absent", "scan", "search", "", "ids", "free"),
    Entrant("half", "scan", "search", "3.0", "ids", "free"),
    Entrant("other", "sum", "sum", "4.0", "array", "free"),
)
ABSENT = "skipped: not installed (pip install absent)"


def _ran(entrant, ns, note="", recall=None):
    return {"entrant": entrant, "ns": list(ns), "recall": recall, "note": note}


def _heat(op, n, *ran, units=10):
    return Heat(f"{op}: n={n}", op, units, ran)


def _times(level, seed=0, rounds=15):
    return level * np.exp(0.05 * np.random.default_rng(seed).standard_normal(rounds))


HEATS = (
    _heat(
        "search", 1, _ran(0, _times(100)), _ran(1, _times(900, 1)), _ran(2, _times(200, 2)),
        _ran(3, _times(400, 3)), _ran(4, (), ABSENT), _ran(5, _times(110, 5)),
    ),
    _heat(
        "search", 2, _ran(0, _times(50, 6)), _ran(1, _times(700, 7)), _ran(2, _times(400, 8)),
        _ran(3, _times(500, 9)), _ran(4, (), ABSENT), _ran(5, (), "n/a: too long"),
    ),
    _heat("sum", 1, _ran(0, _times(100, 1)), _ran(1, _times(200, 2)), _ran(6, _times(25, 3))),
)  # fmt: skip


def _race(heats=HEATS):
    return Race(
        "toy", "value", "id", "a processor", "2026-01-02", 15, "incumbent, row 7", "", 20.0,
        ENTRANTS,
        result.standings(heats), result.best(heats, ENTRANTS), result.lines(heats),
    )  # fmt: skip


class TestRatio:
    @pytest.mark.parametrize(("n", "k"), [(5, 0), (6, 1), (9, 2), (15, 4), (25, 8)])
    def test_ranks_are_those_of_the_sign_test(self, n, k):
        assert ratio.rank(n) == k

    def test_too_few_rounds_bound_nothing(self):
        with pytest.raises(ValueError, match="5 rounds"):
            ratio.of_logs(np.zeros(5))

    @given(st.floats(0.01, 100), st.integers(6, 40), st.integers(0))
    def test_an_interval_holds_its_ratio_and_turns_with_it(self, factor, n, seed):
        ours, theirs = _times(1.0, seed, n), _times(factor, seed + 1, n)
        told, low, high = ratio.of_logs(ratio.logs(theirs, ours))
        assert low <= told <= high
        back = ratio.of_logs(ratio.logs(ours, theirs))
        assert np.allclose(back, (1 / told, 1 / high, 1 / low))

    def test_the_interval_misses_the_median_as_rarely_as_it_says(self):
        rng = np.random.default_rng(3)
        drawn = rng.exponential(size=(2000, 15)) - np.log(2)  # skewed, with median 0
        bounds = np.log([ratio.of_logs(one)[1:] for one in drawn])
        missed = np.mean((bounds[:, 0] > 0) | (bounds[:, 1] < 0))
        assert missed < 0.05

    def test_a_disturbed_round_moves_nothing(self):
        ours, theirs = np.full(15, 10.0), np.full(15, 30.0)
        theirs[4], ours[9] = 9000.0, 5000.0
        assert np.allclose(ratio.of_logs(ratio.logs(theirs, ours)), 3.0)


class TestResult:
    def test_a_workload_has_medians_and_paired_ratios(self):
        line = next(one for one in result.lines(HEATS) if one.entrant == 2)
        assert line.ns == pytest.approx(np.median(_times(200, 2)))
        assert line.ns_per_unit == pytest.approx(line.ns / 10)
        paired = np.exp(np.median(np.log(_times(200, 2) / _times(100))))
        assert line.ratio == pytest.approx(paired)

    def test_an_op_is_a_geometric_mean(self):
        found = next(s for s in result.standings(HEATS) if s.entrant == 2)
        assert (found.op, found.workloads, found.of) == ("search", 2, 2)
        assert found.low < 4.0 < found.high  # of 2 and 8
        assert found.ratio == pytest.approx(4.0, rel=0.1)

    def test_a_peer_that_is_not_timed_has_its_reason_and_no_ratio(self):
        by = {s.entrant: s for s in result.standings(HEATS)}
        assert (by[4].workloads, by[4].ratio, by[4].note) == (0, None, ABSENT)
        assert (by[5].workloads, by[5].of, by[5].note) == (1, 2, "n/a: too long")

    def test_the_best_runs_everywhere_before_it_is_fast(self):
        best = {one.op: one for one in result.best(HEATS, ENTRANTS)}
        assert best["search"].name == "faiss-cpu IndexPQ"  # `half` is faster on the one it does
        assert best["sum"].ratio == pytest.approx(0.25, rel=0.1)
        assert best[""].ratio == pytest.approx(1.0, rel=0.1)

    def test_a_wrong_champion_leaves_no_ratio(self):
        told = "disagrees: operation 0: n is 1, expected 2"
        heat = _heat("search", 1, _ran(0, (), told), _ran(2, _times(200, 2)))
        assert all(line.ratio is None for line in result.lines([heat]))
        assert result.best([heat], ENTRANTS) == ()
        assert result.standings([heat])[0].note == told


class TestPage:
    def test_every_figure_is_the_races(self):
        race = _race()
        text = page.markdown(race)
        found = next(s for s in race.standings if s.entrant == 2)
        assert f"| {found.ratio:.2f} [{found.low:.2f}, {found.high:.2f}] |" in text
        assert "`autoresearch peers toy` on 2026-01-02, a processor (id)." in text
        assert f"- absent scan (search): {ABSENT}." in text
        assert "- half scan (search): n/a: too long." in text
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        assert len(rows) == 1 + 1 + len(race.standings)
        assert len({row.count(" | ") for row in rows}) == 1

    def test_a_workload_table_has_a_column_for_each(self):
        heads, rows = page.workloads(_race(), "search")
        assert heads[2:] == ("reference", "faiss-cpu IndexPQ", "slow scan", "absent scan",
                             "half scan")  # fmt: skip
        assert rows[0][0] == "n=1" and rows[0][5] == "skipped" and rows[1][6] == "n/a"
        assert {len(row) for row in rows} == {len(heads)}

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (f"# toy\n\n{page.BEGIN}\nold\n{page.END}\n\nend\n", "\n\nend\n"),
            ("# toy\n\n**Peers.** These.\nThose.\n\n**Best.** None.\n", "\n\n**Best.** None.\n"),
            ("# toy\n", "\n"),
            (None, "\n"),
        ],
    )
    def test_the_table_has_one_place(self, tmp_path, before, after):
        path = tmp_path / "docs" / "targets" / "toy.md"
        if before is not None:
            path.parent.mkdir(parents=True)
            path.write_text(before)
        for _ in range(2):
            assert page.write(tmp_path, _race()) == path
            text = path.read_text()
            assert text.startswith("# toy\n") and "old" not in text
            assert text.count(page.BEGIN) == text.count(page.END) == 1
            assert text.partition(page.END)[2] == after

    def test_no_table_when_nothing_was_measured(self, tmp_path):
        failed = [_heat("search", 1, _ran(0, (), "failed: x"), _ran(2, _times(1)))]
        assert page.write(tmp_path, _race(failed)) is None
        assert not (tmp_path / "docs").exists()


@pytest.fixture(scope="module")
def raced(fresh, tmp_path_factory):
    """One real race of the toy with peers of every kind, and with a user's file."""
    toy = fresh.copy(tmp_path_factory.mktemp("peers") / "project")
    toy.data = str(toy.root.with_name("mine.npy"))
    np.save(toy.data, np.random.default_rng(0).standard_normal((40, 700)))
    (toy.root / "targets" / "toy" / "peers.py").write_text(TOY_PEERS.read_text())
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lease, "_path", lambda core: toy.root.with_name("lease.lock"))
        return run.run(toy.session(), 6, toy.heard.append, told.append), told


class TestTheRace:
    def _of(self, raced, what):
        race, _ = raced
        number = next(i for i, e in enumerate(race.entrants) if e.what == what)
        return race.entrants[number], next(s for s in race.standings if s.entrant == number)

    def test_kernels_and_an_honest_peer_are_timed_on_everything(self, raced):
        race, told = raced
        assert [e.name for e in race.entrants[:2]] == ["champion", "reference"]
        assert race.entrants[0].layout == "free"  # the toy has a prepare
        for standing in race.standings[:2]:
            assert standing.ratio and standing.workloads == standing.of == 3
        entrant, standing = self._of(raced, "dot")
        assert entrant.version == np.__version__
        assert standing.workloads == 3 and standing.low <= standing.ratio <= standing.high
        assert any(what.startswith("numpy dot on weigh: n=4096") for what in told)

    @pytest.mark.parametrize(
        ("what", "note"),
        [
            ("off", "disagrees: operation "),
            ("absent", "skipped: not installed (pip install no-such-library)"),
            ("broken", "failed: ValueError: broken"),
            ("unable", "n/a: never"),
            ("unpackable", "n/a: not in this form"),
        ],
    )
    def test_who_cannot_be_compared_has_no_ratio_but_a_reason(self, raced, what, note):
        _, standing = self._of(raced, what)
        assert standing.ratio is None and standing.workloads == 0
        assert standing.note.startswith(note)

    def test_a_workload_that_a_peer_cannot_do_is_left_out(self, raced):
        _, standing = self._of(raced, "small")
        assert (standing.workloads, standing.of) == (2, 3)
        assert standing.note == "n/a: too long"

    def test_a_users_file_gives_workloads_too(self, raced):
        race, _ = raced
        assert race.data.startswith("mine.npy:")
        timed = {line.workload for line in race.lines if line.entrant == 0 and line.ratio}
        assert f"weigh: n=700,dist=data,data={race.data}" in timed
        assert f"data from {race.data}" in page.told(race)

    def test_a_buffer_used_again_and_a_form_of_its_own_are_right(self, raced):
        _, standing = self._of(raced, "flatnonzero")
        assert standing.op == "select" and standing.ratio and not standing.note

    def test_the_best_is_a_peer(self, raced):
        race, _ = raced
        assert [one.op for one in race.best] == ["weigh", "select", ""]
        assert race.best[0].name == "numpy dot"

    def test_it_is_one_json_object(self, raced):
        race, _ = raced
        assert json.loads(json.dumps(asdict(race)))["target"] == "toy"
        assert race.empty_call_ns > 0


def test_a_wrong_champion_disagrees_beside_the_right_reference(toy):
    """Two kernels in one process keep their own functions of the same name."""
    (toy.root / "targets" / "toy" / "kernels.py").write_text(
        (ROOT / "tests" / "toyroot" / "variants" / "wrong.py").read_text()
    )
    race = run.run(toy.session(), 6, toy.heard.append, lambda _: None)
    notes = {(s.entrant, s.op): s.note for s in race.standings}
    assert any("disagrees" in notes[0, op] for op in ("weigh", "select"))
    assert not notes[1, "weigh"] and not notes[1, "select"]
    assert toy.heard == ["toy has no peers.py: only the reference is raced"]


def test_the_champion_is_this_machines_incumbent_whatever_lies_in_the_file(toy):
    row = toy.baseline(kernel(1.5))
    toy.kernels.write_text("import os\n")
    text, told = run._champion(toy.session())
    assert text == kernel(1.5).decode() and row.id in told


def test_a_kernel_that_the_screen_refuses_does_not_race(toy):
    toy.kernels.write_text("import os\n")
    with pytest.raises(Refusal, match="cannot race"):
        run.run(toy.session(), 6, toy.heard.append, lambda _: None)


def test_a_peers_file_that_fails_is_a_refusal(toy):
    (toy.root / "targets" / "toy" / "peers.py").write_text("PEERS = nothing\n")
    with pytest.raises(Refusal, match="NameError: name 'nothing'"):
        run.run(toy.session(), 6, toy.heard.append, lambda _: None)


def test_a_library_that_takes_the_process_along_is_named(toy):
    text = TOY_PEERS.read_text() + "\nPEERS = (Peer('libc', 'exit', 'weigh', _exit, _total, ''),)\n"
    (toy.root / "targets" / "toy" / "peers.py").write_text(text)
    with pytest.raises(Refusal, match="died: libc exit on weigh: n=4096"):
        run.run(toy.session(), 6, toy.heard.append, lambda _: None)


def test_versions_are_those_installed():
    assert child.version("numpy") == np.__version__
    assert child.version("no-such-library") == ""


def test_all_are_those_that_list_peers(toy):
    with pytest.raises(Refusal, match="No target here lists peers"):
        run.with_peers(toy.root)
    (toy.root / "targets" / "toy" / "peers.py").touch()
    assert run.with_peers(toy.root) == ["toy"]


class TestTheVerb:
    @pytest.fixture
    def told(self, toy, monkeypatch):
        monkeypatch.setattr(run, "run", lambda *_: _race())
        start = ["--root", str(toy.root), "peers"]
        return lambda *words: CliRunner().invoke(app, [*start, *words], catch_exceptions=False)

    def test_json_is_one_object_with_a_schema(self, told):
        done = told("toy", "--json")
        assert done.exit_code == 0
        found = json.loads(done.stdout)
        assert found["schema"] == 1
        assert [r["target"] for r in found["peers"]] == ["toy"]
        assert set(found["peers"][0]) == set(Race.__dataclass_fields__)

    def test_tables_name_everybody_also_who_is_missing(self, told):
        text = told("toy").stdout
        assert "Peers of toy" in text and "faiss-cpu IndexPQ" in text
        assert "not installed" in text and "time over the champion's" in text

    def test_a_page_is_written_only_when_asked(self, told, toy):
        path = toy.root / "docs" / "targets" / "toy.md"
        told("toy")
        assert not path.exists()
        told("toy", "--write-docs")
        assert page.markdown(_race()) in path.read_text()

    def test_either_names_or_all(self, told):
        for words in ((), ("toy", "--all")):
            with pytest.raises(Refusal, match="--all"):
                told(*words)
