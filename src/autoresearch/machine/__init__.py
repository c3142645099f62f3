"""This machine: which one it is, how fast at best, how quiet, and what is wrong with it."""

from .doctor import Finding, findings
from .identity import Cache, Machine, boot_ns, fingerprint
from .quiet import Noise, noise
from .roofline import Roofline, load_or_probe, probe

__all__ = [
    "Cache",
    "Finding",
    "Machine",
    "Noise",
    "Roofline",
    "boot_ns",
    "findings",
    "fingerprint",
    "load_or_probe",
    "noise",
    "probe",
]
