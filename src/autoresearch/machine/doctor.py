"""What about this machine makes measurements slow, noisy or impossible, and what to do about it.

Each check is a function of one `Bench`; knows nothing of targets, and changes nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .files import memory_mb, number, text
from .identity import CPU, Machine
from .quiet import Noise, steal_ns

GOOD_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page")
OLDEST_GIT = (2, 28)  # the first with `git init --initial-branch`
ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`; `level` is ok, warn (noisier, or less is known) or bad."""

    name: str
    level: str
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """All that a check may look at."""

    machine: Machine
    state: Path
    root: Path
    noise: Noise | None
    run: Callable[[list[str]], str]


def findings(
    machine: Machine,
    state: Path,
    noise: Noise | None = None,
    root: Path = ROOT,
    run: Callable[[list[str]], str] | None = None,
) -> list[Finding]:
    """Every check in order; the harness writes to `state`, and `run` runs a command."""
    bench = Bench(machine, state, root, noise, run or output)
    return [check(bench) for check in CHECKS]


def output(command: list[str]) -> str:
    """What a command prints, or `""` where it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def cores(bench: Bench) -> Finding:
    if bench.machine.cores >= 2:
        return Finding("cores", "ok", f"{bench.machine.cores} cores")
    what = "one core: the oracle has to share it with the kernel that is timed"
    return Finding("cores", "warn", what, "Use a machine with two cores; trials take longer here.")


def governor(bench: Bench) -> Finding:
    found = bench.machine.governor
    if found in ("", "performance"):
        return Finding("governor", "ok", found or "set by the host, cannot be read here")
    remedy = "As root: cpupower frequency-set --governor performance"
    return Finding("governor", "warn", f"{found}: the clock follows the load", remedy)


def turbo(bench: Bench) -> Finding:
    if not bench.machine.turbo:
        state = "cannot be read here" if bench.machine.turbo is None else "off"
        return Finding("turbo", "ok", state)
    intel = (bench.root / CPU / "intel_pstate/no_turbo").exists()
    remedy = (
        "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"
        if intel
        else "echo 0 > /sys/devices/system/cpu/cpufreq/boost"
    )
    what = "on: the clock falls as the chip warms, for both arms alike"
    return Finding("turbo", "warn", what, f"For steadier times, as root: {remedy}")


def huge_pages(bench: Bench) -> Finding:
    mode = bench.machine.thp or "cannot be read here"
    return Finding("huge pages", "ok", f"{mode}; workers turn them off for themselves")


def siblings(bench: Bench) -> Finding:
    if not bench.machine.smt:
        return Finding("smt", "ok", "off or not visible")
    what = "on: a busy sibling thread can halve the speed of a core"
    return Finding("smt", "warn", what, "As root: echo off > /sys/devices/system/cpu/smt/control")


def load(bench: Bench) -> Finding:
    words = text(bench.root, "proc/loadavg").split()
    if not words:
        return Finding("load", "ok", "cannot be read here")
    level = "warn" if float(words[0]) > 0.5 * bench.machine.cores else "ok"
    remedy = "Stop other work on this machine, or wait for it." if level == "warn" else ""
    return Finding("load", level, f"{words[0]} over the last minute", remedy)


def steal(bench: Bench) -> Finding:
    """Since boot: what a noise test sees of it is in `noise`."""
    up = float((text(bench.root, "proc/uptime").split() or ["0"])[0])
    share = steal_ns(bench.root) / (up * 1e9 * bench.machine.cores) if up else 0.0
    what = f"{share:.2%} of the time since boot"
    if share < 0.01:
        return Finding("steal", "ok", what)
    return Finding("steal", "warn", what, "The host is overbooked: use a dedicated instance.")


def quiet(bench: Bench) -> Finding:
    found = bench.noise
    if found is None:
        return Finding("noise", "ok", "not tested")
    what = (
        f"core {found.core}: fixed work varies by {found.spread:.1%}, "
        f"{found.switches} involuntary switches, {found.delay_ns / 1e6:.1f} ms in the run queue, "
        f"{found.steal_ns / 1e6:.1f} ms stolen"
    )
    level = "ok" if found.spread < 0.03 else "warn" if found.spread < 0.2 else "bad"
    remedy = "Stop other work, then ask again; trials here may end as inconclusive."
    return Finding("noise", level, what, "" if level == "ok" else remedy)


def shared_memory(_: Bench) -> Finding:
    try:
        os.close(os.memfd_create("autoresearch-doctor"))
    except (AttributeError, OSError) as fault:
        remedy = "Run on Linux, or allow memfd_create in the container's seccomp profile."
        return Finding("shared memory", "bad", f"memfd_create fails: {fault}", remedy)
    return Finding("shared memory", "ok", "memfd_create works")


def tracing(bench: Bench) -> Finding:
    scope = number(bench.root, "proc/sys/kernel/yama/ptrace_scope")
    if scope:
        return Finding("yama", "ok", f"kernel.yama.ptrace_scope is {scope}")
    what = "a process may trace any other of its user: only the sandbox's filter forbids it"
    return Finding(
        "yama", "warn", what, "As root, where the kernel has it: sysctl kernel.yama.ptrace_scope=1"
    )


def writable(bench: Bench) -> Finding:
    try:
        bench.state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=bench.state) as probe:
            probe.write(b"x")
    except OSError as fault:
        remedy = "Make it writable, or work in a clone that is."
        return Finding("state", "bad", f"{bench.state} cannot be written: {fault}", remedy)
    return Finding("state", "ok", f"{bench.state} can be written")


def disk(bench: Bench) -> Finding:
    place = next(path for path in (bench.state, *bench.state.parents) if path.exists())
    free = shutil.disk_usage(place).free // 10**6
    level = "ok" if free > 2000 else "warn" if free > 200 else "bad"
    remedy = "" if level == "ok" else f"Free some space on the disk of {place}."
    return Finding("disk", level, f"{free} MB free", remedy)


def memory(bench: Bench) -> Finding:
    free = memory_mb(bench.root, "MemAvailable")
    if not free:
        return Finding("memory", "ok", "cannot be read here")
    level = "ok" if free > 4000 else "warn" if free > 1000 else "bad"
    remedy = "" if level == "ok" else "Stop other work: large workloads need about 2 GB."
    return Finding("memory", level, f"{free} MB available", remedy)


def clock(bench: Bench) -> Finding:
    where = "sys/devices/system/clocksource/clocksource0"
    found = text(bench.root, f"{where}/current_clocksource")
    if found in ("", *GOOD_CLOCKS):
        return Finding("clock", "ok", found or "cannot be read here")
    what = f"{found}: each reading is a system call and takes a microsecond"
    better = [
        name
        for name in GOOD_CLOCKS
        if name in text(bench.root, f"{where}/available_clocksource").split()
    ]
    remedy = (
        f"As root: echo {better[0]} > /{where}/current_clocksource"
        if better
        else "No better one is offered: use another machine for short kernels."
    )
    return Finding("clock", "warn", what, remedy)


def container(bench: Bench) -> Finding:
    """A CPU quota stops a worker in mid-call for the rest of a period of 100 ms."""
    quotas = [*quota_v2(bench.root), *quota_v1(bench.root)]
    if not quotas:
        return Finding("container", "ok", "no CPU quota")
    what = f"a CPU quota of {min(quotas):.2f} cores stops work in the middle of a call"
    remedy = "Start the container without a quota (--cpus), with a CPU set (--cpuset-cpus)."
    return Finding("container", "bad" if min(quotas) < 1 else "warn", what, remedy)


def quota_v2(root: Path) -> list[float]:
    """Quotas of the process's own group and of all above it, in cores."""
    group = re.search(r"^0::/(.*)$", text(root, "proc/self/cgroup"), re.MULTILINE)
    at = Path("sys/fs/cgroup") / (group[1] if group else "")
    groups = [path for path in (at, *at.parents) if path.is_relative_to("sys/fs/cgroup")]
    lines = (text(root, f"{path}/cpu.max").split() for path in groups)
    return [int(words[0]) / int(words[1]) for words in lines if words and words[0] != "max"]


