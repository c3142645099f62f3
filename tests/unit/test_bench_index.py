"""The race of indexes: its arithmetic, its file and page, refusals, and one quick race for real."""

import json
import shutil
import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from autoresearch.bench_index import (
    chart,
    grid,
    origin,
    page,
    ratio,
    report,
    run,
    sides,
    store,
    tables,
    timing,
    vectors,
)
from autoresearch.bench_index import waits as waiting
from autoresearch.bench_index.model import (
    ADD,
    OURS,
    SEARCH,
    THEIRS,
    TRAIN,
    Origin,
    Plan,
    Point,
    Told,
    row_of,
)
from autoresearch.cli.every import app
from autoresearch.data.source import Source
from autoresearch.errors import Refusal

PLAN = Plan("ivfflat", 100_000, 128, 316, 19_600, "clustered", False)
MADE = Origin("2026-01-02T03:04:05+00:00", "box-2c-abc", "d1", "c1", {"faiss-cpu": "1"})


def told(factor=2.0, **more):
    """Ours takes 100 ns, faiss `factor` times as long."""
    return Told((100.0, 110.0), (100 * factor, 110 * factor), (0.0, 0.01), **more)


def made(point=None, plan=PLAN, origin=MADE, **more):
    point = point or Point(SEARCH, 1, 8, 4)
    recalls = {"recall": 0.9, "faiss_recall": 0.9} if point.op == SEARCH else {}
    return run.row(plan, point, [told(**{**recalls, **more})] * 3, origin)


class TestGrid:
    def test_what_the_package_has_is_raced(self, monkeypatch):
        assert {"flat", "ivfflat"} <= set(grid.present())
        monkeypatch.setattr(grid, "index", SimpleNamespace(IndexFlatL2=0, IndexIVFPQ=0))
        assert grid.present() == grid.chosen("") == ("flat", "ivfpq")
        assert grid.chosen("ivfpq") == ("ivfpq",)
        with pytest.raises(Refusal, match="no IndexIVFFlat"):
            grid.chosen("ivfflat")
        with pytest.raises(Refusal, match="no kind 'hnsw'"):
            grid.chosen("hnsw")

    def test_the_sweep(self):
        found = grid.points(PLAN, 2, grid.FULL)
        searches = [point for point in found if point.op == SEARCH]
        assert {point.threads for point in found} == {2}
        assert [p.op for p in found[:2]] == [TRAIN, ADD]
        assert {point.nq for point in searches} == {1, 8, 32, 128, 512, 2048, 19600}
        assert len({point.nprobe for point in searches}) >= 3
        assert len({point.max_codes for point in searches}) >= 3
        assert len(set(found)) == len(found)

    def test_without_lists_there_is_one_setting(self):
        found = grid.points(replace(PLAN, kind="flat", nlist=0), 1, grid.FULL)
        assert [point.op for point in found] == [ADD] + [SEARCH] * 7

    def test_no_batch_exceeds_the_pool_nor_nprobe_the_lists(self):
        found = grid.points(replace(PLAN, pool=100, nlist=3), 1, grid.FULL)
        assert max(point.nq for point in found) == 32
        assert max(point.nprobe for point in found) == 3

    @pytest.mark.parametrize(("d", "codes"), [(128, 32), (6, 3), (7, 7)])
    def test_codes_divide_the_components(self, d, codes):
        name = grid.factory(replace(PLAN, kind="ivfpq", d=d))
        assert name == f"IVF316,PQ{codes}x8np"


@pytest.mark.parametrize("kind", ["ivfflat", "ivfpq"])
def test_the_factory_makes_what_the_constructor_makes(kind):
    """Its defaults may add steps: a polysemous training made faiss 70 times slower than it is."""
    faiss = pytest.importorskip("faiss")
    plan = replace(PLAN, kind=kind, d=16, nlist=4)
    quantizer = faiss.IndexFlatL2(16)
    plain = {
        "ivfflat": lambda: faiss.IndexIVFFlat(quantizer, 16, 4),
        "ivfpq": lambda: faiss.IndexIVFPQ(quantizer, 16, 4, 4, 8),
    }[kind]()
    theirs = faiss.index_factory(16, grid.factory(plan))
    for name in ("do_polysemous_training", "by_residual", "polysemous_ht", "code_size"):
        assert getattr(theirs, name, None) == getattr(plain, name, None), name
    assert type(theirs) is type(plain) and theirs.cp.niter == plain.cp.niter


