"""The kernels that ship: plain ones equal their references, and every one has its entry points."""

from pathlib import Path

import pytest

from autoresearch import kernels

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "src" / "autoresearch" / "kernels"
PLAIN = sorted(path.stem for path in (SHIPPED / "plain").glob("[a-z]*.py"))


@pytest.mark.parametrize("folder", PLAIN)
def test_a_plain_kernel_is_its_targets_reference(folder):
    reference = ROOT / "targets" / folder / "reference.py"
    assert (SHIPPED / "plain" / f"{folder}.py").read_text() == reference.read_text()


def test_a_target_without_a_promoted_kernel_gets_the_plain_one(monkeypatch):
    monkeypatch.setattr(kernels, "is_promoted", lambda target: False)
    assert kernels.product("ivf-flat") is kernels.seed("ivf-flat")
