"""The gate by example, property and simulation: what earns which verdict, how often wrongly."""

from __future__ import annotations

import runpy
from collections import Counter
from dataclasses import replace
from math import exp, isclose, log, nan
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.gate import Look, Step, audit, step, tie_cost
from autoresearch.model import Evidence, Fault, Pair, Verdict
from autoresearch.policy import POLICY

ROOT = Path(__file__).parents[2]
sim = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "simulate.py")))
LABELS = ("search: n=1", "search: n=2", "scan: n=1", "scan: n=2")


def pair(*d: float, void: str = "") -> Pair:
    """One pair whose workloads show exactly these D (ln units)."""
    ns = np.full((1, len(d)), 1000.0)
    return Pair(ns * np.exp(d), ns, void=void)


def pairs(n: int, gain: float, *, wobble: float = 0.002, **one: float) -> tuple[Pair, ...]:
    """n pairs of four workloads at `gain`; `worst` replaces the second."""
    d = np.full(4, log(gain))
    d[1] = log(one.get("worst", gain))
    return tuple(pair(*(d + wobble * (-1) ** p)) for p in range(n))


def evidence(gain: float = 1.0, screen: int = 12, confirm: int = 20, **facts: object) -> Evidence:
    shown = Evidence(pairs(screen, gain), pairs(confirm, gain), (), LABELS, LABELS)
    return replace(shown, **facts)  # type: ignore[arg-type]


def verdict(given: Evidence) -> Verdict:
    now = step(given)
    assert now.phase == "done" and now.verdict is not None
    return now.verdict


# what is measured next


def test_the_first_step_is_a_screen_with_nothing_to_show() -> None:
    assert step(Evidence()) == Step("screen")


def test_a_flat_candidate_is_reverted_after_three_pairs() -> None:
    assert step(evidence(screen=2, confirm=0)).phase == "screen"
    got = verdict(evidence(screen=3, confirm=0))
    assert (got.name, got.pairs) == ("revert", 3)
    told = "no gain shown: 1.001x [0.989, 1.012] after 3 screen pairs; it includes 1"
    assert got.reason == told


def test_a_gain_goes_through_both_stages() -> None:
    now = step(evidence(1.05, screen=3, confirm=0))
    assert now.phase == "confirm" and now.look and (now.look.phase, now.look.n) == ("screen", 3)
    now = step(evidence(1.05, screen=3, confirm=4))
    assert now.phase == "confirm" and now.look and (now.look.phase, now.look.n) == ("confirm", 4)
    got = verdict(evidence(1.05, screen=3, confirm=5))
    assert (got.name, got.pairs) == ("keep", 5)
    assert got.reason.startswith("1.050x over the incumbent, every workload >= 1.0")
    assert got.ci95 and got.ci95[0] < 1.05 < got.ci95[1]
    assert got.p_value == 2.0**-5 and got.certificate and got.llr and got.llr > 2.944
    assert 1 < got.certificate <= 32


def test_figures_come_from_stage_two_only() -> None:
    got = verdict(two_stages(1.2, 1.05))
    assert got.speedup and isclose(got.speedup, 1.05, abs_tol=0.002)


def two_stages(first: float, second: float) -> Evidence:
    return Evidence(pairs(12, first), pairs(20, second), workloads=LABELS, hidden=LABELS)


def test_a_screened_gain_that_does_not_come_back_is_reverted() -> None:
    got = verdict(two_stages(1.05, 1.0))
    assert got.name == "revert" and "after 5 confirm pairs" in got.reason


# verdicts without pairs


@pytest.mark.parametrize("name", ["incorrect", "crash", "timeout", "refused", "tampered"])
def test_a_fault_is_final_whatever_was_measured(name: str) -> None:
    got = verdict(evidence(1.5, fault=Fault(name, "expected 3, got 4"), same_code=True))
    assert (got.name, got.reason) == (name, "expected 3, got 4")


def test_identical_code_is_settled_unmeasured() -> None:
    assert verdict(evidence(1.5, same_code=True, statements=(9, 8))).name == "simpler"
    got = verdict(evidence(1.5, same_code=True, statements=(9, 9)))
    assert got.name == "refused" and got.reason.startswith("identical machine code")
    assert tie_cost(got) == 0.0


# void pairs


def test_void_pairs_count_for_nothing_but_their_share() -> None:
    void = pair(9.0, 9.0, 9.0, 9.0, void="run queue")
    clean = evidence(1.05)
    with_void = replace(clean, confirm=(*clean.confirm[:5], void, *clean.confirm[5:]))
    with_void = replace(with_void, screen=(void, *clean.screen))
    assert verdict(with_void) == verdict(clean)