class TestVectors:
    def test_the_same_every_time_and_queries_apart(self):
        x, q = vectors.drawn(400, 8, 50)
        again, _ = vectors.drawn(400, 8, 50)
        assert (x.shape, q.shape, x.dtype) == ((400, 8), (50, 8), np.float32)
        assert np.array_equal(x, again)
        assert not (q[:, None] == x[None]).all(2).any()

    def test_queries_of_a_file_are_not_indexed(self):
        rows = np.arange(1000, dtype=np.float32)[:, None].repeat(2, 1)
        x, q = vectors.held_out(Source("vectors", rows), None, 19_600)
        assert (len(x), len(q)) == (800, 200)
        assert sorted([*x[:, 0], *q[:, 0]]) == rows[:, 0].tolist()
        assert len(vectors.held_out(Source("vectors", rows), 500, 19_600)[0]) == 500

    def test_a_file_too_small(self):
        rows = np.zeros((300, 2), np.float32)
        with pytest.raises(Refusal, match="leaves 240 vectors"):
            vectors.held_out(Source("vectors", rows), None, 100)


class TestTiming:
    def raced(self, budget=1e9, most=4, cost=(10, 40)):
        now, ran = [0], []

        def side(number):
            def at(turn):
                def lap():
                    ran.append((number, turn))
                    now[0] += cost[number]

                return lap

            return at

        watch = timing.Watch(lambda: now[0], lambda: now[0] // 2)
        turns = [partial(timing.turn, side(number), watch=watch) for number in (0, 1)]
        return list(timing.blocks(*turns, budget, most)), ran

    def test_both_orders_on_the_same_turn(self):
        found, ran = self.raced(most=2)
        assert found == [timing.Block(10, 40, 0.5)] * 2
        assert [number for number, _ in ran] == [0, 1, 1, 0, 1, 0, 0, 1]
        assert [turn for _, turn in ran] == [0, 0, 1, 1, 2, 2, 3, 3]

    def test_the_budget_ends_it_but_one_block_is_run(self):
        assert len(self.raced(budget=150)[0]) == 2
        assert len(self.raced(budget=0)[0]) == 1

    def test_rest_goes_before_every_lap(self):
        done = []
        watch = timing.Watch(lambda: 0, rest=lambda: done.append("rest"))
        timing.turn(lambda _: lambda: done.append("lap"), 0, watch)
        assert done == ["rest", "lap"]


class TestSides:
    class Asked:
        def __init__(self):
            self.sizes, self.first = [], []

        def search(self, q, k):
            self.sizes.append(len(q))
            self.first.append(float(q[0, 0]))
            return None, np.zeros((len(q), k), np.int64)

    @pytest.mark.parametrize(("nq", "calls"), [(1, 256), (32, 8), (512, 1)])
    def test_answers_are_asked_in_batches(self, nq, calls):
        index = self.Asked()
        ids, found = sides.answers(index, np.zeros((600, 2), np.float32), nq, 1024)
        assert found == calls == len(index.sizes) and set(index.sizes) == {nq}
        assert len(ids) == nq * calls

    def test_turns_take_other_queries(self):
        index = self.Asked()
        side = sides.searching(index, np.arange(20, dtype=np.float32)[:, None], 2, 3)
        for turn in range(2):
            side(turn)()
        # The first call of a lap goes before it too, untimed.
        assert index.first == [0, 0, 2, 4, 6, 6, 8, 10] and set(index.sizes) == {2}

    def test_recall(self):
        truth = np.array([[1, 2], [3, 4], [5, 6]])
        assert sides.recall(np.array([[2, 1], [3, 9]]), truth) == 0.75
        assert sides.recall(np.array([[-1, -1]]), np.array([[-1, 7]])) == 0


class TestRatio:
    def interval(self, logs):
        return ratio.interval(logs, np.random.default_rng(0))

    def test_of_equal_blocks_it_is_a_point(self):
        assert self.interval([[np.log(2)] * 4] * 3) == pytest.approx((2, 2, 2))

    def test_one_block_has_no_interval(self):
        found, low, high = self.interval([[np.log(3)]])
        assert (found, low, high) == (pytest.approx(3), None, None)
        row = run.row(
            PLAN, Point(SEARCH, 1, 8, 4), [Told((100.0,), (300.0,), (0.0,), 0.9, 0.9)], MADE
        )
        assert tables.times(row) == "3.00" and row_of(store.asdict(row)) == row
        tree = ElementTree.fromstring(chart.svg(tables.newest([row])))
        assert sum(e.tag.endswith("polyline") for e in tree.iter()) == 1

    def test_processes_that_differ_widen_it(self):
        rng = np.random.default_rng(1)
        noise = rng.normal(0, 0.01, (6, 15))
        apart = noise + rng.normal(0, 0.3, (6, 1))
        (_, low, high), (_, far_low, far_high) = map(self.interval, (noise, apart))
        assert np.log(far_high / far_low) > 5 * np.log(high / low)

    def test_it_holds_the_truth_about_as_often_as_it_says(self):
        rng, hits = np.random.default_rng(2), 0
        for _ in range(120):
            spawns = rng.normal(0, 0.05, (10, 1)) + rng.normal(0, 0.05, (10, 8))
            _, low, high = self.interval(spawns)
            hits += low <= 1 <= high
        assert 0.85 <= hits / 120 <= 0.99


class TestRow:
    def test_medians_and_ratio(self):
        row = made(factor=2.0)
        assert (row.ours_ns, row.faiss_ns, row.ratio) == (105, 210, 2.0)
        assert (row.low, row.high, row.note) == (2.0, 2.0, "")
        assert [len(own) for own in row.logs] == [2, 2, 2]

    def test_less_work_is_no_speed(self):
        fewer = made(factor=3.0, recall=0.89)
        assert (fewer.ratio, fewer.low, fewer.high) == (None, None, None)
        assert "fewer" in fewer.note and fewer.ours_ns == 105
        assert made(recall=0.899).ratio == made(recall=0.95).ratio == 2.0
        assert "loss" in made(Point(TRAIN, 1), loss=1.03, faiss_loss=1.0).note
        assert made(Point(TRAIN, 1), loss=1.01, faiss_loss=1.0).ratio == 2.0

    def test_there_and_back(self):
        row = made()
        assert row_of(json.loads(store.json.dumps(store.asdict(row)))) == row

    @pytest.mark.parametrize(
        "change",
        [
            {"schema": 2},
            {"ratio": "fast"},
            {"ratio": float("nan")},
            {"ours_ns": -1.0},
            {"ours_ns": None},
            {"nq": 1.5},
            {"threads": True},
            {"quick": 1},
            {"kind": 3},
            {"logs": [["x"]]},
            {"logs": 1},
            {"versions": {"numpy": 2}},
            {"versions": []},
            {"unheard": 1},
        ],
    )
    def test_an_unsound_row_is_none(self, change):
        line = store.asdict(made())
        assert row_of(line) is not None
        assert row_of(line | change) is None

    def test_a_missing_field_or_another_thing(self):
        line = store.asdict(made())
        del line["digest"]
        assert row_of(line) is None
        assert row_of([1]) is row_of(None) is None


class TestBusy:
    """Barriers of threads stall where a core is shared: the same point read 9.2 and 0.1."""

    def row(self, *waited):
        ns = [100.0 * (1 + 99 * (share > 0.05)) for share in waited]
        one = Told((100.0,) * len(ns), tuple(2 * n for n in ns), waited, 0.9, 0.9)
        return run.row(PLAN, Point(SEARCH, 2, 8, 4), [one, one], MADE)

    def test_disturbed_blocks_do_not_count(self):
        row = self.row(0.0, 0.01, 0.9, 0.02, 0.03)
        assert (row.ratio, row.low, row.high, row.void, row.note) == (2, 2, 2, 0.2, "")
        assert row.faiss_ns == 200 and [len(own) for own in row.logs] == [4, 4]

    @pytest.mark.parametrize("waited", [(0.0, 0.9, 0.0), (0.9, 0.9)])
    def test_of_too_many_there_is_no_ratio(self, waited):
        row = self.row(*waited)
        assert (row.ratio, row.low, row.high) == (None, None, None)
        assert row.note == "the machine was busy" and row_of(store.asdict(row)) == row
        told = " ".join(tables.told(tables.newest([row, made()])[0]))
        assert "No ratio for 1 of 2 points: the machine was busy" in told

    def test_waits_of_threads_add_up_and_never_fall(self, tmp_path):
        def thread(name, ns):
            folder = tmp_path / "proc/self/task" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "schedstat").write_text(f"7 {ns} 1\n")

        thread("1", 100)
        waits = waiting.Waits(tmp_path)
        first = waits()
        thread("1", 150)
        thread("2", 30)
        assert waits() - first == 80
        shutil.rmtree(tmp_path / "proc/self/task/2")
        assert waits() - first == 80
        (tmp_path / "proc/self/task/1/schedstat").unlink()
        assert waits() - first == 80

    def test_this_process_has_some(self):
        assert waiting.Waits()() >= 0


