"""The same story with real processes, machine code and clocks: verdicts, and what is left behind.

Asserts correctness and never times: a faster kernel may be missed on a noisy machine.
"""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from fake import HERE, SEED, Toy

pytestmark = pytest.mark.live

VARIANTS = HERE / "variants"
# What each variant may be called. Nothing that is slower, wrong or dies may ever be kept.
ALLOWED = {
    "faster": {"keep", "revert", "inconclusive"},
    "slower": {"revert", "inconclusive"},
    "wrong": {"incorrect"},
    "crashing": {"crash"},
    "hanging": {"timeout"},
    "renamed": {"refused"},
}


def files(root: Path) -> set[str]:
    """Every file of the work tree but git's and the ledger's own."""
    found = {p.relative_to(root) for p in root.rglob("*") if p.is_file()}
    return {str(p) for p in found if p.parts[0] not in (".git", ".autoresearch")}


def test_every_variant_has_its_verdicts() -> None:
    assert {path.stem for path in VARIANTS.glob("*.py")} == set(ALLOWED)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_variant_earns_its_verdict_and_nothing_is_left_behind(live: Toy, name: str) -> None:
    before, head = files(live.root), live.git("rev-parse", "HEAD")
    others = set(psutil.Process().children(recursive=True))  # orphans of tests that kill
    text = (VARIANTS / f"{name}.py").read_bytes()
    done = live.trial(text, name)
    result = done.trial.result
    assert result.verdict in ALLOWED[name], result
    kept = result.verdict == "keep"
    assert live.kernels.read_bytes() == (text if kept else SEED.encode())
    assert (live.git("rev-parse", "HEAD") == head) == (not kept)
    assert live.rows() == [("baseline", "baseline"), ("trial", result.verdict)]
    assert live.git("status", "--porcelain") == ""
    assert files(live.root) - before <= {"results.tsv"}
    assert set(psutil.Process().children(recursive=True)) <= others
