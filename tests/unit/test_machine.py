"""Machines made of files: what is read, what the name depends on, what `doctor` says of them."""

import json
import os
import platform
from dataclasses import replace
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from autoresearch import machine as subject
from autoresearch.errors import Refusal
from autoresearch.machine import (
    Cache,
    Finding,
    Noise,
    Roofline,
    findings,
    fingerprint,
    rates,
    roofline,
)
from autoresearch.machine.files import fields, size_of_list
from autoresearch.machine.quiet import Disturbances, run_queue_ns, spins, steal_ns, summary
from autoresearch.model import Work

CPU = "sys/devices/system/cpu"
KB, MB = 1 << 10, 1 << 20

ZEN4 = {
    "proc/cpuinfo": """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC 9554 64-Core Processor
siblings\t: 4
cpu cores\t: 2
flags\t\t: fpu sse4_2 popcnt fma avx avx2 bmi2 avx512f avx512vbmi smep aes

processor\t: 1
vendor_id\t: AuthenticAMD
""",
    "proc/meminfo": "MemTotal:       33554432 kB\nMemAvailable:   16777216 kB\n",
    "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
    "proc/loadavg": "0.10 0.20 0.30 1/200 4242\n",
    "proc/uptime": "1000.00 1900.00\n",
    "proc/stat": "cpu  1 0 1 1 0 0 0 20 0 0\ncpu0 1 0 1 1 0 0 0 5 0 0\n",
    "proc/self/schedstat": "1000 2500 7\n",
    "proc/self/cgroup": "0::/user.slice/one\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    f"{CPU}/online": "0-3\n",
    f"{CPU}/smt/active": "1\n",
    f"{CPU}/cpufreq/boost": "1\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "schedutil\n",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
}
INTEL = {
    "proc/cpuinfo": """\
processor : 0
vendor_id : GenuineIntel
cpu family : 6
model : 143
model name : Intel(R) Xeon(R) Platinum 8480C
siblings : 2
cpu cores : 1
flags : popcnt fma avx avx2 avx512f avx512_vbmi2 amx_tile hypervisor

processor : 1
""",
    f"{CPU}/intel_pstate/no_turbo": "0\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n",
}
GRAVITON3 = {
    "proc/cpuinfo": """\
processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd aes crc32 atomics fphp asimdhp asimddp sve bf16 i8mm
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40

processor\t: 1
CPU part\t: 0xd40
""",
    "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
    "sys/class/dmi/id/product_name": "c7g.large\n",
}
CONTAINER = {"proc/cpuinfo": ZEN4["proc/cpuinfo"], "proc/self/cgroup": "0::/\n"}


def cache_files(*levels):
    """`levels` as (level, type, size, cpus); the sysfs folder of the first core."""
    return {
        f"{CPU}/cpu0/cache/index{index}/{name}": f"{value}\n"
        for index, level in enumerate(levels)
        for name, value in zip(("level", "type", "size", "shared_cpu_list"), level, strict=True)
    }


@pytest.fixture
def plant(tmp_path):
    """Lays a tree of files and returns its root."""

    def laid(*trees):
        for tree in trees:
            for name, content in tree.items():
                place = tmp_path / "root" / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(content)
        return tmp_path / "root"

    return laid


def libc(name):
    known = {"SC_PAGE_SIZE": 4096, "SC_NPROCESSORS_ONLN": 1, 188: 48 * KB, 191: 2 * MB, 194: 0}
    return known[name]


def finding(name, found):
    return next(one for one in found if one.name == name)


def examine(root, tmp_path, **given):
    given.setdefault("run", lambda command: "git version 2.39.5\n")
    return findings(fingerprint(root, libc), tmp_path / "state", root=root, **given)