def quota_v1(root: Path) -> list[float]:
    quota = number(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period = number(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    return [quota / period] if quota and quota > 0 and period else []


def git(bench: Bench) -> Finding:
    said = bench.run(["git", "--version"])
    numbers = re.search(r"(\d+)\.(\d+)", said)
    if not numbers:
        return Finding("git", "bad", "git cannot be run", "Install git and put it on PATH.")
    if (int(numbers[1]), int(numbers[2])) < OLDEST_GIT:
        return Finding("git", "bad", said.strip(), "Install git 2.28 or newer.")
    return Finding("git", "ok", said.strip())


def python(bench: Bench) -> Finding:
    what = (
        f"python {bench.machine.python}, numpy {bench.machine.numpy}, "
        f"numba {bench.machine.numba}, llvmlite {bench.machine.llvmlite}"
    )
    if "" in (bench.machine.numpy, bench.machine.numba, bench.machine.llvmlite):
        return Finding("python", "bad", what, "Run scripts/install to install what is missing.")
    return Finding("python", "ok", what)


CHECKS: tuple[Callable[[Bench], Finding], ...] = (
    python,
    git,
    writable,
    disk,
    memory,
    shared_memory,
    cores,
    siblings,
    governor,
    turbo,
    huge_pages,
    clock,
    container,
    load,
    steal,
    quiet,
    tracing,
)
