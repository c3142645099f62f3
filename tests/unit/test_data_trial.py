"""A user's file in the loop: which verdicts may rest on it, and where its name is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake import BRIEF, HERE, SEED, Toy, kernel

from autoresearch import check
from autoresearch.errors import Refusal
from autoresearch.runner.pair import Runner

WIDTH = 700  # a row of the file, and hence an n that no other case has


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.npy"
    np.save(path, np.random.default_rng(0).standard_normal((40, WIDTH)))
    return path


def other(file: Path) -> Path:
    path = file.with_name("other.npy")
    np.save(path, np.ones((40, WIDTH)))
    return path


def label(toy: Toy) -> str:
    given = toy.session().data
    assert given and given.label.startswith("mine.npy:")
    return given.label


# The rule


def test_a_trial_may_name_only_the_data_of_its_baseline(toy: Toy, file: Path) -> None:
    toy.baseline()
    toy.data = str(file)
    with pytest.raises(Refusal, match=r"saw no data, not mine\.npy:") as told:
        toy.trial(kernel(1.2))
    assert "baseline toy --data FILE" in told.value.remedy
    assert toy.kernels.read_bytes() == kernel(1.2) and len(toy.rows()) == 1
    toy.baseline()
    toy.data = str(other(file))
    with pytest.raises(Refusal, match=r"saw mine\.npy:.*, not other\.npy:"):
        toy.trial(kernel(1.2))
    toy.data = str(file)
    assert toy.trial(kernel(1.2)).trial.result.verdict == "keep"


def test_a_changed_file_is_other_data(toy: Toy, file: Path) -> None:
    toy.data = str(file)
    toy.baseline()
    other(file).replace(file)
    with pytest.raises(Refusal, match=r"saw mine\.npy:\w+, not mine\.npy:"):
        toy.trial(kernel(1.2))


def test_a_trial_without_data_is_unaffected(toy: Toy, file: Path) -> None:
    toy.data = str(file)
    toy.baseline()
    toy.data = ""
    done = toy.trial(kernel(1.2))
    assert done.trial.result.verdict == "keep" and done.trial.result.data == ""


def test_with_data_the_same_code_is_another_question(toy: Toy, file: Path) -> None:
    toy.data = str(file)
    toy.baseline()
    assert not toy.trial(kernel(0.9)).repeated
    assert toy.trial(kernel(0.9)).repeated
    toy.data = ""
    assert not toy.trial(kernel(0.9)).repeated


def test_an_unfit_file_or_target_is_refused_before_anything_is_written(
    toy: Toy, file: Path
) -> None:
    toy.baseline()
    file.write_bytes(b"")
    toy.data = str(file)
    with pytest.raises(Refusal, match=r"mine\.npy has no \.npy header at byte 0"):
        toy.trial(kernel(1.2))
    inputs = toy.kernels.with_name("inputs.py")
    inputs.write_text(inputs.read_text().replace("DATA =", "NOTHING ="))
    with pytest.raises(Refusal, match="Target toy takes no data"):
        toy.trial(kernel(1.2))
    toy.data = ""
    assert len(toy.rows()) == 1


def test_noise_of_sessions_with_and_without_data_is_pooled(toy: Toy) -> None:
    first, second = toy.baseline(), toy.baseline()
    wider = [[*row, 0.0] for row in second.extra["aa"]["D"]]
    extra = {**second.extra, "aa": {**second.extra["aa"], "D": wider}}
    toy.session().ledger.append(replace(second, id="x", extra=extra))
    assert toy.session().noise()[1] > 0 and first.extra["aa"]


# The whole loop with real processes


@pytest.mark.live
def test_a_file_is_checked_measured_and_named(baselined: Toy, tmp_path: Path, file: Path) -> None:
    plain = baselined.copy(tmp_path / "project")
    live = replace(plain, policy=BRIEF, runner=Runner, data=str(file))
    name = label(live)
    live.kernels.write_bytes(SEED.encode())
    told = check.run(live.session(), print).result
    assert (told.verdict, told.data) == ("baseline", name)
    assert told.reason.endswith("4 of them from data")

    live.kernels.write_text(SEED.replace("total[0] =", f"total[0] = (x.size == {WIDTH}) +"))
    wrong = check.run(live.session(), print).result
    assert wrong.verdict == "incorrect" and f"data={name}" in wrong.reason

    row = live.baseline(SEED.encode())
    mine = {f"{op}: n={WIDTH},dist=data,data={name}" for op in ("weigh", "select")}
    assert row.result.data == name and mine < set(row.extra["ns"])

    faster = (HERE / "variants" / "faster.py").read_bytes()
    done = live.trial(faster, "an idea").trial
    assert done.result.verdict in ("keep", "revert", "inconclusive")
    evidence = live.session().ledger.evidence(done)
    assert mine < set(evidence.workloads)
    assert not evidence.hidden or mine < set(evidence.hidden), "never moved to another shape"
    assert f"an idea [data={name}]\n" in (live.root / "results.tsv").read_text()
    lines = (live.root / ".autoresearch" / "trials.jsonl").read_text()
    assert str(file) not in lines
    assert [json.loads(line)["result"]["data"] for line in lines.splitlines()] == ["", name, name]