def test_more_than_a_fifth_void_is_inconclusive_never_a_keep() -> None:
    void = pair(0.0, 0.0, 0.0, 0.0, void="canary out of band")
    gain = pairs(20, 1.05)
    given = replace(evidence(1.05), confirm=(void, *gain[:3], void, *gain[3:]))
    got = verdict(given)
    assert got.name == "inconclusive"
    assert got.reason == "too noisy: 2 of 5 pairs void, the last by canary out of band"
    four = replace(given, confirm=given.confirm[:4])
    assert step(four).phase == "confirm"


def test_voids_after_the_decision_do_not_undo_it() -> None:
    void = pair(0.0, 0.0, 0.0, 0.0, void="run queue")
    clean = evidence(1.05)
    assert verdict(replace(clean, confirm=clean.confirm[:5] + (void,) * 9)) == verdict(clean)


# guard


def test_a_traded_workload_is_named() -> None:
    traded = tuple(pairs(20, 1.08, worst=0.88))
    got = verdict(replace(evidence(1.08), confirm=traded))
    assert got.name == "revert" and got.worst_at == LABELS[1]
    assert got.reason.startswith("guard: search: n=2 runs at 0.88x")
    assert got.pairs == 5


def test_an_unproven_workload_extends_and_then_reverts() -> None:
    unproven = replace(evidence(1.06), confirm=pairs(20, 1.06, worst=0.955), sigma_w=0.03)
    assert step(replace(unproven, confirm=unproven.confirm[:19])).phase == "confirm"
    got = verdict(unproven)
    assert got.name == "revert" and got.pairs == 20 and "search: n=2" in got.reason


def test_the_guard_looks_at_hidden_workloads_under_their_own_names() -> None:
    hidden = ("a", "b", "c", "d")
    got = verdict(replace(evidence(1.06), confirm=pairs(20, 1.08, worst=0.88), hidden=hidden))
    assert got.worst_at == "b" and "guard: b runs" in got.reason


def test_memory_is_not_for_sale() -> None:
    got = verdict(evidence(1.5, memory_ratio=1.3))
    assert (got.name, got.reason) == ("revert", "peak memory 1.30x, 1.25x allowed")
    assert verdict(evidence(1.5, memory_ratio=1.25)).name == "keep"


# what the ratio cannot see


def test_a_ratio_carried_by_one_pair_waits_for_the_sign_flip_test() -> None:
    lopsided = tuple(pair(x, x, x, x) for x in (0.05, 0.04, 0.05, 0.05, -0.005))
    given = replace(evidence(1.05), confirm=lopsided)
    now = step(given)
    assert now.phase == "confirm" and now.look and now.look.llr and now.look.llr > 2.944
    assert step(given, replace(POLICY, sign_flip_level=0.1)).phase == "done"


@pytest.mark.parametrize("gain", [3.5, 50.0])
def test_a_gain_above_three_takes_eight_pairs(gain: float) -> None:
    assert step(evidence(gain, confirm=7)).phase == "confirm"
    got = verdict(evidence(gain, confirm=8))
    assert got.name == "keep" and got.speedup and isclose(got.speedup, gain, rel_tol=0.003)


def test_one_workload_near_zero_is_enough_to_take_eight_pairs() -> None:
    huge = replace(evidence(1.05), confirm=pairs(20, 1.05, worst=9.0))
    assert verdict(huge).pairs == 8


def test_an_unknown_spread_never_keeps() -> None:
    assert verdict(evidence(1.5, sigma0=nan)).name == "revert"
    assert verdict(evidence(1.5, sigma_w=nan)).name == "revert"


def test_a_clock_without_noise_still_decides() -> None:
    flat = tuple(pair(0.0, 0.0, 0.0, 0.0) for _ in range(3))
    assert verdict(Evidence(flat, sigma0=0.0, sigma_w=0.0)).name == "revert"


def test_the_numbers_of_the_policy_fit_each_other() -> None:
    assert POLICY.guard_looks[0] == POLICY.confirm.first
    assert POLICY.guard_looks[-1] == POLICY.confirm.cap
    assert 2.0**-POLICY.confirm.first <= POLICY.sign_flip_level
    assert 2.0**POLICY.big_gain_pairs >= 1 / (2 * POLICY.alpha * POLICY.beta)


# simpler


