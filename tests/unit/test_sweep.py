"""Sweeps and warm starts on the toy: ordinary trials, in an order, and never over anyone's work."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import fake
import pytest
from fake import FakeRunner, Toy, kernel

from autoresearch import overview
from autoresearch.cli import show
from autoresearch.errors import Refusal
from autoresearch.ledger import Point
from autoresearch.model import Trial
from autoresearch.prior import start, sweep
from autoresearch.prior.ranking import Ranking
from autoresearch.runner.pair import Measured

OPS = ["weigh", "weigh", "select"]
BLOCKS = (64, 8, 16, 32, 128, 256)


def knobbed(blocks: tuple[int, ...] = BLOCKS, modes: str = '("plain",)') -> bytes:
    knobs = f'\n\nKNOBS = {{"block": {blocks}, "mode": {modes}}}\n'
    return kernel(more=knobs + 'BLOCK = KNOBS["block"][0]\nMODE = KNOBS["mode"][0]')


@pytest.fixture(autouse=True)
def fast_at_32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 32 are a tenth faster than 64, all others slower the farther away; the mode `bad`
    crashes."""

    def said(build: Any) -> tuple[float, str]:
        text = (build.directory / "kernels.py").read_text()
        found = re.search(r'"block": \((\d+), .*"mode": \("(\w+)"', text)
        if not found:
            return 1.0, ""
        speed = math.exp(-0.1 * (math.log2(int(found[1])) - 5) ** 2)
        return speed, "crash" if found[2] == "bad" else ""

    monkeypatch.setattr(fake, "said", said)


def swept(toy: Toy, budget: int | None = None) -> sweep.Report:
    return sweep.run(toy.session(), budget, toy.heard.append, lambda _: None)


def tries(report: sweep.Report) -> list[tuple[str, str]]:
    return [(t.setting.partition(",")[0], t.trial.result.verdict) for t in report.tried]


# Sweeps


def test_every_setting_is_an_ordinary_trial_and_the_winner_a_keep(toy: Toy) -> None:
    toy.baseline(knobbed())
    report = swept(toy)
    assert tries(report)[0] == ("block=8", "revert"), "nothing is known: as listed"
    assert sorted(tries(report)) == [
        ("block=128", "revert"),
        ("block=16", "revert"),
        ("block=256", "revert"),
        ("block=32", "keep"),
        ("block=8", "revert"),
    ]
    assert report.left == 0 and report.ended == "every setting is decided"
    assert toy.kernels.read_bytes() == knobbed((32, 64, 8, 16, 128, 256))
    assert toy.git("log", "-1", "--format=%s").endswith("sweep block=32,mode=plain")
    assert toy.git("status", "--porcelain") == ""
    rows = [t for t in toy.session().ledger.trials() if t.kind == "trial"]
    assert [t.description for t in rows] == [f"sweep {t.setting}" for t in report.tried]


