"""The table of a cold and a warm night, from rows of the ledger."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def campaign():
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location("campaign", SCRIPTS / "campaign.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["campaign"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(SCRIPTS))
        sys.modules.pop("campaign", None)


def row(verdict, ns, kind="trial"):
    result = {
        "target": "pq-dot",
        "verdict": verdict,
        "speedup": 3.0,  # on shapes that were drawn for it
        "total_seconds": 10.0,
        "machine": "m",
    }
    told = {"result": result, "description": "sweep each=24", "timestamp": "2026-11-28T10:00:00"}
    return {**told, "kind": kind, "extra": {"ns": {"a": ns, "b": 10 * ns}} if ns else {}}


BASE = row("baseline", 6.0, "baseline")


class TestNights:
    def test_a_night_is_as_far_as_its_incumbent(self, campaign):
        rows = [BASE, row("keep", 4.0), row("revert", 1.0), row("crash", 0), row("simpler", 3.0)]
        found = campaign.steps(rows, "cold")
        assert [s.reached for s in found] == [1.5, 1.5, 1.5, 2.0]
        assert [s.trial for s in found] == [1, 2, 3, 4]

    def test_trials_to_a_ratio(self, campaign):
        rows = [BASE, row("revert", 1.0), row("keep", 4.0), row("keep", 3.0)]
        night = campaign.steps(rows, "warm")
        assert campaign.needed(night, 1.4) == 2 and campaign.needed(night, 1.8) == 3
        assert campaign.needed(night, 2.1) is None

    def test_both_are_asked_for_what_the_worse_one_reached(self, campaign):
        rows = [BASE, row("revert", 9.0), row("keep", 5.0), row("keep", 4.0)]
        cold, before = (
            campaign.steps(rows, "cold"),
            campaign.steps([BASE, row("keep", 1)], "before"),
        )
        warm = campaign.steps([BASE, row("keep", 3.75), row("revert", 9.0)], "warm")
        told = campaign.table([*cold, *before, *warm])
        assert "1.485x" in told[0]
        assert "| cold | 3 | 2 | 1.500x | 3 | 30 |" in told
        assert "| warm | 2 | 1 | 1.600x | 1 | 10 |" in told

    def test_the_page_keeps_what_stands_around_it(self, campaign):
        page = f"a\n{campaign.BEGIN}\nold\n{campaign.END}\nb\n"
        assert campaign.placed(page, ["new"]) == f"a\n{campaign.BEGIN}\nnew\n{campaign.END}\nb\n"
