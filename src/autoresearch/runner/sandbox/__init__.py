"""The wall between a kernel and the harness: detach, lock down, probe, watch. Knows no targets."""

from .jail import TIERS, Jail, adopt_orphans, detach, lock_down, runtime, stdlib, worker_uid
from .ladder import Rung, probe, report
from .watch import maps_ok

__all__ = [
    "TIERS",
    "Jail",
    "Rung",
    "adopt_orphans",
    "detach",
    "lock_down",
    "maps_ok",
    "probe",
    "report",
    "runtime",
    "stdlib",
    "worker_uid",
]
