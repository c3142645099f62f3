"""A lossy operation from its case to the verdict: what it misses is pooled and held against the
reference's on the same queries."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autoresearch.errors import Refusal
from autoresearch.model import Op, Target, Workload
from autoresearch.policy import POLICY
from autoresearch.runner.case import Case
from autoresearch.runner.pair import CANDIDATE, INCUMBENT, ArmFault, _Session

TARGET = Target(
    "value",
    static={"data": "f32[n]"},
    ops={
        "near": Op(
            ("near(data, q, k, ids, dists)",),
            {"q": "f32", "k": "i64"},
            {"ids": "i64[k]", "dists": "f32[k]"},
            "recall",
        )
    },
)


def _truth(workload: Workload, static: dict[str, Any]) -> Any:
    data = static["data"].astype(np.float64)

    def of(each: dict[str, Any]) -> dict[str, Any]:
        gaps = np.abs(data - each["q"])
        ids = np.argsort(gaps, kind="stable")[: each["k"]]
        return {"n": len(data), "at": lambda ids: (gaps[ids], gaps[ids] + 1), "ids": ids}

    return of


INPUTS = SimpleNamespace(
    each=lambda rng, spec, static: {"q": np.float32(rng.random()), "k": spec["k"]},
    truth=_truth,
)


def near(data: Any, q: Any, k: int, ids: Any, dists: Any, stride: int = 2) -> None:
    """The nearest among every `stride`-th value only: half of the true ids are missed."""
    gaps = np.abs(data[::stride] - q)
    best = np.argsort(gaps, kind="stable")[:k]
    ids[:], dists[:] = best * stride, gaps[best]


def case(answer: Any = near) -> tuple[Case, list[Any]]:
    """Two operations in two batches, the reference's answers in place, and their bytes."""
    rng = np.random.default_rng(3)
    static = {"data": rng.random(400, np.float32)}
    made = Case(TARGET, INPUTS, Workload("near", {"k": 10}), static, 2)
    made.draw(2, rng)

    def drive(
        n: int, data: Any, q: Any, k: Any, ids: Any, ids_at: Any, dists: Any, dists_at: Any
    ) -> None:
        for i in range(n):
            (a, b), (c, d) = ids_at[i], dists_at[i]
            answer(data, q[i], k[i], ids[a:b], dists[c:d])

    made.answer(SimpleNamespace(), drive)
    return made, [_written(made, batch) for batch in range(2)]


def _written(made: Case, batch: int) -> tuple[Any, Any]:
    poison = np.random.default_rng(batch).integers(0, 256, made.regions["out"].size, np.uint8)
    out = poison.copy()
    views = made.regions["out"].views(out)
    for places, expected in zip(made.places[batch], made.expected[batch], strict=True):
        for name, (begin, end) in places.items():
            views[name][begin:end] = np.ravel(expected[name])
    return out, poison


def test_a_scalar_binds_the_dimension_of_its_name() -> None:
    made, _ = case()
    assert made.shapes == {"ids": (10,), "dists": (10,)}
    lengths = itertools.count(5)
    made.inputs = SimpleNamespace(each=lambda *_: {"q": np.float32(0), "k": next(lengths)})
    with pytest.raises(Refusal, match="dimension k varies"):
        made.draw(2, np.random.default_rng(1))


def test_recall_is_pooled_over_calls_and_arms() -> None:
    made, written = case()
    for batch, (out, poison) in enumerate(written):
        for arm in (INCUMBENT, CANDIDATE):
            assert made.check(batch, out, poison, arm) is None
    incumbent, candidate, reference = made.recalls() or ()
    assert incumbent == candidate == reference
    assert 0.2 < reference < 0.8
    assert made.found[2, 1] == 2 * 2 * 2 * 10  # arms, batches, operations, ids
    assert made.queries == 1


def test_a_lossy_answer_must_still_tell_true_distances() -> None:
    made, ((out, poison), _) = case()
    made.regions["out"].views(out)["dists"][made.places[0][1]["dists"][0]] += 0.01
    assert "at id" in (made.check(0, out, poison) or "")