class TestStore:
    def test_bad_lines_are_skipped_and_counted(self, tmp_path):
        first, second = made(), made(Point(SEARCH, 2, 1, 1))
        store.add(tmp_path, [first])
        with (tmp_path / store.ROWS).open("ab") as file:
            file.write(b'\n{"schema": 2}\n[]\n\xff\xfe\n' + b"[" * 9000 + b"\n{torn")
        store.add(tmp_path, [second])
        assert store.read(tmp_path) == store.Read((first, second), 5)

    def test_no_file(self, tmp_path):
        assert store.read(tmp_path) == store.Read((), 0)

    def test_machines_stand_side_by_side(self, tmp_path):
        store.describe(tmp_path, "a", {"cpu": 1})
        store.describe(tmp_path, "b", {"cpu": 2})
        store.describe(tmp_path, "a", {"cpu": 3})
        machines = json.loads((tmp_path / store.ENVIRONMENT).read_text())["machines"]
        assert machines == {"a": {"cpu": 3}, "b": {"cpu": 2}}
        (tmp_path / store.ENVIRONMENT).write_text("broken")
        store.describe(tmp_path, "c", {})
        assert list(json.loads((tmp_path / store.ENVIRONMENT).read_text())["machines"]) == ["c"]


class TestNewest:
    def test_the_last_row_of_a_point(self):
        old, new = made(factor=2.0), made(factor=3.0)
        (table,) = tables.newest([old, new])
        assert table.rows == (new,)

    @pytest.mark.parametrize("name", ["digest", "machine", "versions"])
    def test_other_settings_are_never_beside_it(self, name):
        value = {"faiss-cpu": "2"} if name == "versions" else "other"
        old = made(Point(SEARCH, 1, 1, 1))
        new = made(origin=replace(MADE, **{name: value}))
        (table,) = tables.newest([old, new])
        assert table.rows == (new,)

    def test_a_quick_look_only_where_there_is_nothing_else(self):
        full, quick = made(), made(plan=replace(PLAN, quick=True))
        assert tables.newest([full, quick])[0].rows == (full,)
        assert tables.newest([quick])[0].rows == (quick,)
        assert "quick look" in " ".join(tables.told(tables.newest([quick])[0]))

    def test_cells(self):
        rows = [made(Point(SEARCH, 2, 8, 4)), made(Point(SEARCH, 1, 1, 4, 50), recall=0.1)]
        rows += [made(Point(SEARCH, 1, 1, 4)), made(Point(TRAIN, 1), loss=1.0, faiss_loss=1.0)]
        (table,) = tables.newest(rows)
        assert tables.search_heads(table)[-2:] == ("nq 1", "nq 8")
        ratio_ = "2.00 [2.00, 2.00]"
        assert tables.search_cells(table) == [
            ("1", "4", "", "0.900", "0.900", ratio_, ""),
            ("1", "4", "50", "0.100", "0.900", "n/a", ""),
            ("2", "4", "", "0.900", "0.900", "", ratio_),
        ]
        assert [line[0] for line in tables.fill_cells(table)] == ["train"]
        assert any("fewer" in sentence for sentence in tables.told(table))


