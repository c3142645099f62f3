"""How fast this machine can be at best, and how near to that a kernel came.

Probes in a process of its own, once per machine id; knows nothing of what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Refusal
from .identity import Machine, fingerprint

if TYPE_CHECKING:
    from ..model import Work

KB, MB = 1 << 10, 1 << 20
USUAL_CACHES = (32 * KB, 512 * KB, 8 * MB)  # where nothing can be read


@dataclass(frozen=True, slots=True)
class Roofline:
    """The rates of one thread: f32 GFLOP/s, and (bytes, GB/s) by ascending working set."""

    machine: str
    gflops: float
    bandwidth: tuple[tuple[int, float], ...]

    def gbps(self, working_set: float) -> float:
        """No working set of this size or more can be streamed faster than this."""
        below = [size for size, _ in self.bandwidth if size <= working_set]
        nearest = below[-1] if below else 0
        return max(rate for size, rate in self.bandwidth if size >= nearest)

    def floor_ns(self, work: Work) -> float:
        """The time this machine needs for `work`, moving and multiplying at once."""
        return max(work.bytes / self.gbps(work.bytes), 2 * work.fmas / self.gflops)

    def pct(self, work: Work, ns: float) -> float:
        """How much of the machine's best an operation of `ns` reaches; above 100 refutes the probe.

        An operation is taken to find its bytes in the smallest cache that holds them, whatever
        else it runs beside, so the figure errs to the low side.
        """
        return 100 * self.floor_ns(work) / ns

    def joined(self, other: Roofline) -> Roofline:
        """The better of two probes of one machine: a busy neighbour can only lower a rate."""
        slower, faster = dict(self.bandwidth), dict(other.bandwidth)
        sizes = sorted({*slower, *faster})
        rates = ((size, max(slower.get(size, 0.0), faster.get(size, 0.0))) for size in sizes)
        return Roofline(self.machine, max(self.gflops, other.gflops), tuple(rates))


def working_sets(machine: Machine) -> tuple[int, ...]:
    """Half of each cache, then twice and four times the last one, 256 MB at most; ascending."""
    sizes = tuple(cache.bytes for cache in machine.caches) or USUAL_CACHES
    room = 256 * MB if machine.memory_mb == 0 else min(256, machine.memory_mb // 8) * MB
    beyond = (min(max(factor * max(sizes), 32 * MB), room) for factor in (2, 4))
    return tuple(sorted({*(size // 2 for size in sizes), *beyond}))


def probe(machine: Machine, core: int = -1) -> Roofline:
    """Measure on `core` (-1: anywhere) for about two seconds."""
    sizes = working_sets(machine)
    script = Path(__file__).with_name("rates.py")
    command = [sys.executable, "-I", str(script), str(core), *map(str, sizes)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        found = json.loads(done.stdout)
    except (subprocess.SubprocessError, json.JSONDecodeError) as fault:
        cause = (getattr(fault, "stderr", None) or str(fault)).strip().splitlines()[-1]
        raise Refusal(
            f"The machine's own speed could not be probed: {cause}.",
            "Run `autoresearch doctor` and see to what it marks as bad.",
        ) from fault
    return Roofline(machine.id, found["gflops"], tuple(zip(sizes, found["gbps"], strict=True)))


def load_or_probe(state: Path, machine: Machine | None = None, again: bool = False) -> Roofline:
    """The roofline of this machine, kept in the directory `state`.

    With `again` a second probe is joined to it: ask for that when a kernel beats the first one,
    before anything is made of it.
    """
    machine = machine or fingerprint()
    place = state / f"roofline-{machine.id}.json"
    known = load(place, machine.id)
    if known and not again:
        return known
    fresh = probe(machine)
    fresh = fresh.joined(known) if known else fresh
    save(place, fresh)
    return fresh


def load(place: Path, machine_id: str) -> Roofline | None:
    """What was kept, or None where it is missing, torn or not of this machine."""
    try:
        kept = json.loads(place.read_text())
        bandwidth = tuple((int(size), float(rate)) for size, rate in kept["bandwidth"])
        roofline = Roofline(str(kept["machine"]), float(kept["gflops"]), bandwidth)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sound = roofline.gflops > 0 and bandwidth and all(rate > 0 for _, rate in bandwidth)
    return roofline if sound and roofline.machine == machine_id else None


def save(place: Path, roofline: Roofline) -> None:
    part = place.with_name(f"{place.name}.{os.getpid()}")
    with suppress(OSError):  # costs a probe each time, and `doctor` has a finding for it
        place.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(asdict(roofline)))
        part.replace(place)