def simpler(gain: float, **facts: object) -> Evidence:
    fewer: dict[str, object] = {"statements": (9, 8), "compile_s": (1.0, 1.1), "sigma0": 0.004}
    return evidence(gain, **{**fewer, "tie": pairs(12, gain), **facts})


def test_a_tie_goes_to_simpler_code_after_twelve_pairs() -> None:
    now = step(simpler(1.0, tie=pairs(11, 1.0)))
    assert now.phase == "tie" and now.look and now.look.llr is None
    got = verdict(simpler(1.0))
    assert (got.name, got.pairs) == ("simpler", 12)


@pytest.mark.parametrize(
    "facts",
    [{"statements": (9, 9)}, {"compile_s": (1.0, 1.3)}, {"memory_ratio": 1.3}],
    ids=["as many statements", "slower to compile", "more memory"],
)
def test_only_simpler_code_may_tie(facts: dict[str, object]) -> None:
    assert verdict(simpler(1.0, **facts)).name == "revert"


def test_simpler_code_shown_to_be_slower_is_not_measured_again() -> None:
    told = verdict(simpler(0.95)).reason
    assert told.startswith("no gain shown: 0.951x") and told.endswith("; all of it below 1")


def test_a_gain_that_is_not_kept_says_why() -> None:
    look = Look("screen", 12, 1.008, (1.003, 1.013))
    assert look.meaning == "above 1, but not by enough to be sure"


@pytest.mark.parametrize(
    ("tie", "reason"),
    [
        (pairs(12, 0.985), "simpler, but slower or not shown to be as fast: 0.985x"),
        (pairs(12, 1.04, worst=0.9), "simpler, but guard: search: n=2 runs at 0.90x"),
    ],
)
def test_a_tie_must_hold_in_its_own_pairs(tie: tuple[Pair, ...], reason: str) -> None:
    got = verdict(simpler(1.0, tie=tie))
    assert got.name == "revert" and got.reason.startswith(reason)


def test_ties_may_not_add_up_to_a_loss() -> None:
    slower = simpler(1.0, tie=pairs(12, 0.996))
    cost = tie_cost(verdict(slower))
    assert isclose(cost, -log(0.996), rel_tol=1e-6)
    assert verdict(replace(slower, tie_budget=0.99 * cost)).name == "revert"
    assert verdict(replace(slower, tie_budget=1.01 * cost)).name == "simpler"
    assert tie_cost(verdict(simpler(1.001))) == 0.0


def test_a_small_gain_of_simpler_code_that_stage_two_rejects_may_still_tie() -> None:
    small = replace(simpler(1.0), screen=pairs(12, 1.03))
    assert verdict(small).name == "simpler"


# properties

D = st.lists(st.lists(st.floats(-0.1, 0.1), min_size=3, max_size=3), min_size=20, max_size=20)


def from_lists(d: list[list[float]], shift: float = 0.0, **facts: object) -> Evidence:
    """The same twenty pairs serve as screen, confirm and tie."""
    drawn = tuple(pair(*(x + shift for x in row)) for row in d)
    return Evidence(drawn, drawn, drawn, sigma0=0.01, **facts)  # type: ignore[arg-type]


@given(D, st.floats(-0.05, 0.1), st.booleans())
def test_every_prefix_gave_the_earlier_step(d: list[list[float]], shift: float, few: bool) -> None:
    """Driving pair by pair ends where the whole evidence ends, and asks for no pair beyond it."""
    whole = from_lists(d, shift, statements=(9, 8 if few else 9))
    now, grown = step(Evidence()), replace(whole, screen=(), confirm=(), tie=())
    while now.phase != "done":
        have = getattr(grown, now.phase)
        more = {now.phase: getattr(whole, now.phase)[: len(have) + 1]}
        now = step(grown := replace(grown, **more))
    assert now == step(whole) == step(whole)


@given(D, st.floats(0, 0.1), st.floats(0, 0.2))
def test_a_better_candidate_is_never_judged_worse(
    d: list[list[float]], shift: float, gain: float
) -> None:
    rank = ["revert", "simpler", "keep"].index
    before = verdict(from_lists(d, shift, statements=(9, 9)))
    after = verdict(from_lists(d, shift + gain, statements=(9, 9)))
    assert rank(after.name) >= rank(before.name)


@given(D, st.floats(-0.05, 0.1), st.permutations(range(3)))
def test_the_order_of_workloads_decides_nothing(
    d: list[list[float]], shift: float, order: list[int]
) -> None:
    first = verdict(from_lists(d, shift))
    second = verdict(from_lists([[row[w] for w in order] for row in d], shift))
    assert (first.name, first.pairs) == (second.name, second.pairs)


