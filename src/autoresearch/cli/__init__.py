"""The command line: thin verbs over the floors below. Bodies hold no logic worth testing alone."""

from __future__ import annotations

import json
import os
import sys

from ..errors import Refusal

USAGE = 2  # Typer's own, for a wrong command line
INTERRUPTED = 130  # what shells report for Ctrl-C


def main() -> None:
    """Run one verb; faults of the environment become two sentences and an exit code."""
    try:
        from .every import app  # loading takes a while, and Ctrl-C may come then

        app(prog_name="autoresearch")
    except Refusal as refusal:
        if os.environ.get("AUTORESEARCH_TRACE"):
            raise
        _object(refusal)
        sys.stderr.write(f"{refusal.what} {refusal.remedy}\n")
        sys.exit(refusal.code)
    except SystemExit as end:
        if end.code == USAGE:
            _object(Refusal("The command line is wrong: stderr says where.", "Ask --help.", USAGE))
        raise
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. Nothing was lost; the next command cleans up.\n")
        sys.exit(INTERRUPTED)


def _object(refusal: Refusal) -> None:
    """The refusal as the one JSON object, if asked for."""
    if "--json" in sys.argv:
        error = {"what": refusal.what, "remedy": refusal.remedy, "code": refusal.code}
        sys.stdout.write(json.dumps({"schema": 1, "error": error}) + "\n")
