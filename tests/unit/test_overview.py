"""What a lost context finds again: the newest row with its reason, and tables that own up."""

from __future__ import annotations

import pytest
from fake import Toy

from autoresearch import overview
from autoresearch.cli import show


def test_status_tells_the_reason_that_its_next_step_speaks_of(
    toy: Toy, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.baseline()
    toy.trial(b"def broken(:\n", "broken")
    show.status(overview.status(toy.root), json=False)
    *_, newest, following = capsys.readouterr().out.splitlines()
    assert newest.startswith("newest: toy, refused: line 1: ")
    assert following.startswith("next: fix what reason names")


def test_a_project_without_rows_has_no_newest(toy: Toy) -> None:
    seen = overview.status(toy.root)
    assert (seen.newest, seen.next) == ("", "autoresearch baseline toy")


def test_an_empty_log_says_so(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    show.log(overview.log(toy.root, "toy", 20), json=False)
    assert capsys.readouterr().out == "no trial and no baseline here yet\n"


@pytest.mark.parametrize(("text", "shown"), [("abcdef", "abcdef"), ("abcdefg", "abc...")])
def test_what_a_table_cuts_off_shows(text: str, shown: str) -> None:
    assert show._clipped(text, 6) == shown
