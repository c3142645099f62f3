"""Decide stored trials again from their pairs, under the present policy or a changed one.

Without --set every verdict must come out as it was recorded: exit 1 when one does not.
"""

import argparse
import ast
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoresearch import gate
from autoresearch.catalog import root_of
from autoresearch.ledger import Ledger
from autoresearch.model import Trial
from autoresearch.policy import POLICY, Policy


def main() -> int:
    """One line per trial whose verdict changes, and how often each change happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the project with the ledger")
    parser.add_argument("--target", default="", help="only trials of this target")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="such as screen.cap=8"
    )
    parser.add_argument("--verbose", action="store_true", help="unchanged verdicts too")
    options = parser.parse_args()
    policy = changed(POLICY, options.set)
    moves: Counter[tuple[str, str, str]] = Counter()
    for trial, verdict, reason in decided(Ledger(root_of(options.root)), options.target, policy):
        before = trial.result.verdict
        moves[trial.kind, before, verdict] += 1
        if options.verbose or verdict != before:
            print(f"{trial.id} {trial.kind:9s} {before:12s} -> {verdict:12s} {reason}")
    for (kind, before, after), number in sorted(moves.items()):
        print(f"{number:6d}  {kind}: {before} -> {after}")
    differ = sum(number for (_, before, after), number in moves.items() if before != after)
    print(f"{differ} of {moves.total()} stored trials would end differently")
    return int(differ > 0 and policy == POLICY)


def decided(ledger: Ledger, target: str, policy: Policy) -> Iterator[tuple[Trial, str, str]]:
    """(trial, verdict now, its reason) of every trial with pairs; one that would need pairs that
    nobody measured wants that phase."""
    for trial in ledger.trials():
        if "pairs" in trial.extra and target in ("", trial.result.target):
            step = gate.step(ledger.evidence(trial), policy)
            if step.verdict:
                yield trial, step.verdict.name, step.verdict.reason
            else:
                yield trial, f"wants {step.phase}", f"after {step.look}" if step.look else ""


def changed(policy: Policy, settings: list[str]) -> Policy:
    """`policy` with every NAME=VALUE in it; a dotted name reaches into a stage."""
    for setting in settings:
        name, _, text = setting.partition("=")
        stage, _, last = name.rpartition(".")
        holder = getattr(policy, stage, None) if stage else policy
        if not hasattr(holder, last):
            sys.exit(f"the policy has no {name!r}; `autoresearch status --policy` lists all")
        change: dict[str, Any] = {last: _value(text)}
        if stage:
            change = {stage: replace(getattr(policy, stage), **change)}
        policy = replace(policy, **change)
    return policy


def _value(text: str) -> Any:
    """A literal, or log(1.02) as the policy writes gains."""
    try:
        if text.startswith("log(") and text.endswith(")"):
            return math.log(float(text[4:-1]))
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        sys.exit(f"{text!r} is no number")


if __name__ == "__main__":
    sys.exit(main())
