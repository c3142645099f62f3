"""This machine: which one it is, how fast at best, how quiet, and what is wrong with it."""

from .doctor import Finding, findings
from .identity import Cache, Machine, fingerprint
from .quiet import Noise, noise
from .roofline import Roofline, load_or_probe, probe

__all__ = [
    "Cache",
    "Finding",
    "Machine",
    "Noise",
    "Roofline",
    "findings",
    "fingerprint",
    "load_or_probe",
    "noise",
    "probe",
]
