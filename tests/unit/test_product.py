"""From lab to product: the rules and the arithmetic on made-up figures, pipelines under two sets of
kernels, a measurement of processes that are none, and a promotion in a repository of its own."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from math import inf
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from fake import Toy

from autoresearch import overview
from autoresearch.catalog import discover
from autoresearch.errors import Refusal
from autoresearch.ledger import Ledger, new_id
from autoresearch.model import Result, Trial
from autoresearch.product import (
    amdahl,
    answers,
    bench,
    capsule,
    child,
    judge,
    measure,
    page,
    pipelines,
    promote,
    record,
    run,
    ship,
    store,
)
from autoresearch.product.pipeline import Pipeline, Share, Size
from autoresearch.session import Session

ROOT = Path(__file__).resolve().parents[2]
EVERY = {pipeline.name: pipeline for pipeline in pipelines.every()}


def _line(share, versus, name="whole"):
    return record.Line(name, share, 4, {"product": versus})


def _row(*lines, overall=(1.2, 1.15, 1.25), **more):
    facts = {"kind": "integrate", "target": "toy", "timestamp": "2026-01-02T03:04:05+00:00"}
    facts |= {"machine": "m", "digest": "d", "scale": 1.0, "spawns": 10, "lines": lines}
    return record.Row(**facts | {"overall": {"product": overall} if overall else {}} | more)


GOOD = judge.Audit(1.5, 1.45, 1.02)
PROVEN = _row(_line(0.5, (1.2, 1.15, 1.25)))


class TestAmdahl:
    @pytest.mark.parametrize(
        ("share", "speedup", "whole"),
        [(0.5, 2, 4 / 3), (0.8, inf, 5), (0, 10, 1), (1, 3, 3), (0.25, 0.5, 0.8)],
    )
    def test_a_whole_gains_what_its_part_leaves(self, share, speedup, whole):
        assert amdahl.whole(share, speedup) == pytest.approx(whole)

    def test_the_ceiling_of_everything_is_open(self):
        assert amdahl.ceiling(1.0) == inf
        assert amdahl.ceiling(0.0) == 1.0


class TestJudge:
    @pytest.mark.parametrize(
        ("audit", "row", "told"),
        [
            (GOOD, PROVEN, ""),
            (None, PROVEN, "no audit compares"),
            (GOOD, None, "no integration compares"),
            (replace(GOOD, speedup=1.09), PROVEN, "the audit shows 1.090x"),
            (replace(GOOD, low=0.99), PROVEN, "the audit shows 1.500x (at least 0.990x)"),
            (replace(GOOD, worst=0.94), PROVEN, "the guard is broken: 0.940x"),
            (
                GOOD,
                _row(_line(0.001, (0.99, 0.98, 0.999)), overall=(0.99, 0.98, 0.999)),
                "end to end it is slower",
            ),
            (
                GOOD,
                _row(_line(0.001, (1.0, 0.9, 1.1)), overall=(1.0, 0.9, 1.1)),
                "not shown to be no slower",
            ),
            (
                GOOD,
                _row(_line(0.5, (1.2, 1.1, 1.3)), _line(0.1, (0.9, 0.88, 0.92), "or")),
                "or is slower: 0.900x",
            ),
            (
                replace(GOOD, worst=1.25),
                _row(_line(0.5, (1.0, 0.995, 1.005))),
                "should gain 1.11x at least",
            ),
            (
                GOOD,
                _row(_line(0.1, (1.0, 0.995, 1.005)), overall=(1.0, 0.995, 1.005)),
                "end to end it should gain 1.03x",
            ),
            (GOOD, _row(_line(0.1, (1.0, 0.995, 1.005)), overall=(1.01, 1.005, 1.015)), ""),
            (GOOD, _row(_line(0.01, (1.0, 0.995, 1.005)), overall=(1.0, 0.995, 1.005)), ""),
        ],
    )
    def test_what_may_ship(self, audit, row, told):
        found = judge.objections(audit, row)
        assert told in "; ".join(found)
        assert bool(found) == bool(told)

    def test_without_a_figure_of_the_lab_the_mean_itself_must_gain(self):
        level = _row(_line(0.9, (1.0, 0.995, 1.005)), overall=(1.0, 0.995, 1.005))
        assert "nothing is gained" in judge.shortfalls(level, None)[0]
        assert judge.shortfalls(PROVEN, None) == ()


class TestShip:
    @pytest.mark.parametrize(
        "form", ["from autoresearch import simd", "from autoresearch.simd import x"]
    )
    def test_only_the_import_differs(self, form):
        text = f'"""A kernel."""\n\nimport numpy as np\n\n{form}\n\nX = 1\n'
        shipped = ship.shipped(text)
        assert "from autoresearch" not in shipped and "from ..." in shipped
        assert shipped.splitlines()[:4] == text.splitlines()[:4]
        assert ship.lab(shipped) == text

    def test_another_import_is_refused(self):
        with pytest.raises(ValueError, match="imports autoresearch other than"):
            ship.shipped("import autoresearch.simd as simd\n")


class TestAnswers:
    def _told(self, ids, dists, kind="ranked"):
        want, have = (
            {"ids": np.array([i]), "dists": np.array([d], np.float32)}
            for i, d in (([5, 3, 8], [1, 2, 3]), (ids, dists))
        )
        return answers.differ(kind, want, have, {}, 0)

    def test_ties_at_the_end_may_be_others(self):
        assert self._told([5, 3, 9], [1, 2, 3]) is None

    @pytest.mark.parametrize(
        ("ids", "dists", "told"),
        [
            ([5, 4, 8], [1, 2, 3], "ids[0, 1] is 4, expected 3"),
            ([5, 3, 8], [1, 2.001, 3], "dists[0, 1] is 2.0"),
            ([5, 3, -1], [1, 2, inf], "dists[0, 2] is inf"),
            ([5, 3], [1, 2], "ids has shape"),
        ],
    )
    def test_what_differs_is_named(self, ids, dists, told):
        assert told in self._told(ids, dists)

    def test_a_lossy_answer_may_miss_but_not_misstate(self):
        assert self._told([5, 7, 8], [1, 2.5, 3], "lossy") is None
        assert "dists[0, 0]" in self._told([5, 7, 8], [1.1, 2.5, 3], "lossy")

    def test_bytes_are_compared_as_such(self):
        want, have = {"n": np.arange(3)}, {"n": np.array([0, 1, 3])}
        assert answers.differ("exact", want, have, {}, 0).startswith("n[2]")
        assert answers.differ("exact", want, want, {}, 0) is None


class TestPipelines:
    def test_every_target_is_at_work_in_one(self):
        used = {target for pipeline in EVERY.values() for target in pipeline.targets}
        assert used == {entry.name for entry in discover(ROOT)}

    @pytest.mark.slow
    @pytest.mark.parametrize("name", EVERY)
    def test_two_sets_of_kernels_answer_alike(self, name, kernels_folder):
        pipeline, size = EVERY[name], Size(0.004, 3)
        texts = {"plain": _texts(pipeline, ""), "other": _texts(pipeline, OTHERWISE.get(name, ""))}
        place = bench.Place(ROOT, kernels_folder, 0)
        made = bench.prepared(pipeline.targets[0], (pipeline,), texts, size, place)
        arrays = store.load(kernels_folder, name)
        plain, other = (
            pipeline.open({t: _loaded(f) for t, f in made.kernels[arm].items()}, arrays)
            for arm in ("plain", "other")
        )
        for batch in range(2):
            want = plain(batch)
            told = answers.differ(pipeline.answers, want, other(batch), arrays, batch)
            assert told is None
            assert all(array.size for array in want.values())

    @pytest.mark.slow
    def test_an_arm_is_a_process_that_answers_or_says_what_failed(self, tmp_path):
        pipeline, size = EVERY["scan-numbers"], Size(0.02, 2)
        good = _texts(pipeline, "")
        bad = good | {"take": good["take"].replace("take(values", "taken(values")}
        place = bench.Place(ROOT, tmp_path, min(os.sched_getaffinity(0)))
        made = bench.prepared("take", (pipeline,), {"product": good, "champion": bad}, size, place)
        with made.arm("product", 64) as arm:
            ns, found = arm.run("scan-numbers", 0)
            share = arm.share("scan-numbers")
        assert ns > 0 and found["longs"].dtype == np.int64
        assert 0 < share.op < share.whole and share.calls == 8
        failed = pytest.raises(Refusal, match="champion's kernel failed end to end")
        with failed, made.arm("champion", 0):
            pass


# How the last target's kernel is compiled in the other set; one pipeline of each kind, as compiling
# is what takes the time.
FAST = "fastmath={'reassoc', 'contract'}"
OTHERWISE = {"ivf-flat": FAST, "ivf-pq-l2": FAST, "fts-or": FAST, "scan-text": "inline='never'"}


@pytest.fixture(scope="session")
def kernels_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("product")


@cache
def _loaded(file):
    return child.loaded(Path(file))


def _texts(pipeline, change):
    texts = {
        target: (ROOT / "targets" / target.replace("-", "_") / "reference.py").read_text()
        for target in pipeline.targets
    }
    op = [target for target in pipeline.targets if target != "topk-merge"][-1]
    return texts | {op: texts[op].replace("@njit", f"@njit({change})" if change else "@njit")}


def _pipeline(name):
    return Pipeline(name, ("toy",), "exact", lambda *_: {}, lambda *_: lambda batch: {})


class FakeBench(bench.Bench):
    """Arms that are no processes: `speeds` says how fast each runs each pipeline."""

    speeds = MappingProxyType({"product": 1.0, "champion": 1.25})
    wrong = ""

    @contextmanager
    def arm(self, name, moved):
        noise = np.random.default_rng(moved)

        def once(pipeline, batch):
            ns = 1e6 / self.speeds[name] * np.exp(0.002 * noise.standard_normal())
            return ns, {"n": np.array([batch + (name == self.wrong)])}

        yield SimpleNamespace(run=once, share=lambda pipeline: Share(1e6, 4e5, 3))


def _bench(**more):
    made = type("Made", (FakeBench,), more)
    whole = (_pipeline("one"), _pipeline("two"))
    kernels = {arm: {"toy": "kernels.py"} for arm in made.speeds}
    return made(
        "toy", whole, {"one": {}, "two": {}}, kernels, Size(1, 9), bench.Place(Path(), Path(), 0)
    )


def _seen(made, spawns=5):
    return measure.run(made, spawns, 4, np.random.default_rng(1), lambda _: None)


class TestMeasure:
    @pytest.mark.parametrize("speed", [1.25, 0.8])
    def test_a_faster_arm_shows_and_so_does_a_slower_one(self, speed):
        seen = _seen(_bench(speeds={"product": 1.0, "champion": speed}))
        ratio, low, high = measure.versus(seen, slice(None))["product"]
        assert ratio == pytest.approx(speed, rel=0.01)
        assert low < ratio < high and (low > 1 or high < 1)
        lines = measure.lines(seen)
        assert [line.pipeline for line in lines] == ["one", "two"]
        assert lines[0].share == pytest.approx(0.4)
        told = judge.shortfalls(_row(*lines, overall=(ratio, low, high)), replace(GOOD, worst=2.0))
        assert bool(told) == (speed < 1)

    def test_other_answers_give_no_number(self):
        with pytest.raises(Refusal, match="one gives no number: the champion's answers"):
            _seen(_bench(wrong="champion"))

    def test_less_recall_gives_no_number(self):
        seen = measure.Seen(
            {}, {}, {("one", "product"): [(90, 100)], ("one", "champion"): [(80, 100)]}
        )
        with pytest.raises(Refusal, match=r"recall is 0\.800, expected 0\.900"):
            measure._check_recall(seen)

    def test_alone_it_has_a_share_and_no_ratio(self):
        seen = _seen(_bench(speeds={"product": 1.0}), spawns=3)
        assert measure.lines(seen)[0].versus == {}


class TestClock:
    def test_it_counts_what_it_is_around(self):
        clock = child.Clock()
        assert clock.around(lambda x: x + 1)(2) == 3
        assert clock.calls == 1 and clock.ns > 0
        assert 0 <= clock.net_ns() <= clock.ns


class TestRecord:
    def test_a_row_comes_back_as_it_was_and_the_newest_first(self, tmp_path):
        ledger = Ledger(tmp_path)
        older = _row(_line(0.25, (1.0, 0.9, 1.1)), kind="ceiling", overall=())
        for row in (older, replace(PROVEN, verdict="proven", reasons=("a", "b")), older):
            record.write(ledger, row)
        found = record.newest(ledger, "toy", record.INTEGRATE)
        assert found == replace(PROVEN, verdict="proven", reasons=("a", "b"))
        assert record.newest(ledger, "toy").kind == "ceiling"
        assert record.newest(ledger, "other") is None
        assert ledger.verify() == ()

    def test_a_damaged_line_is_told_and_skipped(self, tmp_path):
        ledger = Ledger(tmp_path)
        record.write(ledger, PROVEN)
        path = ledger.folder / "integration.jsonl"
        path.write_text(path.read_text().replace("1.25", "9.25"))
        assert record.newest(ledger, "toy") is None
        assert "integration.jsonl: Line 1 was edited" in ledger.verify()[0].told

    def test_git_names_a_blob_so(self, toy: Toy):
        (toy.root / "x").write_bytes(b"abc\n")
        assert record.blob_id(b"abc\n", "0" * 40) == toy.git("hash-object", "x")

    def test_a_keep_is_lab_until_an_integration_says_otherwise(self, toy: Toy):
        toy.baseline((toy.root / "targets/toy/reference.py").read_bytes())
        assert _stage(toy) == ("seed", None)
        kept = toy.trial(toy.kernels.read_bytes() + b"\nFAKE = (1.3, '')\n").trial
        assert kept.result.verdict == "keep"
        assert _stage(toy) == ("lab", None)
        row = _row(_line(0.5, (1.2, 1.1, 1.3)), arms={"champion": kept.candidate, "product": "p"})
        record.write(Ledger(toy.root), replace(row, verdict="proven"))
        assert _stage(toy) == ("proven", pytest.approx(2.0))


def _stage(toy):
    (line,) = overview.targets(toy.root)
    return line.stage, line.ceiling


class TestPage:
    def test_a_table_has_a_line_for_each_pipeline_and_one_for_all(self):
        row = replace(PROVEN, lab=1.5, verdict="proven", origin="incumbent, row 7")
        assert len(page.heads(row)) == len(page.cells(row)[0]) == len(page.cells(row)[-1])
        assert page.cells(row)[0][1:5] == ("50.0%", "4", "2.00x", "1.20x")
        assert page.told(row)[-1] == "toy is proven"
        ceiling = replace(row, kind="ceiling", overall={}, scale=0.5)
        assert "at 0.5 of the real size" in page.told(ceiling)[0]
        assert "more than 2.00x" in page.told(ceiling)[1]


class TestRun:
    @pytest.mark.parametrize("verb", [run.ceiling, run.integrate])
    def test_a_target_in_no_pipeline_is_refused(self, toy: Toy, verb):
        with pytest.raises(Refusal, match="No end-to-end workload uses toy"):
            verb(toy.session(), run.Asked(), print, print)

    def test_the_product_is_not_compared_with_itself(self, shop):
        with pytest.raises(Refusal, match="is the product's kernel already"):
            run.integrate(shop.session(), run.Asked(), print, print)

    def test_what_was_seen_is_recorded(self, shop, tmp_path):
        shop.keeps(CHAMPION)

        def prepared(target, whole, texts, size, place):
            assert texts["champion"]["pq-l2"] == CHAMPION
            assert texts["champion"]["topk-merge"] == texts["product"]["topk-merge"]
            made = _bench()
            return replace(made, kernels={arm: {} for arm in texts})

        for target in ("ivf_partition", "topk_merge"):
            shutil.copytree(ROOT / "targets" / target, shop.root / "targets" / target)
        row = run.integrate(shop.session(), run.Asked(5), print, lambda _: None, prepared)
        assert row.verdict == "proven" and row.lab is None
        assert record.newest(Ledger(shop.root), "pq-l2", "integrate") == row


CHAMPION = (
    (ROOT / "targets/pq_l2/reference.py")
    .read_text()
    .replace(
        "from numba import njit\n", "from numba import njit\n\nfrom autoresearch import simd\n"
    )
)


class Shop:
    """A checkout with one target and nothing promoted, and a ledger to fill."""

    def __init__(self, root):
        self.root = root
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "targets/pq_l2", root / "targets/pq_l2", ignore=ignore)
        folder = root / "src/autoresearch/kernels/promoted"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text('"""Champions."""\n')
        self.page = root / "docs/targets/pq-l2.md"
        self.page.parent.mkdir(parents=True)
        self.page.write_text("# pq-l2\n\n**Best result.** None yet.\n\n**What did not work.**\n")
        reference = (root / "targets/pq_l2/reference.py").read_bytes()
        (root / "targets/pq_l2/kernels.py").write_bytes(reference)
        for words in ("init -qb main", "add -A", "commit -qm start"):
            self.git(*words.split())
        self.seed = self.session().workspace.put_blob(reference)

    def git(self, *words):
        who = ("-c", "user.name=u", "-c", "user.email=u@example.org")
        command = ["git", *who, *words]
        return subprocess.run(
            command, cwd=self.root, check=True, capture_output=True, text=True
        ).stdout

    def session(self):
        return Session.open(self.root, "pq-l2", print)

    def _append(self, kind, verdict, blob, **more):
        session = self.session()
        result = Result("pq-l2", verdict, machine=session.machine.id, commit="c0ffee", **more)
        return session.ledger.append(
            Trial(
                new_id(), kind, result, candidate=blob, incumbent=self.seed, digest=session.digest
            )
        )

    def keeps(self, text):
        blob = self.session().workspace.put_blob(text.encode())
        self._append("trial", "keep", blob)
        return blob

    def audits(self, blob, speedup=4.0):
        figures = {"speedup": speedup, "speedup_ci95": (speedup - 0.1, speedup + 0.1)}
        self._append("audit", "keep", blob, **figures, worst_speedup=1.5, worst_speedup_at="w")

    def integrates(self, blob, overall=(1.5, 1.4, 1.6), **more):
        session = self.session()
        facts = {"machine": session.machine.id, "digest": session.digest, "target": "pq-l2"}
        facts |= {"arms": {"champion": blob, "product": self.seed, "seed": self.seed}} | more
        record.write(session.ledger, _row(_line(0.6, overall), overall=overall, **facts))


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setattr(promote, "HOME", tmp_path / "shop/src/autoresearch")
    monkeypatch.setattr("autoresearch.kernels.is_promoted", lambda target: False)
    monkeypatch.setattr("autoresearch.runner.lease._path", lambda core: tmp_path / "lease.lock")
    return Shop(tmp_path / "shop")


def test_the_list_of_what_ships_is_as_the_kernels_are():
    page = (ROOT / "docs/targets/README.md").read_text()
    assert page == capsule.listed(record.shipped())


class TestPromotion:
    def test_there_and_back_in_a_commit_each(self, shop):
        blob = shop.keeps(CHAMPION)
        shop.audits(blob)
        shop.integrates(blob)
        (shop.root / "staged").write_text("mine\n")
        shop.git("add", "staged")
        done = promote.promote(shop.session())
        folder = shop.root / "src/autoresearch/kernels/promoted"
        assert (folder / "pq_l2.py").read_text() == ship.shipped(CHAMPION)
        facts = json.loads((folder / "pq_l2.json").read_text())
        assert facts["kernel"] == blob and facts["commit"] == "c0ffee"
        assert facts["audit"]["speedup"] == 4.0 and facts["overall"] == [1.5, 1.4, 1.6]
        changed = shop.git("show", "--name-status", "--format=", done.commit).split()
        paths = [f"src/autoresearch/kernels/promoted/pq_l2{end}" for end in (".json", ".py")]
        assert changed == ["M", "docs/targets/pq-l2.md", "A", paths[0], "A", paths[1]]
        assert "**Best result.** 4.00x what shipped before" in shop.page.read_text()
        assert shop.git("status", "--porcelain") == "A  staged\n"
        gone = promote.demote(shop.session())
        changed = shop.git("show", "--name-status", "--format=", gone.commit).split()
        assert changed == ["M", "docs/targets/pq-l2.md", "D", paths[0], "D", paths[1]]
        assert capsule.NONE in shop.page.read_text()
        assert sorted(path.name for path in folder.iterdir()) == ["__init__.py"]
        with pytest.raises(Refusal, match="No promoted kernel of pq-l2 ships"):
            promote.demote(shop.session())

    @pytest.mark.parametrize(
        ("prepare", "told"),
        [
            (lambda shop, blob: None, "no audit compares it with the product; no integration"),
            (lambda shop, blob: shop.audits(blob, 1.05), "the audit shows 1.050x"),
            (
                lambda shop, blob: shop.integrates(blob, (0.9, 0.88, 0.92)),
                "end to end it is slower",
            ),
            (lambda shop, blob: shop.integrates(blob, scale=0.5), "no integration"),
            (lambda shop, blob: shop.integrates(blob, digest="other"), "no integration"),
            (lambda shop, blob: shop.integrates("another"), "no integration"),
        ],
    )
    def test_it_says_what_is_missing_and_changes_nothing(self, shop, prepare, told):
        blob = shop.keeps(CHAMPION)
        prepare(shop, blob)
        before = shop.git("rev-parse", "HEAD")
        with pytest.raises(Refusal, match="pq-l2 was not promoted") as refused:
            promote.promote(shop.session())
        assert told in refused.value.what
        assert shop.git("rev-parse", "HEAD") == before
        assert shop.git("status", "--porcelain") == ""

    def test_what_ships_already_is_not_promoted(self, shop):
        shop.keeps((shop.root / "targets/pq_l2/reference.py").read_text())
        with pytest.raises(Refusal, match="is the kernel that ships already"):
            promote.promote(shop.session())

    def test_an_edited_copy_is_not_written_over(self, shop):
        blob = shop.keeps(CHAMPION)
        shop.audits(blob)
        shop.integrates(blob)
        mine = shop.root / "src/autoresearch/kernels/promoted/pq_l2.py"
        mine.write_text("mine\n")
        with pytest.raises(Refusal, match="has changes that are in no commit"):
            promote.promote(shop.session())
        assert mine.read_text() == "mine\n"

    @pytest.mark.parametrize("verb", [promote.promote, promote.demote])
    def test_another_project_ships_nothing(self, toy: Toy, verb):
        with pytest.raises(Refusal, match="is not the checkout of autoresearch that runs"):
            verb(toy.session())
