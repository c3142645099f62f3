"""The loop around a measurement: what is recorded, what moves in git, what a kill leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake import UNSEEN, FakeRunner, Toy, kernel, said

from autoresearch import check, experiment, overview, rows, session
from autoresearch.errors import Refusal
from autoresearch.ledger import Ledger
from autoresearch.runner import lease
from autoresearch.runner.builds import Build
from autoresearch.runner.normal import null_variant
from autoresearch.runner.pair import INCUMBENT, ArmFault, Measured
from autoresearch.runner.sealed import KernelFault
from autoresearch.workspace import Workspace

BASELINE = ("baseline", "baseline")
LONGER = kernel(more="\n\n@njit\ndef unused(x):\n    y = x\n    return y\n")


class Hooked(FakeRunner):
    """A fake that does something else first, once."""

    first: Callable[[], Any] | None = None

    def measure(self, *args: Any) -> Measured:
        first, type(self).first = type(self).first, None
        if first:
            first()
        return super().measure(*args)


class Biased(FakeRunner):
    """Measures every candidate a tenth faster than it is: even A/A trials end in a keep."""

    def measure(self, *args: Any) -> Measured:
        found = super().measure(*args)
        pair = replace(found.pair, candidate_ns=found.pair.candidate_ns / 1.1)
        return replace(found, pair=pair)


class Noisy(FakeRunner):
    """No pair counts."""

    def measure(self, *args: Any) -> Measured:
        found = super().measure(*args)
        return replace(found, pair=replace(found.pair, void="canary off by 2.00x"))


# What is measured at all


def test_the_same_code_is_tried_once_and_its_first_verdict_stands(toy: Toy) -> None:
    toy.baseline()
    first = toy.trial(kernel(0.9), "slower")
    rows = toy.rows()
    dressed = null_variant(kernel(0.9).decode(), 1, ("prepare", "scratch", "weigh", "select"))
    for text in (kernel(0.9), kernel(0.9) + b"# in other words\n", dressed.encode()):
        again = toy.trial(text, "slower, again")
        assert again.repeated == first.trial.id == again.trial.id
        assert toy.kernels.read_bytes() == kernel()
    assert toy.rows() == rows == [BASELINE, ("trial", "revert")]


@pytest.mark.parametrize("verdict", ["timeout", "crash"])
def test_a_verdict_that_may_change_is_not_repeated(toy: Toy, verdict: str) -> None:
    toy.baseline()
    for _ in range(2):
        assert not toy.trial(kernel(fault=verdict)).repeated
    assert toy.rows() == [BASELINE, ("trial", verdict), ("trial", verdict)]


def test_what_was_measured_of_a_loser_is_in_its_row(toy: Toy) -> None:
    toy.baseline()
    lost = toy.trial(kernel(0.9)).trial.extra["measured"]
    assert lost["X"] == pytest.approx(np.log(0.9), abs=0.01)
    assert lost["ns"] == pytest.approx(dict.fromkeys(lost["ns"], 20_000 / 0.9), rel=0.02)
    assert len(lost["ns"]) == 3
    assert "measured" not in toy.trial(kernel(fault="crash")).trial.extra


def test_a_verdict_against_another_incumbent_is_not_repeated(toy: Toy) -> None:
    toy.baseline()
    toy.trial(kernel(0.9))
    toy.trial(kernel(1.2))
    assert not toy.trial(kernel(0.9)).repeated


def test_the_incumbents_own_code_is_refused(toy: Toy) -> None:
    toy.baseline()
    done = toy.trial(kernel() + b"# the same\n")
    assert done.trial.result.verdict == "refused"
    assert "same code as the incumbent" in done.trial.result.reason
    assert toy.kernels.read_bytes() == kernel()
    assert toy.rows() == [BASELINE, ("trial", "refused")]


@pytest.mark.parametrize(
    ("before", "candidate", "verdict"),
    [(kernel(), LONGER, "refused"), (LONGER, kernel(), "simpler")],
)
def test_identical_machine_code_needs_no_clock(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, before: bytes, candidate: bytes, verdict: str
) -> None:
    toy.baseline(before)
    monkeypatch.setattr(experiment.builds, "code_digest", lambda build, target: "same")
    done = toy.trial(candidate)
    assert done.trial.result.verdict == verdict
    assert "identical machine code" in done.trial.result.reason
    assert toy.kernels.read_bytes() == kernel()


def test_identical_machine_code_is_checked_before_it_is_kept(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel's own process wrote what the digest was read from."""
    toy.baseline(LONGER)
    monkeypatch.setattr(experiment.builds, "code_digest", lambda build, target: "same")
    assert toy.trial(kernel(fault="incorrect")).trial.result.verdict == "incorrect"