class TestFingerprint:
    def test_zen4(self, plant):
        caches = cache_files(
            (1, "Data", "32K", "0,2"),
            (1, "Instruction", "32K", "0,2"),
            (2, "Unified", "1024K", "0,2"),
            (3, "Unified", "32768K", "0-3"),
        )
        found = fingerprint(plant(ZEN4, caches), libc)
        assert (found.arch, found.microarchitecture) == ("x86-64", "zen4")
        assert (found.vendor, found.family, found.model) == ("AuthenticAMD", 25, 17)
        assert found.cpu == "AMD EPYC 9554 64-Core Processor"
        assert (found.cores, found.smt, found.turbo) == (4, True, True)
        assert found.governor == "schedutil"
        assert not found.hypervisor
        assert found.caches == (
            Cache(1, 32 * KB, 2),
            Cache(2, MB, 2),
            Cache(3, 32 * MB, 4),
        )
        assert found.thp == "madvise"
        assert (found.memory_mb, found.page_bytes) == (32768, 4096)
        assert found.kernel == "6.8.0-45-generic"
        assert "avx512vbmi" in found.features
        assert "smep" not in found.features, "sme is an instruction set of Arm, smep is not one"
        assert found.id.startswith("zen4-4c-")

    def test_intel_guest(self, plant):
        found = fingerprint(plant(INTEL), libc)
        assert found.microarchitecture == "sapphire-rapids"
        assert found.hypervisor
        assert (found.turbo, found.smt, found.cores) == (True, True, 2)
        assert {"avx512_vbmi2", "amx_tile"} <= set(found.features)

    def test_graviton(self, plant):
        found = fingerprint(plant(GRAVITON3), libc)
        assert (found.arch, found.microarchitecture) == ("aarch64", "neoverse-v1")
        assert (found.vendor, found.model) == ("0x41", 0xD40)
        assert found.hypervisor
        assert found.cores == 2
        assert {"asimd", "sve", "i8mm"} <= set(found.features)

    def test_metal_is_no_guest(self, plant):
        metal = {"sys/class/dmi/id/product_name": "c7g.metal\n"}
        assert not fingerprint(plant(GRAVITON3, metal), libc).hypervisor

    def test_container_without_sysfs(self, plant):
        found = fingerprint(plant(CONTAINER), libc)
        assert found.cores == 2, "counted in /proc/cpuinfo"
        assert found.smt, "siblings against cores"
        assert found.caches == (Cache(1, 48 * KB), Cache(2, 2 * MB)), "as libc says"
        assert (found.governor, found.turbo, found.memory_mb) == ("", None, 0)

    def test_nothing_to_read(self, plant):
        found = fingerprint(plant(), libc)
        assert found.cores == 1
        assert found.caches == ()
        assert found.features == ()
        assert found.id.startswith(f"{platform.machine()}-1c-")

    def test_this_machine(self):
        found = fingerprint()
        assert found.cores >= 1
        assert "" not in (found.python, found.numpy, found.numba, found.llvmlite)

    @pytest.mark.parametrize(
        ("family", "model", "name"),
        [(23, 0x01, "zen"), (23, 0x31, "zen2"), (25, 0x01, "zen3"), (25, 0x21, "zen3"),
         (25, 0x50, "zen3"), (25, 0x61, "zen4"), (25, 0xA0, "zen4"), (26, 0x02, "zen5")],
    )  # fmt: skip
    def test_generations_of_zen(self, plant, family, model, name):
        cpuinfo = f"vendor_id : AuthenticAMD\ncpu family : {family}\nmodel : {model}\n"
        assert fingerprint(plant({"proc/cpuinfo": cpuinfo}), libc).microarchitecture == name

    def test_an_unknown_cpu_is_named_by_its_numbers(self, plant):
        cpuinfo = "vendor_id : GenuineIntel\ncpu family : 6\nmodel : 255\n"
        assert fingerprint(plant({"proc/cpuinfo": cpuinfo}), libc).id.startswith("intel-6-ff-1c-")


