"""One real trial of the toy project at ROOT; prints its verdict.

`python tests/cheats/one_trial.py ROOT` in a process of its own: scenarios choose its environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fake import BRIEF, Toy

from autoresearch.errors import Refusal
from autoresearch.runner.pair import Runner

toy = Toy(Path(sys.argv[1]), BRIEF, Runner)
try:
    print(toy.trial(toy.kernels.read_bytes(), "scenario").trial.result.verdict)
except Refusal as refusal:
    print("refused", refusal)