def test_without_a_baseline_there_is_no_trial(toy: Toy) -> None:
    with pytest.raises(Refusal, match=r"no baseline yet\. Run `autoresearch baseline toy` first"):
        toy.trial(kernel(1.2))
    assert toy.rows() == []


# The digest


@pytest.mark.parametrize("name", ["reference.py", "inputs.py", "run_experiment.py"])
def test_a_changed_immutable_part_is_tampering(toy: Toy, name: str) -> None:
    toy.baseline()
    file = toy.kernels.with_name(name)
    file.write_text(file.read_text() + "# easier\n")
    done = toy.trial(kernel(1.2))
    assert done.trial.result.verdict == "tampered"
    assert name in done.trial.result.reason
    assert toy.kernels.read_bytes() == kernel(1.2), "nothing ran and nothing was put back"
    assert toy.rows() == [BASELINE, ("trial", "tampered")]


def test_a_changed_policy_is_tampering(toy: Toy) -> None:
    toy.baseline()
    toy.policy = replace(UNSEEN, alpha=0.5)
    assert "policy" in toy.trial(kernel(1.2)).trial.result.reason


def test_a_changed_digest_is_accepted_by_name_and_shown_for_good(toy: Toy) -> None:
    was = toy.baseline().digest
    file = toy.kernels.with_name("inputs.py")
    file.write_text(file.read_text() + "# another\n")
    for accept in ("", "0" * 16):
        with pytest.raises(Refusal, match=r"inputs\.py") as refusal:
            toy.baseline(accept=accept)
        assert refusal.value.code == 7
    now = toy.session().digest
    assert now in refusal.value.remedy
    row = toy.baseline(accept=now)
    assert row.extra["accepted"] == {"from": was, "to": now, "named": now}
    toy.baseline()
    assert any(f"digest {now} accepted" in note for note in overview.status(toy.root).notes)
    assert toy.trial(kernel(1.2)).trial.result.verdict == "keep"


