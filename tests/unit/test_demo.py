"""The demo without its measurements: what it does when it cannot begin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake import Toy

from autoresearch import baseline, demo, rows, trial
from autoresearch.cli import show
from autoresearch.errors import Refusal


def test_without_a_baseline_the_demo_stops_and_says_what_to_do(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = rows.blank(toy.session(), "baseline")
    noisy = replace(blank, result=replace(blank.result, reason="the machine is too noisy"))
    tried: list[object] = []
    monkeypatch.setattr(demo, "TARGET", "toy")
    monkeypatch.setattr(baseline, "run", lambda *_: noisy)
    monkeypatch.setattr(trial, "run", lambda *given: tried.append(given))
    with pytest.raises(Refusal, match=r"inconclusive: the machine is too noisy") as told:
        demo.run(Path(toy.root), toy.heard.append)
    assert "autoresearch doctor" in told.value.remedy and tried == []
    assert toy.rows() == [], "the project itself saw nothing of it"


def test_what_did_not_end_as_prepared_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    slower = demo.Scene("slower", "revert", "0.287x", "9.5", "no gain shown", True)
    show.demo([slower], json=False)
    assert "as prepared" not in capsys.readouterr().out
    show.demo([slower, replace(slower, name="faster", as_promised=False)], json=False)
    assert "names the noise): faster\n" in capsys.readouterr().out
