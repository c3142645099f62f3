"""What past trials suggest for the next: where to start, and in which order to try settings.

Advice only: it never raises, never replaces the gate, and says so when it knows nothing. What is
named here loads no numpy; `ranking` does, and `start` and `sweep`, the verbs, are a floor up.
"""

from .past import Found, Past, corpus, family, trials
from .shape import Shape, distance
from .warm import Advice, Wanted, suggest, warm_start, warm_start_combined

__all__ = [
    "Advice",
    "Found",
    "Past",
    "Shape",
    "Wanted",
    "corpus",
    "distance",
    "family",
    "suggest",
    "trials",
    "warm_start",
    "warm_start_combined",
]
