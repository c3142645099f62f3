"""The one exception people see: what went wrong and what to do. Knows nothing of who raises it."""

from __future__ import annotations


class Refusal(Exception):
    """A fault of environment or request in two sentences: `what` happened, and the `remedy`.

    Faults of a kernel are verdicts, never refusals. `code` is the exit code (see HARNESS.md).
    """

    def __init__(self, what: str, remedy: str, code: int = 1) -> None:
        super().__init__(f"{what} {remedy}")
        self.what = what
        self.remedy = remedy
        self.code = code