def test_the_prior_says_what_comes_first(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def backwards(settings: Sequence[object], *asked: Any) -> Ranking:
        rows, shapes, machine, target = asked
        assert rows[-1].ratio == 1.0 and [s.op for s in shapes] == OPS
        assert (machine, target) == (toy.session().machine.id, "toy")
        return Ranking(tuple(range(len(settings)))[::-1], "process", "backwards")

    toy.baseline(knobbed())
    monkeypatch.setattr(sweep, "rank", backwards)
    report = sweep.run(toy.session(), 1, toy.heard.append, lambda _: None)
    assert tries(report) == [("block=256", "revert")] and report.order == "backwards"
    assert toy.heard[0] == "5 settings to try: backwards"


def test_a_sweep_is_told_as_a_table_and_as_one_object(
    toy: Toy, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.baseline(knobbed())
    report = swept(toy, 1)
    show.sweep(report, False)
    table = capsys.readouterr().out
    assert "block=8,mode=plain" in table and "revert" in table and "0.7" in table
    assert "the budget is spent; 4 settings left; order: process on 2 rows from here" in table
    show.sweep(report, True)
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1 and told["sweep"]["left"] == 4
    assert told["sweep"]["tried"][0]["trial"]["result"]["verdict"] == "revert"


def test_a_sweep_goes_on_where_it_was_stopped(toy: Toy) -> None:
    toy.baseline(knobbed())
    first = swept(toy, 2)
    assert len(first.tried) == 2 and first.ended == "the budget is spent" and first.left == 3
    second = swept(toy)
    assert len(second.tried) == 3
    assert not {t.setting for t in first.tried} & {t.setting for t in second.tried}
    assert swept(toy).tried == ()


def test_a_verdict_that_may_change_is_tried_once_a_sweep(toy: Toy) -> None:
    toy.baseline(knobbed((64, 128), '("plain", "bad")'))
    report = swept(toy)
    assert [v for _, v in tries(report)].count("crash") == 2
    assert {v for _, v in tries(swept(toy))} == {"crash"}


class Stopped(FakeRunner):
    """Somebody presses Ctrl-C, or worse, while the second candidate is measured."""

    pairs = 0

    def measure(self, *args: Any) -> Measured:
        type(self).pairs += 1
        if type(self).pairs == 4:
            raise KeyboardInterrupt
        return super().measure(*args)


def test_stopped_in_the_middle_it_leaves_the_incumbent(toy: Toy) -> None:
    toy.baseline(knobbed())
    toy.runner, Stopped.pairs = Stopped, 0
    with pytest.raises(KeyboardInterrupt):
        swept(toy)
    assert toy.kernels.read_bytes() == knobbed()
    toy.runner = FakeRunner
    assert ("block=32", "keep") in tries(swept(toy))


def test_a_setting_left_by_a_killed_sweep_is_taken_back(toy: Toy) -> None:
    toy.baseline(knobbed())
    toy.kernels.write_bytes(knobbed((8, 64, 16, 32, 128, 256)))
    assert len(swept(toy, 1).tried) == 1
    assert any("the incumbent is back" in told for told in toy.heard)


def test_someones_work_is_not_swept_away(toy: Toy) -> None:
    toy.baseline(knobbed())
    for text in (knobbed() + b"# mine\n", knobbed((8, 4)), b"def (", b"\xff"):
        toy.kernels.write_bytes(text)
        with pytest.raises(Refusal, match="someone is working on it") as refusal:
            swept(toy)
        assert "git cat-file blob" in refusal.value.remedy
        assert toy.kernels.read_bytes() == text
    assert len(toy.rows()) == 1


def test_without_knobs_there_is_nothing_to_sweep(toy: Toy) -> None:
    toy.baseline()
    with pytest.raises(Refusal, match="declares no KNOBS"):
        swept(toy)


def test_under_a_changed_rule_nothing_is_swept(toy: Toy) -> None:
    toy.baseline(knobbed())
    inputs = toy.kernels.with_name("inputs.py")
    inputs.write_text(inputs.read_text() + "# easier\n")
    with pytest.raises(Refusal, match=r"inputs\.py") as refusal:
        swept(toy)
    assert refusal.value.code == 7
    assert toy.kernels.read_bytes() == knobbed() and len(toy.rows()) == 1


def test_a_broken_prior_costs_the_order_only(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.baseline(knobbed())
    monkeypatch.setattr("autoresearch.prior.ranking._ranked", lambda *_: 1 / 0)
    report = swept(toy)
    assert ("block=32", "keep") in tries(report) and "ZeroDivisionError" in report.order


# Warm starts


def known(toy: Toy, base: Trial, factor: float, text: bytes | None) -> str:
    """A kernel that the corpus knows as `factor` times as fast; its blob."""
    session = toy.session()
    blob = session.workspace.put_blob(text) if text else "f" * 40
    points = []
    for label, ns in base.extra["ns"].items():
        op, _, spec = label.partition(": ")
        features = dict(item.split("=") for item in spec.split(","))
        knobs = {"block": [32, 64]}
        here = base.result.machine
        points.append(Point("t1", "toy", op, here, blob, ns / factor, features, knobs, 1.0))
    session.ledger.teach(points)
    return blob


def test_a_warm_start_shows_and_applies_the_best_known_kernel(toy: Toy) -> None:
    base = toy.baseline()
    better = kernel(1.3)
    blob = known(toy, base, 1.3, better)
    known(toy, base, 0.8, kernel(0.8))
    found = start.run(toy.session())
    (advice,) = found.advice
    assert advice.kernel == blob and advice.ratio == pytest.approx(1.3)
    assert toy.kernels.read_bytes() == kernel(), "showing changes nothing"
    head = toy.git("rev-parse", "HEAD")
    assert start.apply(toy.session(), found) == advice
    assert toy.kernels.read_bytes() == better
    assert toy.git("rev-parse", "HEAD") == head and len(toy.rows()) == 1
    with pytest.raises(Refusal, match="someone is working on it"):
        start.apply(toy.session(), found)


def test_a_warm_start_is_told_as_a_table_and_as_one_object(
    toy: Toy, capsys: pytest.CaptureFixture[str]
) -> None:
    base = toy.baseline()
    show.warm("toy", start.run(toy.session()), None, False)
    assert "none is expected to beat the incumbent" in capsys.readouterr().out
    known(toy, base, 1.3, kernel(1.3))
    found = start.run(toy.session())
    applied = start.apply(toy.session(), found)
    show.warm("toy", found, applied, False)
    table = capsys.readouterr().out
    assert (
        "block=32" in table
        and "1.30" in table
        and "kept kernels known for toy: 3 measured points" in table
    )
    assert f"kernels.py is {applied.kernel[:12]} now" in table
    show.warm("toy", found, applied, True)
    told = json.loads(capsys.readouterr().out)
    assert told["warm"]["advice"][0]["kernel"] == told["applied"]["kernel"] == applied.kernel


def test_only_a_kernel_that_git_holds_is_applied(toy: Toy) -> None:
    base = toy.baseline()
    with pytest.raises(Refusal, match="Nothing known"):
        start.apply(toy.session(), start.run(toy.session()))
    known(toy, base, 1.5, None)
    with pytest.raises(Refusal, match="holds none"):
        start.apply(toy.session(), start.run(toy.session()))
    blob = known(toy, base, 1.2, kernel(1.2))
    assert start.apply(toy.session(), start.run(toy.session())).kernel == blob


def test_status_names_what_is_known_and_nothing_else(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = toy.baseline()
    assert overview.status(toy.root).notes == ()
    for n in range(5):
        known(toy, base, 1.1 + n / 10, kernel(1.1 + n / 10))
    notes = overview.status(toy.root).notes
    assert len(notes) == 3
    assert notes[0].startswith("toy: autoresearch warm toy --apply (toy on ")
    assert "expected 1.50x" in notes[0]
    monkeypatch.setattr("autoresearch.prior.hints.SMALL", 10)
    assert overview.status(toy.root).notes == (
        "suggestions from a long corpus: autoresearch warm <name>",
    )


def test_a_damaged_corpus_never_shows(toy: Toy) -> None:
    toy.baseline()
    toy.session().ledger.corpus_path.write_bytes(b'\xff\x00{"v":1\n' * 100)
    assert overview.status(toy.root).notes == ()
    found = start.run(toy.session())
    assert found.advice == () and found.dropped == 100
