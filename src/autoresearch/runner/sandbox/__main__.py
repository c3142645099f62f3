"""Prints the ladder of tiers as JSON, for `doctor`: [tier, holds, why not, remedy] each."""

import json
import sys

from .ladder import report

sys.stdout.write(json.dumps([[r.tier, r.ok, r.why, r.remedy] for r in report()]))