class TestName:
    def test_is_stable(self, plant):
        root = plant(ZEN4)
        assert fingerprint(root, libc).id == fingerprint(root, libc).id

    @pytest.mark.parametrize(
        "change",
        [
            {"governor": "performance"},
            {"turbo": False},
            {"smt": False},
            {"cores": 8},
            {"hypervisor": True},
            {"model": 18},
            {"features": ("avx2",)},
            {"caches": (Cache(1, 48 * KB),)},
            {"page_bytes": 65536},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_changes_with_speed(self, plant, change):
        found = fingerprint(plant(ZEN4), libc)
        assert replace(found, **change).id != found.id

    @pytest.mark.parametrize(
        "change",
        [
            {"memory_mb": 1},
            {"kernel": "6.9"},
            {"thp": "never"},
            {"numba": "0"},
            {"python": "3.14.0"},
            {"cpu": "renamed by the host"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_does_not_change_with_the_rest(self, plant, change):
        found = fingerprint(plant(ZEN4), libc)
        assert replace(found, **change).id == found.id


class TestFiles:
    def test_lists(self):
        assert [size_of_list(line) for line in ("", "0", "0-3", "0-3,8,10-11")] == [0, 1, 4, 7]

    def test_the_first_of_a_repeated_key_counts(self):
        assert fields("a : 1\nnoise\na : 2\nb: x: y") == {"a": "1", "b": "x: y"}


ROOF = Roofline(
    "zen4-4c-000000", 100.0, ((16 * KB, 200.0), (256 * KB, 100.0), (16 * MB, 50.0), (64 * MB, 20.0))
)


class TestRoofline:
    @pytest.mark.parametrize(
        ("size", "rate"),
        [(1, 200), (16 * KB, 200), (100 * KB, 200), (256 * KB, 100), (63 * MB, 50), (1 << 40, 20)],
    )
    def test_rate_by_working_set(self, size, rate):
        assert ROOF.gbps(size) == rate

    def test_a_dip_in_the_probe_lowers_no_roof(self):
        dipped = replace(ROOF, bandwidth=((16 * KB, 90.0), *ROOF.bandwidth[1:]))
        assert dipped.gbps(16 * KB) == 100

    def test_moving_bound(self):
        assert ROOF.pct(Work(bytes=1e9), ns=1e9) == pytest.approx(100 * (1 / 20))

    def test_multiplying_bound(self):
        assert ROOF.pct(Work(bytes=1, fmas=1e6), ns=40_000) == pytest.approx(50)

    def test_beating_the_probe_is_told(self):
        assert ROOF.pct(Work(bytes=1e9), ns=2e7) > 105

    def test_two_probes_join_to_the_better_figures(self):
        other = Roofline(ROOF.machine, 90.0, ((16 * KB, 210.0), (64 * MB, 10.0)))
        joined = ROOF.joined(other)
        assert joined.gflops == 100
        assert joined.bandwidth == ((16 * KB, 210.0), *ROOF.bandwidth[1:])

    def test_working_sets_follow_the_caches(self, plant):
        caches = cache_files((1, "Data", "32K", "0"), (3, "Unified", "32768K", "0-3"))
        sizes = roofline.working_sets(fingerprint(plant(ZEN4, caches), libc))
        assert sizes == (16 * KB, 16 * MB, 64 * MB, 128 * MB)

    def test_working_sets_leave_room_in_a_small_machine(self, plant):
        small = {"proc/meminfo": "MemTotal: 524288 kB\n"}
        caches = cache_files((1, "Data", "32K", "0"), (3, "Unified", "32768K", "0-3"))
        assert max(roofline.working_sets(fingerprint(plant(ZEN4, caches, small), libc))) == 64 * MB

    @pytest.mark.parametrize("lanes", [4, 8, 16])
    def test_the_loops_are_sound_at_every_width(self, lanes):
        text = rates.fma_ir(lanes, 24) + rates.read_ir(lanes) + rates.triad_ir(lanes)
        names = [function.name for function in llvm.parse_assembly(text).functions]
        assert {"fma", "read", "triad"} < set(names)

    def test_probe_of_this_machine(self, monkeypatch):
        monkeypatch.setattr(roofline, "working_sets", lambda machine: (16 * KB, 256 * KB))
        found = subject.probe(fingerprint())
        assert found.gflops > 0
        assert [size for size, _ in found.bandwidth] == [16 * KB, 256 * KB]
        assert min(rate for _, rate in found.bandwidth) > 0

    def test_a_probe_that_fails_is_refused_with_a_remedy(self, monkeypatch):
        monkeypatch.setattr(roofline, "working_sets", lambda machine: (-1,))
        with pytest.raises(Refusal) as refused:
            subject.probe(fingerprint())
        assert refused.value.remedy


class TestKept:
    @pytest.fixture
    def probed(self, monkeypatch):
        """Counts the probes; each finds a machine that multiplies faster."""
        calls = []

        def probe(machine, core=-1):
            calls.append(core)
            return replace(ROOF, machine=machine.id, gflops=100.0 * len(calls))

        monkeypatch.setattr(roofline, "probe", probe)
        return calls

    def test_once_per_machine(self, tmp_path, probed, plant):
        here = fingerprint(plant(ZEN4), libc)
        first = subject.load_or_probe(tmp_path, here)
        assert subject.load_or_probe(tmp_path, here) == first
        assert len(probed) == 1
        subject.load_or_probe(tmp_path, replace(here, cores=64))
        assert len(probed) == 2

    def test_again_joins(self, tmp_path, probed, plant):
        here = fingerprint(plant(ZEN4), libc)
        subject.load_or_probe(tmp_path, here)
        assert subject.load_or_probe(tmp_path, here, again=True).gflops == 200
        assert subject.load_or_probe(tmp_path, here).gflops == 200

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", '{"machine": 1}', '{"machine": "x", "gflops": 0, "bandwidth": []}'],
    )
    def test_a_torn_file_is_probed_anew(self, tmp_path, probed, plant, content):
        here = fingerprint(plant(ZEN4), libc)
        place = tmp_path / f"roofline-{here.id}.json"
        place.write_text(content)
        assert subject.load_or_probe(tmp_path, here).gflops == 100
        assert json.loads(place.read_text())["machine"] == here.id
        assert list(tmp_path.glob("roofline*")) == [place]

    def test_a_directory_that_cannot_be_made_costs_the_file_only(self, tmp_path, probed, plant):
        (tmp_path / "file").write_text("")
        here = fingerprint(plant(ZEN4), libc)
        assert subject.load_or_probe(tmp_path / "file" / "state", here).gflops == 100


class TestNoise:
    def test_counters(self, plant):
        root = plant(ZEN4)
        assert run_queue_ns(root) == 2500
        assert steal_ns(root) == 4 * steal_ns(root, 0) > 0
        assert steal_ns(root, 7) == 0

    def test_counters_that_are_missing(self, plant):
        root = plant()
        assert (run_queue_ns(root), steal_ns(root), steal_ns(root, 0)) == (0, 0, 0)

    def test_spins_until_the_time_is_over(self):
        ticks = iter(range(0, 10_000, 10))
        assert spins(100e-9, clock=lambda: next(ticks)) == [10] * 4
        assert spins(0.0, clock=lambda: next(ticks)) == [10, 10], "two at least"

    def test_summary(self):
        times = [100] * 95 + [150] * 5
        found = summary(3, times, Disturbances(1, 10, 0), Disturbances(4, 30, 5))
        assert found.worst == pytest.approx(0.5)
        assert 0 < found.spread < 0.5
        assert (found.core, found.spins, found.switches) == (3, 100, 3)
        assert (found.delay_ns, found.steal_ns) == (20, 5)

    def test_affinity_is_put_back(self):
        before = os.sched_getaffinity(0)
        found = subject.noise(min(before), seconds=0.01)
        assert os.sched_getaffinity(0) == before
        assert found.spins >= 2


class TestFindings:
    def test_a_good_machine(self, plant, tmp_path):
        off = {
            f"{CPU}/smt/active": "0",
            f"{CPU}/cpufreq/boost": "0",
            f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
            "proc/sys/kernel/yama/ptrace_scope": "1",
        }
        found = examine(plant(ZEN4, off), tmp_path)
        assert {one.name: one.level for one in found if one.level != "ok"} == {}
        assert len({one.name for one in found}) == len(found)

    def test_every_trouble_has_a_remedy(self, plant, tmp_path):
        trouble = {
            "proc/loadavg": "9.00 9.00 9.00 9/9 9",
            "proc/stat": "cpu  1 0 1 1 0 0 0 90000 0 0\n",
            "proc/meminfo": "MemAvailable: 512000 kB\n",
            "sys/fs/cgroup/user.slice/cpu.max": "50000 100000\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n",
            "sys/devices/system/clocksource/clocksource0/available_clocksource": "hpet tsc\n",
            f"{CPU}/online": "0\n",
        }
        noise = Noise(0, 10, spread=0.5, worst=9.0, switches=5, delay_ns=10**6, steal_ns=0)
        (tmp_path / "state").write_text("a file where a directory should be")
        found = examine(plant(ZEN4, trouble), tmp_path, noise=noise, run=lambda command: "")
        levels = {one.name: one.level for one in found if one.level != "ok"}
        assert levels == {
            "git": "bad", "state": "bad", "memory": "bad", "cores": "warn", "smt": "warn",
            "governor": "warn", "turbo": "warn", "clock": "warn", "container": "bad",
            "load": "warn", "steal": "warn", "noise": "bad", "yama": "warn",
        }  # fmt: skip
        assert all(bool(one.remedy) == (one.level != "ok") for one in found)
        assert "echo tsc" in finding("clock", found).remedy

    def test_nothing_can_be_read(self, plant, tmp_path):
        found = examine(plant(), tmp_path)
        assert [one.name for one in found if one.level == "bad"] == []

    @pytest.mark.parametrize(
        ("files", "level"),
        [
            ({"sys/fs/cgroup/cpu.max": "max 100000"}, "ok"),
            ({"sys/fs/cgroup/cpu.max": "150000 100000"}, "warn"),
            ({"sys/fs/cgroup/user.slice/one/cpu.max": "20000 100000"}, "bad"),
            ({"sys/fs/cgroup/elsewhere/cpu.max": "20000 100000"}, "ok"),
            (
                {
                    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
                },
                "ok",
            ),
            (
                {
                    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000",
                    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
                },
                "warn",
            ),
        ],
    )
    def test_quota(self, plant, tmp_path, files, level):
        assert finding("container", examine(plant(ZEN4, files), tmp_path)).level == level

    @pytest.mark.parametrize(
        ("said", "level"),
        [("git version 2.28.0", "ok"), ("git version 2.27.9", "bad"), ("git version 3.0", "ok")],
    )
    def test_git(self, plant, tmp_path, said, level):
        assert finding("git", examine(plant(), tmp_path, run=lambda command: said)).level == level

    def test_a_missing_library(self, plant, tmp_path):
        bare = replace(fingerprint(plant(), libc), numba="")
        found = findings(bare, tmp_path / "state", root=plant())
        assert finding("python", found).level == "bad"

    @pytest.mark.parametrize(("tree", "switch"), [(INTEL, "no_turbo"), (ZEN4, "boost")])
    def test_each_vendor_has_its_own_turbo_switch(self, plant, tmp_path, tree, switch):
        assert switch in finding("turbo", examine(plant(tree), tmp_path)).remedy

    def test_this_machine(self, tmp_path):
        found = findings(fingerprint(), tmp_path / "deep" / "state")
        assert all(isinstance(one, Finding) for one in found)
        assert finding("state", found).level == "ok"
        assert Path(tmp_path / "deep" / "state").is_dir()
