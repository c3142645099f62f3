"""What `doctor` shows: every fact in words, and an exit code that scripts can ask for."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from autoresearch.checkup import Checkup, _text
from autoresearch.cli import show
from autoresearch.machine import Finding
from autoresearch.machine.identity import Cache


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "unknown"),
        ("", "unknown"),
        (False, "False"),
        (0, "0"),
        (("avx2", "fma"), "avx2 fma"),
        ([asdict(Cache(2, 1 << 20, 1))], "L2 1024 KiB /1"),
    ],
)
def test_a_fact_is_never_blank(value: object, shown: str) -> None:
    assert _text(value) == shown


@pytest.mark.parametrize(("level", "code"), [("ok", 0), ("warn", 0), ("bad", 1)])
def test_only_what_is_bad_fails(level: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = Checkup([("cpu", "x")], [Finding("disk", level, "as it is", "Mend it.")], [])
    assert show.doctor(found, json=False) == show.doctor(found, json=True) == code
    assert ("BAD" in capsys.readouterr().out) is (level == "bad")
