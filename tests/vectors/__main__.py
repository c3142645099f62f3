"""`python -m vectors`: what cases compute, in hexadecimal; all, or those whose names begin so.

Tests run it for other processors (NUMBA_CPU_NAME), where it must print the same.
"""

import json
import sys

from . import across, lanes
from .case import run

CHOSEN = [
    case
    for case in (*lanes.CASES, *across.CASES)
    if any(map(case.name.startswith, sys.argv[1:] or [""]))
]
json.dump({case.name: [part.hex() for part in run(case)] for case in CHOSEN}, sys.stdout)
