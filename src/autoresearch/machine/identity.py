"""Which machine this is: what the kernel says of it, and a short name that changes with its speed.

Knows files under a root and nothing of clocks; numba's version is read without importing it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .files import chosen, fields, memory_mb, number, size_of_list, text

CPU = "sys/devices/system/cpu"
Sysconf = Callable[[str | int], int]

# The instruction sets for which a kernel may be written differently.
X86_FEATURES = ("popcnt", "sse4_2", "fma", "f16c", "bmi1", "bmi2", "gfni", "vaes", "vpclmulqdq")
ARM_FEATURES = ("asimd", "fphp", "asimdhp", "asimddp", "atomics", "bf16", "i8mm", "sme", "sme2")
FAMILIES = ("avx", "amx", "sve")  # with all their members

# (vendor, family) -> last model of each stretch and its name, in ascending order.
STRETCHES = {
    ("AuthenticAMD", 23): ((0x2F, "zen"), (0xFF, "zen2")),
    ("AuthenticAMD", 25): ((0x0F, "zen3"), (0x1F, "zen4"), (0x5F, "zen3"), (0xFF, "zen4")),
    ("AuthenticAMD", 26): ((0x4F, "zen5"), (0x5F, "zen6"), (0x7F, "zen5"), (0xFF, "zen6")),
}
MODELS = {
    ("GenuineIntel", 6, 0x3F): "haswell",
    ("GenuineIntel", 6, 0x4F): "broadwell",
    ("GenuineIntel", 6, 0x55): "skylake-sp",
    ("GenuineIntel", 6, 0x6A): "icelake-sp",
    ("GenuineIntel", 6, 0x8F): "sapphire-rapids",
    ("GenuineIntel", 6, 0xCF): "emerald-rapids",
    ("GenuineIntel", 6, 0xAD): "granite-rapids",
    ("0x41", 8, 0xD08): "cortex-a72",
    ("0x41", 8, 0xD0C): "neoverse-n1",
    ("0x41", 8, 0xD40): "neoverse-v1",
    ("0x41", 8, 0xD49): "neoverse-n2",
    ("0x41", 8, 0xD4F): "neoverse-v2",
    ("0x41", 8, 0xD84): "neoverse-v3",
}


@dataclass(frozen=True, slots=True)
class Cache:
    """One data cache of the first core: its level, size, and how many CPUs share it."""

    level: int
    bytes: int
    shared_by: int = 1


@dataclass(frozen=True, slots=True)
class Machine:
    """What bears on a measurement or explains one; empty, 0 and None mean: cannot be read."""

    arch: str
    cpu: str
    microarchitecture: str
    vendor: str
    family: int
    model: int
    features: tuple[str, ...]
    cores: int
    smt: bool
    caches: tuple[Cache, ...]
    governor: str
    turbo: bool | None
    hypervisor: bool
    kernel: str
    thp: str
    memory_mb: int
    page_bytes: int
    python: str
    numpy: str
    numba: str
    llvmlite: str

    @property
    def id(self) -> str:
        """A name such as `zen3-2c-1a2b3c`: equal where times may be compared, else different.

        Left out are the versions (they stand in the digest of a target), the kernel and the memory
        (an upgrade of either leaves a kernel's time as it was) and huge pages (off in workers).
        """
        speed = (
            *(self.arch, self.vendor, self.family, self.model, self.features, self.cores),
            *(self.smt, self.caches, self.governor, self.turbo, self.hypervisor, self.page_bytes),
        )
        digest = hashlib.sha256(repr(speed).encode()).hexdigest()
        return f"{self.microarchitecture}-{self.cores}c-{digest[:6]}"


def fingerprint(root: Path = Path("/"), sysconf: Sysconf = os.sysconf) -> Machine:
    """This machine, from the files below `root`; never raises for one that is missing."""
    cpuinfo = text(root, "proc/cpuinfo")
    cpu = fields(cpuinfo)
    vendor, family, model = names(cpu)
    return Machine(
        arch=architecture(cpu),
        cpu=cpu.get("model name", ""),
        microarchitecture=microarchitecture(vendor, family, model, architecture(cpu)),
        vendor=vendor,
        family=family,
        model=model,
        features=features(cpu),
        cores=cores(root, cpuinfo, sysconf),
        smt=smt(root, cpu),
        caches=caches(root) or caches_of_libc(cpu, sysconf),
        governor=text(root, f"{CPU}/cpu0/cpufreq/scaling_governor"),
        turbo=turbo(root),
        hypervisor=hypervisor(root, cpu),
        kernel=text(root, "proc/sys/kernel/osrelease"),
        thp=chosen(text(root, "sys/kernel/mm/transparent_hugepage/enabled")),
        memory_mb=memory_mb(root, "MemTotal"),
        page_bytes=sysconf("SC_PAGE_SIZE"),
        python=platform.python_version(),
        numpy=version("numpy"),
        numba=version("numba"),
        llvmlite=version("llvmlite"),
    )


def names(cpu: dict[str, str]) -> tuple[str, int, int]:
    """Vendor, family and model; on aarch64 implementer, architecture and part."""
    if "CPU implementer" in cpu:
        part = int(cpu.get("CPU part", "0"), 16)
        return cpu["CPU implementer"], int(cpu.get("CPU architecture", "0")), part
    return cpu.get("vendor_id", ""), int(cpu.get("cpu family", 0)), int(cpu.get("model", 0))


def architecture(cpu: dict[str, str]) -> str:
    if "CPU implementer" in cpu:
        return "aarch64"
    return "x86-64" if "vendor_id" in cpu else platform.machine()


def microarchitecture(vendor: str, family: int, model: int, arch: str) -> str:
    for last, name in STRETCHES.get((vendor, family), ()):
        if model <= last:
            return name
    plain = f"{vendor.removeprefix('Genuine').lower()}-{family}-{model:x}" if vendor else arch
    return MODELS.get((vendor, family, model), plain)


def features(cpu: dict[str, str]) -> tuple[str, ...]:
    present = cpu.get("flags", cpu.get("Features", "")).split()
    told = {*X86_FEATURES, *ARM_FEATURES}
    return tuple(sorted({name for name in present if name in told or name.startswith(FAMILIES)}))


def cores(root: Path, cpuinfo: str, sysconf: Sysconf) -> int:
    """CPUs online, whichever of them this process may use at the moment."""
    listed = size_of_list(text(root, f"{CPU}/online"))
    counted = sum(line.startswith("processor") for line in cpuinfo.splitlines())
    return listed or counted or sysconf("SC_NPROCESSORS_ONLN")


def smt(root: Path, cpu: dict[str, str]) -> bool:
    active = number(root, f"{CPU}/smt/active")
    if active is not None:
        return active == 1
    return int(cpu.get("siblings", 1)) > int(cpu.get("cpu cores", cpu.get("siblings", 1)))


def caches(root: Path) -> tuple[Cache, ...]:
    found = []
    for index in range(8):
        at = f"{CPU}/cpu0/cache/index{index}"
        size = text(root, f"{at}/size").removesuffix("K")
        if size.isdigit() and text(root, f"{at}/type") != "Instruction":
            level = number(root, f"{at}/level") or 0
            shared_by = size_of_list(text(root, f"{at}/shared_cpu_list")) or 1
            found.append(Cache(level, int(size) * 1024, shared_by))
    return tuple(found)


def caches_of_libc(cpu: dict[str, str], sysconf: Sysconf) -> tuple[Cache, ...]:
    """Without sysfs glibc still asks the CPU itself (its L3 may be that of a whole socket)."""
    found = []
    # _SC_LEVEL1_DCACHE_SIZE and its like; another system may number something else so.
    for level, name in ((1, 188), (2, 191), (3, 194)) if cpu else ():
        try:
            size = sysconf(name)
        except (OSError, ValueError):
            continue
        if size > 0:
            found.append(Cache(level, size))
    return tuple(found)


def turbo(root: Path) -> bool | None:
    without = number(root, f"{CPU}/intel_pstate/no_turbo")
    if without is not None:
        return without == 0
    boost = number(root, f"{CPU}/cpufreq/boost")
    return None if boost is None else boost == 1


def hypervisor(root: Path, cpu: dict[str, str]) -> bool:
    """x86 has a flag for it; elsewhere firmware or the kernel tells, if anyone does."""
    if "hypervisor" in cpu.get("flags", "").split() or text(root, "sys/hypervisor/type"):
        return True
    product = text(root, "sys/class/dmi/id/product_name")
    vendor = text(root, "sys/class/dmi/id/sys_vendor")
    return vendor in ("QEMU", "Amazon EC2", "Google") and not product.endswith("metal")


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def boot_ns() -> int:
    """ns since boot: comparable between processes, unmoved by a clock that jumps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