def test_immutable_parts_may_not_change_while_a_trial_waits(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.baseline()
    file = toy.kernels.with_name("inputs.py")
    before_the_lease(monkeypatch, lambda: file.write_text(file.read_text() + "# easier\n"))
    with pytest.raises(Refusal, match=r"inputs\.py changed") as refusal:
        toy.trial(kernel(1.2))
    assert refusal.value.code == 7
    assert toy.rows() == [BASELINE]


# Others at work


def before_the_lease(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Have `act` happen once while the next trial waits for the lease."""
    held, waiting = session.lease.held, [act]

    @contextmanager
    def later(*args: Any) -> Iterator[None]:
        while waiting:
            waiting.pop()()
        with held(*args):
            yield

    monkeypatch.setattr(session.lease, "held", later)


def test_an_incumbent_that_changed_meanwhile_is_the_one_to_beat(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.baseline()
    before_the_lease(monkeypatch, lambda: toy.trial(kernel(1.5), "somebody else's"))
    done = toy.trial(kernel(1.2), "mine")
    incumbent = toy.session().incumbent()
    assert incumbent.description == "somebody else's"
    assert done.trial.incumbent == incumbent.candidate
    assert done.trial.result.verdict == "revert"
    assert done.trial.result.speedup == pytest.approx(1.2 / 1.5, abs=0.01)
    assert toy.kernels.read_bytes() == kernel(1.5)


def test_a_file_that_somebody_edits_meanwhile_is_left_alone(toy: Toy) -> None:
    toy.baseline()
    toy.runner = Hooked
    Hooked.first = lambda: toy.kernels.write_bytes(b"half a thought")
    done = toy.trial(kernel(0.9))
    assert done.trial.result.verdict == "revert"
    assert toy.kernels.read_bytes() == b"half a thought"
    assert any("changed meanwhile and is left as it is" in line for line in toy.heard)


def test_a_keep_is_the_text_that_was_measured(toy: Toy) -> None:
    toy.baseline()
    toy.runner = Hooked
    Hooked.first = lambda: toy.kernels.write_bytes(b"half a thought")
    toy.trial(kernel(1.2))
    assert toy.git("show", "HEAD:targets/toy/kernels.py").encode() + b"\n" == kernel(1.2)
    assert toy.kernels.read_bytes() == b"half a thought"


def test_an_agent_that_commits_by_itself_changes_nothing(toy: Toy) -> None:
    toy.baseline()
    toy.kernels.write_bytes(kernel(0.9))
    toy.git("commit", "-qam", "mine is better")
    assert toy.trial(kernel(0.9)).trial.result.verdict == "revert"
    assert toy.kernels.read_bytes() == kernel()


def test_a_baseline_records_the_text_that_it_measured(toy: Toy) -> None:
    toy.runner = Hooked
    Hooked.first = lambda: toy.kernels.write_bytes(kernel(1.2))
    row = toy.baseline()
    for kept in (row.candidate, f"{row.result.commit}:targets/toy/kernels.py"):
        assert toy.git("cat-file", "blob", kept).encode() + b"\n" == kernel()
    assert toy.kernels.read_bytes() == kernel(1.2), "what was written meanwhile is left"


# Noise


def test_an_incumbent_that_fails_says_nothing_of_the_candidate(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.baseline()
    fault = ArmFault(KernelFault("crash", "SIGSEGV"), INCUMBENT)
    monkeypatch.setattr(FakeRunner, "measure", raising(fault))
    result = toy.trial(kernel(1.2)).trial.result
    assert result.verdict == "inconclusive" and "the incumbent itself failed" in result.reason


def test_a_check_blames_the_kernel_for_what_does_not_compile(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(_: FakeRunner, build: Build, limit: float) -> float:
        if said(build)[0] == 1.2:
            raise KernelFault("crash", "compile: TypingError")
        return 0.5

    monkeypatch.setattr(FakeRunner, "compile", compiled)
    toy.kernels.write_bytes(kernel(1.2))
    result = check.run(toy.session(), print).result
    assert (result.verdict, result.reason) == ("crash", "compile: TypingError")


def test_a_check_names_the_step_that_is_next(toy: Toy) -> None:
    assert check.run(toy.session(), print).result.next == "Run `autoresearch baseline toy` first."
    toy.baseline()
    assert "autoresearch trial toy" in check.run(toy.session(), print).result.next


def test_void_pairs_end_inconclusive(toy: Toy) -> None:
    toy.baseline()
    toy.runner = Noisy
    result = toy.trial(kernel(1.2)).trial.result
    assert result.verdict == "inconclusive" and "too noisy" in result.reason
    shown = result.next.partition("`")[2].rstrip("`").split()
    assert toy.git(*shown[1:]).encode() + b"\n" == kernel(1.2), "the advice brings the text back"


def test_a_baseline_that_is_not_recorded_names_no_commit(toy: Toy) -> None:
    toy.runner = Noisy
    assert toy.baseline().result.next == "undecided: repeat later"


@pytest.mark.parametrize("verdict", rows.NEXT)
def test_advice_fits_its_line_of_the_block(toy: Toy, verdict: str) -> None:
    commit, path = "3f9c2ab41d04", "targets/posting_intersect/kernels.py"  # a long name
    blank = rows.blank(toy.session(), "trial")
    trial = replace(blank, result=replace(blank.result, verdict=verdict, commit=commit))
    whole = rows.NEXT[verdict].format(name="toy", commit=commit, path=path, digest=trial.digest)
    assert rows.advised(trial, path).result.next == whole


def test_the_same_code_that_waits_twice_is_measured_once(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one text has as many chances of a lucky measurement as there are commands waiting."""
    toy.baseline()
    held, first = lease.held, []

    @contextmanager
    def waits(*given: Any) -> Iterator[None]:
        if not first:
            first.append("")
            first.append(toy.trial(kernel(0.9)).trial.id)
        with held(*given):
            yield

    monkeypatch.setattr(lease, "held", waits)
    assert toy.trial(kernel(0.9)).repeated == first[1]
    assert toy.rows() == [("baseline", "baseline"), ("trial", "revert")]
    assert toy.kernels.read_bytes() == kernel()
    assert list((toy.session().ledger.folder / "running").glob("*.json")) == []


def test_advice_that_would_be_cut_is_shorter_and_whole(toy: Toy) -> None:
    path = "somewhere/deep/in/a/repository/targets/posting_intersect/kernels.py"
    blank = rows.blank(toy.session(), "trial")
    trial = replace(blank, result=replace(blank.result, verdict="refused", commit="3f9c2ab41d04"))
    told = "fix what reason names; `git show 3f9c2ab41d04` has your text"
    assert rows.advised(trial, path).result.next == told


def test_measuring_has_a_deadline(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.baseline()
    monkeypatch.setattr(FakeRunner, "pair_s", 200.0)
    assert toy.trial(kernel(1.2)).trial.result.verdict == "timeout"


def test_work_may_not_hide_in_prepare(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.baseline()
    measure = FakeRunner.measure

    def slow(self: FakeRunner, *args: Any) -> Measured:
        return replace(measure(self, *args), prepare_ns=np.array([[1e6] * 3, [2e8] * 3]))

    monkeypatch.setattr(FakeRunner, "measure", slow)
    result = toy.trial(kernel(1.2)).trial.result
    assert result.verdict == "timeout" and "preparing took 200 ms" in result.reason


def test_a_disturbed_pair_blames_no_prepare(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    measure, seen = FakeRunner.measure, []

    def disturbed(self: FakeRunner, *args: Any) -> Measured:
        seen.append(found := measure(self, *args))
        if len(seen) > 1:
            return found
        void = replace(found.pair, void="waiting for a core")
        return replace(found, pair=void, prepare_ns=np.array([[1e6] * 3, [2e8] * 3]))

    toy.baseline()
    monkeypatch.setattr(FakeRunner, "measure", disturbed)
    assert toy.trial(kernel(1.2)).trial.result.verdict == "keep"


def test_a_disturbed_pair_still_shows_what_prepare_holds(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = FakeRunner.measure

    def disturbed(self: FakeRunner, *args: Any) -> Measured:
        found = measure(self, *args)
        void = replace(found.pair, void="waiting for a core")
        return replace(found, pair=void, prepared_bytes=(1 << 20, 1 << 34))

    toy.baseline()
    monkeypatch.setattr(FakeRunner, "measure", disturbed)
    result = toy.trial(kernel(1.2)).trial.result
    assert result.verdict == "revert" and "prepared data takes" in result.reason


# A/A trials and audits


def test_a_blind_trial_is_recorded_beside_the_trial_and_never_kept(toy: Toy) -> None:
    toy.baseline()
    toy.policy = replace(UNSEEN, blind_share=1.0)
    toy.baseline(accept=toy.session().digest)
    toy.runner = Biased
    done = toy.trial(kernel(0.5))
    incumbent = toy.session().incumbent()
    blind = next(toy.session().ledger.newest_first())
    assert done.trial.result.verdict == "revert"
    assert toy.rows()[2:] == [("trial", "revert"), ("blind", "keep")]
    assert blind.candidate == blind.incumbent == incumbent.candidate
    assert blind.description == f"A/A beside {done.trial.id}"
    assert isinstance(blind.extra["null_variant"], bool) and blind.extra["aa"]["X"]
    assert toy.kernels.read_bytes() == kernel()
    assert len((toy.root / "results.tsv").read_text().splitlines()) == 4  # the header, 3 rows
    assert "toy: 1 blind A/A trials, 1 falsely kept" in overview.status(toy.root).notes


def test_blind_trials_teach_the_noise(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.policy = replace(UNSEEN, blind_share=1.0)
    toy.baseline()
    quiet, _ = toy.session().noise()
    monkeypatch.setattr(FakeRunner, "spread", 0.1)
    toy.trial(kernel(0.5))
    assert toy.session().noise()[0] > quiet


def test_every_fifth_keep_is_audited(toy: Toy) -> None:
    toy.baseline()
    for n in range(1, 6):
        assert toy.trial(kernel(round(1.2**n, 6))).commit
    assert toy.rows() == [BASELINE, *[("trial", "keep")] * 5, ("audit", "keep")]
    audit = next(toy.session().ledger.newest_first())
    assert audit.result.speedup == pytest.approx(1.2**5, rel=0.01)
    assert toy.session().incumbent().kind == "trial"
    assert toy.session().keeps_since_audit() == 0


def test_a_tie_goes_to_the_simpler_kernel(toy: Toy) -> None:
    toy.baseline(LONGER)
    done = toy.trial(kernel(), "less of it")
    assert done.trial.result.verdict == "simpler"
    assert done.commit == toy.git("rev-parse", "HEAD")
    assert done.trial.extra["tie_cost"] <= UNSEEN.tie_budget
    assert toy.session().incumbent().id == done.trial.id


def test_a_tie_that_is_no_simpler_is_reverted(toy: Toy) -> None:
    toy.baseline()
    assert toy.trial(LONGER).trial.result.verdict == "revert"


# Killed commands


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("speed", [1.2, 0.9], ids=["keep", "revert"])
@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Ledger, "ensure"),
        (Ledger, "teach"),
        (Workspace, "mirror_incumbent"),
        (Ledger, "project"),
        (Ledger, "settle"),
    ],
    ids=["row", "corpus", "mirror", "table", "settle"],
)
def test_a_decision_is_carried_out_once_whenever_its_command_dies(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, speed: float
) -> None:
    toy.baseline()
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(owner, step, raising(KeyboardInterrupt()))
        toy.trial(kernel(speed))
    kept = speed > 1
    assert toy.rows() == [BASELINE, ("trial", "keep" if kept else "revert")]
    assert toy.kernels.read_bytes() == kernel(speed if kept else 1.0)
    assert len(toy.git("log", "--format=%h").split()) == 1 + kept
    assert toy.session().ledger.pending() == () == toy.session().ledger.verify()
    assert len((toy.root / "results.tsv").read_text().splitlines()) == 3


def test_a_trial_killed_while_measuring_leaves_no_row_and_its_text(toy: Toy) -> None:
    toy.baseline()
    toy.runner = Hooked
    Hooked.first = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        toy.trial(kernel(1.2))
    assert toy.rows() == [BASELINE]
    assert any("was interrupted and left no row" in line for line in toy.heard)
    assert toy.kernels.read_bytes() == kernel(1.2)
    assert toy.trial(kernel(1.2)).trial.result.verdict == "keep"
