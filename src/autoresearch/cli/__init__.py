"""The command line: thin verbs over the floors below. Bodies hold no logic worth testing alone."""

from __future__ import annotations

import json
import os
import sys

from ..errors import Refusal

INTERRUPTED = 130  # what shells report for Ctrl-C


def main() -> None:
    """Run one verb; faults of the environment become two sentences and an exit code."""
    try:
        from .every import app  # loading takes a while, and Ctrl-C may come then

        app(prog_name="autoresearch")
    except Refusal as refusal:
        if os.environ.get("AUTORESEARCH_TRACE"):
            raise
        _tell(refusal)
        sys.exit(refusal.code)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. Nothing was lost; the next command cleans up.\n")
        sys.exit(INTERRUPTED)


def _tell(refusal: Refusal) -> None:
    if "--json" in sys.argv:
        error = {"what": refusal.what, "remedy": refusal.remedy, "code": refusal.code}
        sys.stdout.write(json.dumps({"schema": 1, "error": error}) + "\n")
    sys.stderr.write(f"{refusal.what} {refusal.remedy}\n")
