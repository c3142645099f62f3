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


def row(verdict, speedup, target="pq-dot"):
    result = {
        "target": target,
        "verdict": verdict,
        "speedup": speedup,
        "total_seconds": 10.0,
        "machine": "m",
    }
    return {"result": result, "description": "sweep each=24", "timestamp": "2026-11-28T10:00:00"}


class TestNights:
    def test_a_night_has_the_product_of_what_it_kept(self, campaign):
        rows = [row("keep", 1.5), row("revert", 0.9), row("crash", ""), row("simpler", 1.2)]
        found = campaign.steps(rows, "cold")
        assert [s.reached for s in found] == [1.5, 1.5, 1.5, 1.8]
        assert [s.trial for s in found] == [1, 2, 3, 4] and found[2].speedup is None

    def test_trials_to_a_ratio(self, campaign):
        night = campaign.steps([row("revert", 0.9), row("keep", 1.5), row("keep", 1.2)], "warm")
        assert campaign.needed(night, 1.4) == 2 and campaign.needed(night, 1.8) == 3
        assert campaign.needed(night, 2) is None

    def test_both_are_asked_for_what_the_worse_one_reached(self, campaign):
        cold = campaign.steps([row("revert", 0.9), row("keep", 1.2), row("keep", 1.25)], "cold")
        warm = campaign.steps([row("keep", 1.6), row("revert", 0.9)], "warm")
        told = campaign.table([*cold, *campaign.steps([row("keep", 3)], "before"), *warm])
        assert "1.485x" in told[0]
        assert "| cold | 3 | 2 | 1.500x | 3 | 30 |" in told
        assert "| warm | 2 | 1 | 1.600x | 1 | 10 |" in told

    def test_the_page_keeps_what_stands_around_it(self, campaign):
        page = f"a\n{campaign.BEGIN}\nold\n{campaign.END}\nb\n"
        assert campaign.placed(page, ["new"]) == f"a\n{campaign.BEGIN}\nnew\n{campaign.END}\nb\n"