class TestPage:
    rows = (made(), made(Point(ADD, 1)), made(plan=replace(PLAN, kind="flat", nlist=0)))

    def test_round_trip(self, tmp_path):
        path = tmp_path / page.PAGE
        path.parent.mkdir()
        path.write_text(f"# Mine\n\nbefore\n\n{page.BEGIN}\nold\n{page.END}\n\nafter\n")
        assert page.write(tmp_path, self.rows) == (page.PAGE, page.CHART)
        once = path.read_text()
        assert once.startswith("# Mine\n\nbefore\n\n") and once.endswith(f"{page.END}\n\nafter\n")
        assert "old" not in once and "### IndexIVFFlat" in once and "2.00 [2.00, 2.00]" in once
        page.write(tmp_path, self.rows)
        assert path.read_text() == once

    def test_a_page_without_marks_gets_them_at_its_end(self):
        text = page.placed("# Mine\n\nwords\n", "part")
        assert text == f"# Mine\n\nwords\n\n{page.BEGIN}\npart\n{page.END}\n"
        assert page.placed(text, "part") == text

    def test_without_rows_nothing_is_written(self, tmp_path):
        assert page.write(tmp_path, []) == () and not list(tmp_path.iterdir())

    def test_the_chart_is_sound_and_has_a_line_for_each_setting(self):
        points = [Point(SEARCH, t, nq, 4) for t in (1, 2) for nq in (1, 19600)]
        rows = [made(point, factor=f) for point, f in zip(points, (0.3, 9, 1, 2), strict=True)]
        tree = ElementTree.fromstring(chart.svg(tables.newest(rows)))
        lines = [e for e in tree.iter() if e.tag.endswith("polyline")]
        assert len(lines) == 2
        for line in lines:
            for pair in line.attrib["points"].split():
                x, y = map(float, pair.split(","))
                assert chart.LEFT <= x <= chart.WIDTH and chart.TOP <= y <= chart.HEIGHT

    def test_a_chart_without_a_ratio(self):
        ElementTree.fromstring(chart.svg(tables.newest([made(recall=0.1)])))

    def test_the_page_here_has_its_marks(self):
        text = (origin.HOME.parents[1] / page.PAGE).read_text()
        assert text.count(page.BEGIN) == text.count(page.END) == 1


