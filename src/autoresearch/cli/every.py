"""The whole command line: importing a module of verbs adds them, in the order of the help."""

from __future__ import annotations

from . import verbs  # isort: skip
from . import knowledge  # isort: skip
from . import product  # isort: skip
from . import indexes  # isort: skip
from . import replays  # isort: skip
from .app import app

__all__ = ["app", "indexes", "knowledge", "product", "replays", "verbs"]