def test_distances_at_the_same_ids_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(workload: Workload, static: dict[str, Any]) -> Any:
        def of(each: dict[str, Any]) -> dict[str, Any]:
            found = _truth(workload, static)(each)
            return {**found, "at": lambda ids: asked.append(ids) or found["at"](ids)}

        return of

    monkeypatch.setattr(INPUTS, "truth", counted)
    made, ((out, poison), _) = case()
    for arm in (INCUMBENT, CANDIDATE, INCUMBENT):
        assert made.check(0, out, poison, arm) is None
    assert len(asked) == 2  # operations
    views, places = made.regions["out"].views(out), made.places[0][1]
    views["ids"][places["ids"][0]] = made.static["data"].argmax()
    assert (made.check(0, out, poison) or "").startswith("operation 1: dists[0] is ")
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("recalls", "arm"),
    [
        ([0.9, 0.896, 0.9], None),
        ([0.9, 0.894, 0.9], CANDIDATE),
        ([0.894, 0.9, 0.9], INCUMBENT),
        ([0.497, 0.499, 0.501], INCUMBENT),  # the floor
        ([0.6, 0.499, 0.501], CANDIDATE),
        ([None, 0.9, 0.9], None),
    ],
)
def test_recall_may_fall_by_half_a_per_cent_and_never_below_half(
    recalls: list[float | None], arm: int | None
) -> None:
    bench = SimpleNamespace(ask=lambda verb, key: {"told": [None, recalls]})
    stage = SimpleNamespace(key=0, plan=[0, 0], labels=("exact: ", "near: k=10"))
    session = _Session(bench, stage, (None, None), [])  # type: ignore[arg-type]
    if arm is None:
        told = session.recall(POLICY.recall_loss, POLICY.recall_floor)
        assert np.isnan(told[0]) and told[1] == recalls[CANDIDATE]
        return
    with pytest.raises(ArmFault, match=r"near: k=10: recall@10 is 0\.\d+, the reference") as caught:
        session.recall(POLICY.recall_loss, POLICY.recall_floor)
    assert caught.value.arm == arm


def sampled(gaps: np.ndarray, asked: list[int], arm: int = CANDIDATE) -> None:
    """What a timed pair makes of an arm that finds so much less than the reference."""
    recalls: list[list[float] | None] = [[0.9, 0.9, 0.9] for _ in gaps]
    for told, gap in zip(recalls, gaps, strict=True):
        assert told
        told[arm] -= float(gap)
    answers = {"recalls": [None, *recalls], "asked": [7, *asked]}
    bench = SimpleNamespace(ask=lambda verb, key: {"told": answers[verb]})
    labels = ("exact: ", *(f"near: {i}" for i in range(len(gaps))))
    stage = SimpleNamespace(key=0, plan=labels, labels=labels)
    _Session(bench, stage, (None, None), []).sample(POLICY)  # type: ignore[arg-type]


def test_unlike_algorithms_pass_where_the_clock_runs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        asked = rng.choice([9, 36, 72, 600], 8)
        mean = rng.uniform(0, POLICY.recall_loss)
        sampled(rng.normal(mean, POLICY.recall_sd / np.sqrt(asked)), asked.tolist())


@pytest.mark.parametrize("arm", [INCUMBENT, CANDIDATE])
def test_who_forgets_where_the_clock_runs_is_found(arm: int) -> None:
    """Twelve in a hundred on the first 36 queries of a worker: 0.0043 of a thousand."""
    with pytest.raises(ArmFault, match=r"near: 0: recall@10 is 0\.7800") as one:
        sampled(np.array([0.12, 0, 0]), [36, 36, 36], arm)
    with pytest.raises(ArmFault, match=r"timed together: recall@10 is 0\.8500") as all_:
        sampled(np.full(8, 0.05), [36] * 8, arm)
    assert one.value.arm == all_.value.arm == arm
    sampled(np.array([0.05] + [0.0] * 7), [36] * 8, arm)


def test_a_stage_without_loss_is_not_asked() -> None:
    sampled(np.empty(0), [])