class TestRefusals:
    def test_without_faiss(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "faiss", None)
        with pytest.raises(Refusal, match=r"faiss is not installed.*--peers"):
            run.race(tmp_path, run.Asked(), print, print)
        assert not list(tmp_path.iterdir())

    def test_an_unknown_kind_is_told_before_faiss_is_missed(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "faiss", None)
        with pytest.raises(Refusal, match="There is no kind 'nope'"):
            run.race(tmp_path, run.Asked("nope"), print, print)

    def test_an_interrupted_race_leaves_nothing(self, tmp_path, monkeypatch):
        pytest.importorskip("faiss")

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(run.lease, "_path", lambda core: tmp_path / "lock")
        monkeypatch.setattr(run.process, "build", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.race(tmp_path, run.Asked("flat", quick=True), print, print)
        assert not (tmp_path / "benchmarks").exists()

    def test_without_rows(self, tmp_path):
        with pytest.raises(Refusal, match="holds no row"):
            report.recorded(tmp_path, print)
        store.add(tmp_path, [])
        (tmp_path / store.ROWS).write_text("{}\n[]\n")
        with pytest.raises(Refusal, match="2 lines"):
            report.recorded(tmp_path, print)

    @pytest.mark.parametrize(
        ("more", "words"),
        [({"d": 4}, "own d"), ({}, "does not exist")],
    )
    def test_a_file_and_d(self, tmp_path, more, words):
        with pytest.raises(Refusal, match=words):
            run._laid(tmp_path, run.Asked(data=str(tmp_path / "x.npy"), **more))


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("index/new.py", True),
        ("kernels/promoted/x.py", True),
        ("bench_index/grid.py", True),
        ("bench_index/page.py", False),
    ],
)
def test_the_digest_covers_what_is_raced(name, counts, tmp_path, monkeypatch):
    shutil.copytree(origin.HOME, tmp_path / "src", ignore=lambda _, names: {"__pycache__"})
    monkeypatch.setattr(origin, "HOME", tmp_path / "src")
    before = origin.digest()
    with (tmp_path / "src" / name).open("a") as file:
        file.write("# changed\n")
    assert (origin.digest() != before) == counts


