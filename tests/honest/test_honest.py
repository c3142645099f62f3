"""No honest kernel is ever rejected: each passes the screen, and the battery in a real worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake import Toy

from autoresearch.experiment import Experiment, Kernel, Known
from autoresearch.policy import POLICY
from autoresearch.runner.pair import Runner
from autoresearch.runner.screen import Screened, screen
from autoresearch.session import Session

pytestmark = pytest.mark.live

HERE = Path(__file__).parent
HONEST = sorted(set(HERE.glob("*.py")) - {Path(__file__)})
ROOT = HERE.parents[1]
REFERENCE = (ROOT / "targets" / "pq_l2" / "reference.py").read_text()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """One zygote and one judge for all: compiling is what takes the time."""
    toy = Toy.made(tmp_path_factory.mktemp("honest") / "project", ROOT)
    session = Session.open(toy.root, "pq-l2", print)
    with session.measuring("honest kernels", print) as turn:
        yield turn.bench


@pytest.mark.parametrize("path", HONEST, ids=lambda path: path.stem)
def test_an_honest_kernel_passes(bench: Runner, path: Path) -> None:
    screened = screen(path.read_bytes(), bench.target, REFERENCE)
    assert isinstance(screened, Screened), screened
    kernel = Kernel(screened.text.encode(), screened.statements)
    outcome = Experiment(bench, (kernel, kernel), Known(), POLICY, 0, print).check()
    assert outcome.evidence.fault is None
    assert "battery" in outcome.seconds