# audit


def test_an_audit_reports_twenty_pairs_and_no_rule() -> None:
    got = audit(pairs(25, 1.4), labels=LABELS, sigma0=0.01)
    mean = np.array([log(1.4) + 0.002 * (-1) ** p for p in range(20)])
    half = 2.09302 * mean.std(ddof=1) / np.sqrt(20)
    assert (got.name, got.pairs, got.llr) == ("keep", 20, None)
    assert got.speedup and isclose(got.speedup, exp(mean.mean()))
    assert got.ci95 and isclose(got.ci95[0], exp(mean.mean() - half), rel_tol=1e-6)
    assert got.certificate and got.certificate > 1e5
    assert audit(pairs(20, 1.4)).certificate is None


def test_an_audit_can_find_nothing_or_a_loss() -> None:
    assert audit(pairs(20, 1.0)).name == "inconclusive"
    assert audit(pairs(20, 0.98)).name == "revert"
    assert audit(pairs(19, 1.4)).reason == "19 counting pairs, an audit needs 20"


# simulation: heavy tails, sigma0 estimated from twenty A/A pairs anew in each trial


def rates(trials: int, **row: object) -> tuple[Counter[str], float]:
    rng = np.random.default_rng(11)
    drawn = [sim.trial(sim.Row("", "", **row), rng) for _ in range(trials)]
    return Counter(v.name for v, _ in drawn), float(np.mean([n for _, n in drawn]))


def test_nulls_are_never_kept_and_cost_few_pairs() -> None:
    count, pairs_each = rates(2000)
    assert count["keep"] == 0
    assert pairs_each < 5


def test_what_cannot_pass_any_more_ends_early_and_nothing_else_does() -> None:
    """At a spread of 4 % a screen could show a gain of 2 % to nobody; gains of 5 % still pass."""
    noisy = sim.Machine(spawn=0.04)
    assert rates(60, machine=noisy)[1] < 7
    patient = replace(POLICY, hopeless=0.0)
    for seed in range(40):
        row = sim.Row("", "", noisy, sim.flat(1.05))
        (got, _), (other, _) = (
            sim.trial(row, np.random.default_rng(seed), policy) for policy in (POLICY, patient)
        )
        assert got.name == other.name


@pytest.mark.parametrize("spawn", [0.0, 0.02])
def test_nulls_on_quieter_and_noisier_machines(spawn: float) -> None:
    assert rates(300, machine=sim.Machine(spawn=spawn))[0]["keep"] == 0


def test_nulls_with_bursts() -> None:
    assert rates(300, machine=sim.Machine(burst=0.05, tails=3))[0]["keep"] == 0


@pytest.mark.parametrize(("gain", "least"), [(1.03, 0.95), (1.05, 0.98)])
def test_power(gain: float, least: float) -> None:
    count, _ = rates(150, effect=sim.flat(gain))
    assert count["keep"] >= least * 150


def test_power_on_a_noisy_machine() -> None:
    count, _ = rates(100, effect=sim.flat(1.03), machine=sim.Machine(spawn=0.02))
    assert count["keep"] >= 90


def test_a_traded_workload_is_never_kept() -> None:
    count, pairs_each = rates(200, effect=sim.flat(1.03, worst=0.9))
    assert count["keep"] == 0
    assert pairs_each < 14


def test_layout_luck_drawn_in_every_spawn_is_noise() -> None:
    assert rates(300, machine=sim.Machine(layout=0.02))[0]["keep"] == 0


def test_layout_luck_that_lasts_a_trial_is_what_keeps_falsely() -> None:
    """Why code is moved in every spawn: 1 % of either arm passes both stages in many nulls."""
    assert rates(300, machine=sim.Machine(offset=2**0.5 * 0.01))[0]["keep"] >= 15


def test_a_baseline_sees_the_layout_luck_of_its_spawns() -> None:
    rng = np.random.default_rng(12)
    luck = sim.Machine(spawn=0.0, workload=0.0, call=0.0, layout=0.01, tails=np.inf)
    found = [sim.spreads(luck, POLICY, rng)[0] for _ in range(200)]
    assert np.mean(np.array(found) > 2**0.5 * 0.01) > 0.9


def test_simpler_code_that_is_slower_is_rarely_kept() -> None:
    equal, _ = rates(60, simpler=True)
    slower, _ = rates(100, effect=sim.flat(0.985), simpler=True)
    assert equal["simpler"] >= 40
    assert slower["simpler"] <= 5