def test_rows_of_older_code_are_named(tmp_path):
    store.add(tmp_path, [made()])
    said = []
    report.recorded(tmp_path, said.append)
    assert any("IndexIVFFlat has changed" in told for told in said)
    store.add(tmp_path, [made(origin=replace(MADE, digest=origin.digest()))])
    said.clear()
    report.recorded(tmp_path, said.append)
    assert said == []


def called(root, *words):
    result = CliRunner().invoke(app, ["--root", str(root), "bench-index", *words])
    assert result.exception is None, result.exception
    return result


@pytest.mark.slow
class TestForReal:
    def test_a_quick_race_and_the_page_from_its_rows(self, tmp_path):
        pytest.importorskip("faiss")
        (tmp_path / "targets").mkdir()
        out = called(tmp_path, "--quick", "--only", "ivfflat", "--json").stdout
        rows = json.loads(out)["bench_index"]["rows"]
        known = store.read(tmp_path)
        assert known.skipped == 0 and len(known.rows) == len(rows) > 8
        assert {row.op for row in known.rows} == {TRAIN, ADD, SEARCH}
        assert all(row.quick and row.digest == origin.digest() for row in known.rows)
        for row in known.rows:
            assert row.ours_ns > 0 and row.faiss_ns > 0 and row.versions["faiss-cpu"]
            assert row.ratio or row.note
            if row.op == SEARCH:
                assert row.recall >= row.faiss_recall - run.SAME
            if row.op == SEARCH and not row.max_codes:
                assert row.recall == pytest.approx(row.faiss_recall, abs=run.SAME)
        assert not (tmp_path / page.PAGE).exists()
        with (tmp_path / store.ROWS).open("a") as file:
            file.write("not a row\n")
        told = called(tmp_path, "--from-rows")
        assert "1 lines" in told.stderr and "wrote docs/indexes.md" in told.stdout
        assert "IndexIVFFlat" in (tmp_path / page.PAGE).read_text()
        machines = json.loads((tmp_path / store.ENVIRONMENT).read_text())["machines"]
        assert set(machines) == {known.rows[0].machine}

    def test_vectors_of_a_file(self, tmp_path):
        pytest.importorskip("faiss")
        (tmp_path / "targets").mkdir()
        x = np.random.default_rng(0).standard_normal((700, 6), np.float32)
        np.save(tmp_path / "mine.npy", x)
        words = ("--quick", "--only", "flat", "--data", str(tmp_path / "mine.npy"))
        called(tmp_path, *words, "--write-docs")
        rows = store.read(tmp_path).rows
        assert {(row.n, row.d) for row in rows} == {(560, 6)}
        assert all(row.data.startswith("mine.npy:") for row in rows)
        assert {row.recall for row in rows if row.op == SEARCH} == {1.0}
        assert str(tmp_path) not in (tmp_path / store.ROWS).read_text()

    def test_what_goes_wrong_in_a_process_is_told(self, tmp_path):
        pytest.importorskip("faiss")
        plan = Plan("flat", 10, 4, 0, 4, "clustered", True)
        core, _ = run.lease.core_set()
        with pytest.raises(Refusal, match=r"flat failed \(building .*x.npy"):
            run.process.build(plan, tmp_path, (core,))

    def test_threads_of_both_sides_are_bound_to_cores(self):
        theirs, ours = (run.process.pools((2, 3), role) for role in (THEIRS, OURS))
        assert theirs["OMP_PLACES"] == "{2},{3}" and theirs["OMP_PROC_BIND"] == "true"
        assert ours.pop("AUTORESEARCH_BIND") == "1" and set(ours.values()) == {"2"}
        assert set(theirs) - set(ours) == {"OMP_PLACES", "OMP_PROC_BIND"}
