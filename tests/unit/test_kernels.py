"""The kernels that ship: plain ones equal their references, and every one has its entry points."""

import json
from pathlib import Path

import pytest

from autoresearch import kernels
from autoresearch.product import record, ship

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "src" / "autoresearch" / "kernels"
PLAIN = sorted(path.stem for path in (SHIPPED / "plain").glob("[a-z]*.py"))
PROMOTED = sorted(path.stem for path in (SHIPPED / "promoted").glob("[a-z]*.py"))


@pytest.mark.parametrize("folder", PLAIN)
def test_a_plain_kernel_is_its_targets_reference(folder):
    reference = ROOT / "targets" / folder / "reference.py"
    assert (SHIPPED / "plain" / f"{folder}.py").read_text() == reference.read_text()


def test_a_target_without_a_promoted_kernel_gets_the_plain_one(monkeypatch):
    monkeypatch.setattr(kernels, "is_promoted", lambda target: False)
    assert kernels.product("ivf-flat") is kernels.seed("ivf-flat")


@pytest.mark.parametrize("folder", PROMOTED)
def test_a_promoted_kernel_is_the_text_that_was_measured(folder):
    text = (SHIPPED / "promoted" / f"{folder}.py").read_text()
    kernel = json.loads((SHIPPED / "promoted" / f"{folder}.json").read_text())["kernel"]
    assert record.blob_id(ship.lab(text).encode(), kernel) == kernel


def test_a_target_may_be_asked_for_twice():
    assert kernels.product("rabitq") is kernels.product("rabitq")
