"""The trusted half of the sealed call: cases and their checks, builds and seals, lease, vault."""

from __future__ import annotations

import ast
import importlib
import os
import re
import runpy
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from fake import SEED, TOY, FakeRunner
from numba.core import caching

from autoresearch import draw
from autoresearch.errors import Refusal
from autoresearch.model import Workload
from autoresearch.runner import builds, driver, judge, layout, lease, pair, worker
from autoresearch.runner.bench import Stage
from autoresearch.runner.builds import lay_down
from autoresearch.runner.case import Case
from autoresearch.runner.sealed import KernelFault, Worker
from autoresearch.runner.vault import Vault

TARGET = FakeRunner.target
INPUTS = SimpleNamespace(**runpy.run_path(str(TOY / "inputs.py")))
SECRET = b"s" * 32


def plain(text: str) -> dict[str, Any]:
    """The functions of a text as Python runs them, without numba."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    kept = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    found: dict[str, Any] = {"np": np}
    exec(compile(ast.Module(kept, []), "plain", "exec"), found)
    return found


REFERENCE = plain(SEED)


def case(op: str, n: int = 20, misaligned: bool = False, dist: str = "normal") -> Case:
    """A case of three operations in two batches, drawn and answered."""
    workload = Workload(op, {"n": n, "dist": dist})
    rng = np.random.default_rng(1)
    static = INPUTS.static(rng, workload.spec)
    made = Case(TARGET, INPUTS, workload, static, 3, misaligned)
    made.draw(2, rng)
    drive = plain(driver.source(TARGET, op))["drive"]
    drive.__globals__.update(REFERENCE)
    made.answer(SimpleNamespace(**REFERENCE), drive)
    return made


def written(made: Case, batch: int) -> tuple[layout.Array, layout.Array]:
    """What an honest call leaves in the outputs, and the poison that lay there before."""
    poison = np.random.default_rng(batch).integers(0, 256, made.regions["out"].size, np.uint8)
    out = poison.copy()
    views = made.regions["out"].views(out)
    for places, expected in zip(made.places[batch], made.expected[batch], strict=True):
        for name, (begin, end) in places.items():
            views[name][begin:end] = np.ravel(expected[name])
    return out, poison


# Cases

EVERY = [(op, odd) for op in ("weigh", "select") for odd in (False, True)]


@pytest.mark.parametrize(("op", "misaligned"), EVERY)
def test_what_the_reference_answers_is_right(op: str, misaligned: bool) -> None:
    made = case(op, misaligned=misaligned)
    for batch in range(2):
        assert made.check(batch, *written(made, batch)) is None


def test_no_operations_inputs_come_twice() -> None:
    made = case("weigh")
    seen = [view["x"].tobytes() for view in map(made.regions["each"].views, made.images)]
    assert len(set(seen)) == 2
    views = made.regions["each"].views(made.images[0])
    pieces = [views["x"][a:b].tobytes() for a, b in views["x_at"]]
    assert len(set(pieces)) == 3


def test_an_image_holds_what_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, Any]] = []
    each = INPUTS.each
    monkeypatch.setattr(INPUTS, "each", lambda *a: drawn.append(each(*a)) or drawn[-1])
    made = case("select", misaligned=True)
    for image, batch in zip(made.images, (drawn[:3], drawn[3:]), strict=True):
        views = made.regions["each"].views(image)
        for i, operation in enumerate(batch):
            begin, end = views["x_at"][i]
            assert np.array_equal(views["x"][begin:end], operation["x"])
            assert views["bound"][i] == operation["bound"]


def put(name: str, change: Callable[[Any], Any]) -> Callable[[Case, layout.Array], None]:
    """Change the first entry of output `name` in operation 1."""

    def act(made: Case, out: layout.Array) -> None:
        at = made.places[0][1][name][0]
        view = made.regions["out"].views(out)[name]
        view[at] = change(view[at])

    return act


def margin(name: str, side: int, at: int) -> Callable[[Case, layout.Array], None]:
    """Write one byte outside an output and its slack, `at` bytes into that margin."""

    def act(made: Case, out: layout.Array) -> None:
        extent = next(e for e in made.regions["out"].extents if e.name == name)
        extent.margins(out)[side][at] ^= 1

    return act


WRONG = {
    "off by one in a sum": ("weigh", put("total", lambda v: v + 1), r"operation 1: total\[0\] is"),
    "NaN": ("weigh", put("total", lambda v: np.nan), r"operation 1: total\[0\] is nan"),
    "off by one in a row": ("select", put("rows", lambda v: v + 1), r"operation 1: rows\[0\] is"),
    "a count too many": ("select", put("n", lambda v: v + 1), "operation 1: n is 11, expected 10"),
    "a count too few": ("select", put("n", lambda v: v - 1), "operation 1: n is 9, expected 10"),
    "a huge count": ("select", put("n", lambda v: 1 << 62), "operation 1: n is"),
    "a negative count": ("select", put("n", lambda v: -1), "operation 1: n is -1"),
    "a write before": ("select", margin("rows", 0, -1), "rows was written over 64 bytes outside"),
    "a write behind": ("select", margin("n", 1, 0), "n was written over 64 bytes outside"),
}


@pytest.mark.parametrize(("op", "act", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_output_is_named(op: str, act: Callable[..., None], told: str) -> None:
    made = case(op)
    out, poison = written(made, 0)
    act(made, out)
    found = made.check(0, out, poison)
    assert found is not None
    assert re.search(told, found), found


@pytest.mark.parametrize(("op", "misaligned"), EVERY)
def test_an_output_that_was_not_written_is_wrong(op: str, misaligned: bool) -> None:
    made = case(op, misaligned=misaligned)
    _, poison = written(made, 0)
    assert made.check(0, poison.copy(), poison)


@pytest.mark.parametrize("op", ["weigh", "select"])
def test_the_last_batchs_output_is_stale(op: str) -> None:
    made = case(op, n=50)
    out, poison = written(made, 1)
    assert made.check(0, out, poison)


def test_over_copies_into_the_slack_are_legal() -> None:
    made = case("select")
    out, poison = written(made, 0)
    for extent in made.regions["out"].extents:
        begin = extent.offset + extent.start
        out[begin - layout.SLACK : begin] = 0
        out[begin + extent.nbytes : begin + extent.nbytes + layout.SLACK] = 0
    assert made.check(0, out, poison) is None


def test_an_operation_may_be_empty() -> None:
    made = case("select", n=0)
    assert made.check(0, *written(made, 0)) is None


# Builds


def build(folder: Path, **changed: Any) -> builds.Build:
    facts = {"target": TARGET, "text": SEED.encode(), "machine": "here", "secret": SECRET}
    return lay_down(folder, **facts | changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"text": SEED.encode() + b"#\n"},
        {"machine": "there"},
        {"label": "audit"},
        {"target": replace(TARGET, scratch="")},
    ],
    ids=["text", "machine", "label", "drivers"],
)
def test_a_build_is_named_by_all_that_enters_it(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert build(tmp_path).digest == build(tmp_path).digest
    assert build(tmp_path, **changed).digest != build(tmp_path).digest


@pytest.mark.parametrize("package", ["numpy", "numba", "llvmlite"])
def test_a_build_is_named_by_the_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    before = build(tmp_path).digest
    version = builds.version
    monkeypatch.setattr(builds, "version", lambda p: "0" if p == package else version(p))
    assert build(tmp_path).digest != before


def compiled(folder: Path) -> builds.Build:
    """A build with something in its cache, sealed."""
    made = build(folder)
    (made.cache / "drive_weigh.nbc").write_bytes(b"code")
    made.seal(SECRET)
    assert made.sealed(SECRET)
    return made


TAMPERING = {
    "cache edited": lambda b: (b.cache / "drive_weigh.nbc").write_bytes(b"evil"),
    "cache file added": lambda b: (b.cache / "more.nbi").write_bytes(b"evil"),
    "cache file removed": lambda b: (b.cache / "drive_weigh.nbc").unlink(),
    "kernel edited": lambda b: (b.directory / "kernels.py").write_text("evil"),
    "driver edited": lambda b: (b.directory / "drive_weigh.py").write_text("evil"),
    "package in front": lambda b: (b.directory / "kernels").mkdir(),
    "byte code": lambda b: (b.directory / "kernels.cpython-311.pyc").write_bytes(b"evil"),
    "library in front": lambda b: (b.directory / "kernels.so").write_bytes(b"evil"),
    "seal edited": lambda b: (b.directory / "seal").write_text("0" * 32),
    "seal gone": lambda b: (b.directory / "seal").unlink(),
}


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING)
def test_a_build_that_was_touched_is_written_anew(tmp_path: Path, tamper: Any) -> None:
    made = compiled(tmp_path)
    tamper(made)
    assert not made.sealed(SECRET)
    again = build(tmp_path)
    assert {p.name for p in again.directory.rglob("*")} == {
        *("kernels.py", "drive_weigh.py", "drive_select.py", "cache"),
    }
    assert (again.directory / "kernels.py").read_text() == SEED


def test_a_build_that_was_not_touched_is_used_again(tmp_path: Path) -> None:
    compiled(tmp_path)
    assert build(tmp_path).sealed(SECRET)


def test_a_seal_under_another_secret_says_nothing(tmp_path: Path) -> None:
    assert not compiled(tmp_path).sealed(b"t" * 32)


KERNEL = """
import math
import numpy as np
from numba import njit

TABLE = np.array([1, 2, 3, 4], np.uint8)

@njit(cache=True)
def drive_weigh(x, n):
    local = 0.0
    for i in range(n):
        local += math.sin(x) * 1.5 + TABLE[i & 3]
    if local > 1e300:
        raise ValueError("numba keeps the file this stands in")
    return local
"""
CHANGES = {
    "another name for a local": ("local", "total"),
    "a statement without effect": ("    local = 0.0", "    local = 0.0; pad = 7"),
    "another constant": ("1.5", "1.25"),
    "another message": ("keeps", "holds"),
    "another function": ("sin", "cos"),
    "another table": ("3, 4", "3, 5"),
}


CALLED = ("drive_weigh.drive", "drive_select.drive", "kernels.prepare", "kernels.scratch")


@pytest.fixture(scope="module")
def digests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By change, what `code_digest` makes of a kernel that numba compiled."""
    made, parent = {}, tmp_path_factory.mktemp("code")
    for change, (was, now) in {"none": ("", ""), **CHANGES}.items():
        laid = build(parent, label=change)
        folder = laid.directory
        (folder / "kernels.py").write_text(KERNEL.replace(was, now) if was else KERNEL)
        runpy = "import kernels; kernels.drive_weigh(1.0, 3)"
        environment = os.environ | {"NUMBA_CACHE_DIR": ""}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run([sys.executable, "-c", runpy], cwd=folder, check=True, env=environment)
        [file] = (folder / "__pycache__").glob("*.nbc")
        fill(laid, dict.fromkeys(CALLED, file.read_bytes()))
        made[change] = builds.code_digest(laid, TARGET)
    return made


def fill(build: builds.Build, code: Mapping[str, bytes]) -> None:
    """Cached machine code by function."""
    for name, data in code.items():
        (build.cache / f"{name}-1.py311.1.nbc").write_bytes(data)


@pytest.mark.parametrize("change", CHANGES)
def test_machine_code_is_what_runs_not_how_it_is_written(
    digests: dict[str, str], change: str
) -> None:
    harmless = change in ("another name for a local", "a statement without effect")
    assert digests["none"] and (digests[change] == digests["none"]) == harmless


@pytest.mark.parametrize("missing", CALLED)
def test_without_all_machine_code_nothing_is_the_same(tmp_path: Path, missing: str) -> None:
    laid = build(tmp_path)
    fill(laid, {name: b"" for name in (*CALLED, "kernels.more") if name != missing})
    assert builds.code_digest(laid, TARGET) == ""


@pytest.mark.parametrize("changed", CALLED)
def test_all_that_python_calls_is_machine_code(tmp_path: Path, changed: str) -> None:
    image = [Path(m.__file__).read_bytes() for m in (np.random._sfc64, np.random._philox)]
    digests = set()
    for label, other in (("one", image[0]), ("two", image[1])):
        laid = build(tmp_path, label=label)
        fill(laid, {name: other if name == changed else image[0] for name in CALLED})
        digests.add(builds.code_digest(laid, TARGET))
    assert len(digests) == 2


FORGED = {
    "no header": b"\x7fELF",
    "sections beyond the end": b"\x7fELF" + b"\xff" * 100,
    "the same bytes in many sections": b"\x7fELF".ljust(40, b"\0")
    + (64).to_bytes(8, "little")
    + bytes(12)
    + (99).to_bytes(2, "little") * 2
    + struct.pack("<IIQQQQII", 0, 1, 2, 0, 0, 9000, 0, 0) * 150,
    "many objects": (b"\x7fELF" + bytes(124)) * 20,
}


@pytest.mark.parametrize("forged", FORGED)
def test_of_forged_machine_code_nothing_is_the_same(tmp_path: Path, forged: str) -> None:
    laid = build(tmp_path)
    fill(laid, dict.fromkeys(CALLED, FORGED[forged]))
    assert builds.code_digest(laid, TARGET) == ""


def test_too_much_machine_code_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid = build(tmp_path)
    fill(laid, dict.fromkeys(CALLED, Path(np.random._sfc64.__file__).read_bytes()))
    assert builds.code_digest(laid, TARGET)
    monkeypatch.setattr(builds, "MOST_BYTES", 1000)
    assert builds.code_digest(laid, TARGET) == ""


@pytest.mark.parametrize("name", [b"\xff.nbc", b"a.txt", b"a.nbc.tmp.3", b"a\nb.nbc"])
def test_a_builder_leaves_nothing_but_caches(tmp_path: Path, name: bytes) -> None:
    laid = build(tmp_path)
    fill(laid, {"kernels.prepare": b"", "kernels.gr\u00f6\u00dfe": b""})
    assert laid.stray(done=True) == ""
    Path(os.fsdecode(bytes(laid.cache) + b"/" + name)).write_bytes(b"")
    assert laid.stray(done=False) == ""
    told = laid.stray(done=True)
    assert told.startswith("compile left ") and told.isprintable()


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: p.symlink_to("/etc/passwd")])
def test_a_builder_leaves_plain_files(tmp_path: Path, make: Callable[[Path], None]) -> None:
    laid = build(tmp_path)
    make(laid.cache / "a.nbc")
    assert laid.stray(done=True) == "compile left 'a.nbc' in its cache"


@pytest.mark.parametrize("done", [False, True])
def test_a_builder_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    laid = build(tmp_path)
    monkeypatch.setattr(builds, "MOST_BYTES", 2 << 20)
    fill(laid, dict.fromkeys(CALLED, bytes(1 << 20)))
    assert laid.stray(done) == "compile left more than 2 MB in its cache"
    laid.drop()
    assert not laid.cache.exists()
    assert build(tmp_path).cache.is_dir()


def test_where_one_operation_lies_says_nothing_of_the_next() -> None:
    made = case("weigh")
    views = [made.regions["each"].views(image) for image in made.images]
    for name in ("x_at", "total_at"):
        first, second = (np.diff(view[name][:, 0]).tolist() for view in views)
        assert first != second


def test_where_one_array_is_mapped_says_nothing_of_the_others() -> None:
    stage = judge.Stage([case("weigh")], np.random.default_rng(3))
    fds = stage.descriptors()
    apart = set()
    for _ in range(2):
        arrays = worker.Space(*fds).inputs(stage.plan()[0])
        apart.add(arrays["x_at"].ctypes.data - arrays["x"].ctypes.data)
    for fd in fds:
        os.close(fd)
    assert len(apart) == 2 and min(map(abs, apart)) > 1 << 24


@pytest.mark.parametrize("call", [0, 3])
def test_one_long_call_counts_as_preparation(call: int) -> None:
    calls = np.full((2, 9, 1), 100.0)
    calls[1, call] = 700.0
    first, rounds = calls[:, 0], calls[:, 1:]
    assert pair._beyond_the_usual(first, rounds).tolist() == [[0.0], [600.0]]


def test_a_constant_too_large_to_cache_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [worker.Locator])
    text = "import numpy as np\nBIG = np.zeros(1 << 18)\ndef get(i):\n    return BIG[i]\n"
    (tmp_path / "large.py").write_text(text)
    (tmp_path / "cache").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    function = numba.njit(importlib.import_module("large").get)
    function.enable_caching()
    with pytest.raises(TypeError, match="make it in prepare"):
        function.compile((numba.types.int64,))


# A stage's shared memory


def test_no_call_leaves_a_word_to_a_later_one() -> None:
    stage = judge.Stage([case("select"), case("weigh")], np.random.default_rng(2))
    _, inputs, outputs = (file.memory for file in stage.files)
    sizes = [made.regions["out"].size for made in stage.cases]
    assert outputs.size == max(sizes) and sizes[0] != sizes[1]
    said = np.full_like(outputs, 7)
    for prompt in (stage.renew, stage.poison, *(partial(stage.load, i, 1) for i in (0, 1))):
        outputs[...] = said
        prompt()
        assert not (outputs.reshape(-1, 64) == 7).all(1).any()
        said = outputs.copy()
        stage.poison()
        assert (outputs == said).mean() < 0.02
    assert inputs.any()
    stage.renew()
    assert not inputs.any()


@pytest.mark.parametrize("index", [0, 1])
def test_outputs_are_checked_where_their_case_has_them(index: int) -> None:
    stage = judge.Stage([case("select"), case("weigh")], np.random.default_rng(2))
    made = stage.cases[index]
    stage.load(index, 1)
    assert stage.check(index, 1, 0)
    views = made.regions["out"].views(stage.files[2].memory)
    for expected, places in zip(made.expected[1], made.places[1], strict=True):
        for name, (begin, end) in places.items():
            views[name][begin:end] = np.ravel(expected[name])
    assert stage.check(index, 1, 0) is None


# The lease


def other(core: int, folder: Path, then: str) -> subprocess.Popen[str]:
    """A process that takes the lease, says so, and does something else."""
    program = (
        "import sys; from pathlib import Path; from autoresearch.runner import lease\n"
        f"lease._path = lambda core: Path({str(folder)!r}) / f'{{core}}.lock'\n"
        f"with lease.held({core}, 'somebody', 60, lambda told: None):\n"
        f"    print('held', flush=True); {then}\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", program], env=env, stdin=-1, stdout=-1, text=True
    )


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lease, "_path", lambda core: tmp_path / f"{core}.lock")
    return tmp_path


def test_a_second_process_waits_and_says_for_whom(apart: Path) -> None:
    heard: list[str] = []
    with other(7, apart, "sys.stdin.read()") as first:
        assert first.stdout and first.stdin and first.stdout.readline() == "held\n"
        with (
            pytest.raises(Refusal, match=rf"somebody \(process {first.pid}\) has held"),
            lease.held(7, "me", 0.0, heard.append),
        ):
            pytest.fail("two hold the lease")
        assert heard == [f"waiting for somebody (process {first.pid}) to finish measuring"]
        with lease.held(8, "me", 0.0, pytest.fail):
            pass  # another core set is free
        first.stdin.close()
    with lease.held(7, "me", 5.0, heard.append):
        pass


def test_a_lease_dies_with_its_holder(apart: Path) -> None:
    with other(7, apart, "sys.stdin.read()") as first:
        assert first.stdout and first.stdout.readline() == "held\n"
        first.kill()
        first.wait()
    with lease.held(7, "me", 5.0, pytest.fail):
        pass


def test_two_processes_never_hold_it_together(apart: Path) -> None:
    log = apart / "log"
    then = (
        f"log = open({str(log)!r}, 'a'); log.write('in '); log.flush(); "
        "import time; time.sleep(0.02); log.write('out '); log.flush()"
    )
    crowd = [other(7, apart, then) for _ in range(4)]
    for one in crowd:
        with one:
            assert one.wait(60) == 0
    assert log.read_text() == "in out " * 4


@pytest.mark.parametrize("named", ["99999", "x", "0,", "0;1"])
def test_cores_that_cannot_be_had_are_refused(monkeypatch: Any, named: str) -> None:
    monkeypatch.setenv("AUTORESEARCH_CORES", named)
    with pytest.raises(Refusal, match="does not name cores"):
        lease.core_set()


# The vault

WORKLOAD = Workload("weigh", {"n": 8, "dist": "normal"})


def weights(rng: np.random.Generator) -> dict[str, Any]:
    return {"weights": draw.floats(rng, (8,), "normal")}


def test_static_data_is_drawn_once_and_the_same_for_every_op(tmp_path: Path) -> None:
    first = Vault(tmp_path, SECRET).get(WORKLOAD, weights)
    same = replace(WORKLOAD, op="select")
    again = Vault(tmp_path, SECRET).get(same, lambda rng: pytest.fail("drawn again"))
    assert np.array_equal(first["weights"], again["weights"])


def test_static_data_cannot_be_foretold_without_the_secret(tmp_path: Path) -> None:
    mine = Vault(tmp_path / "a", SECRET).get(WORKLOAD, weights)
    other = Vault(tmp_path / "b", b"t" * 32).get(WORKLOAD, weights)
    assert not np.array_equal(mine["weights"], other["weights"])


@pytest.mark.parametrize("keep", [0, 20, -1])
def test_static_data_that_was_edited_is_drawn_again(tmp_path: Path, keep: int) -> None:
    first = Vault(tmp_path, SECRET).get(WORKLOAD, weights)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:keep] + b"x" * (len(whole) - len(whole[:keep])))
    again = Vault(tmp_path, SECRET).get(WORKLOAD, weights)
    assert np.array_equal(first["weights"], again["weights"])
    assert file.read_bytes() == whole


# Descriptors


def test_closing_twice_closes_nobody_elses() -> None:
    stage, worker = Stage(0, (), ()), Worker(-1, *os.pipe(), lambda: 0)
    stage.arrived([], list(os.pipe()))
    worker.alive = False
    for owner in (stage, worker):
        owner.close()
    others = [*os.pipe(), *os.pipe()]  # the same numbers again
    for owner in (stage, worker):
        owner.close()
    for fd in others:
        os.fstat(fd)
        os.close(fd)


def test_a_worker_that_was_killed_while_frozen_is_a_crash() -> None:
    child = subprocess.Popen(["sleep", "60"])
    worker = Worker(child.pid, *os.pipe(), lambda: 0)
    assert worker.status()["resident"] > 0
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried
    with pytest.raises(KernelFault, match="killed between calls") as caught:
        worker.status()
    assert caught.value.fault.verdict == "crash"
    child.wait()
    worker.alive = False
    worker.close()


def test_the_zygote_does_not_load_scipy_where_it_is_installed(tmp_path: Path) -> None:
    """Its libraries would stay mapped in every worker, and the sandbox refuses foreign code."""
    (tmp_path / "scipy.py").write_text("raise SystemExit('scipy was loaded')\n")
    run = "import runpy; runpy.run_module('autoresearch.runner.zygote', run_name='__main__')"
    program = f"import sys; sys.argv[1:] = ['-1']; sys.path.insert(0, {str(tmp_path)!r}); {run}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "scipy was loaded" not in done.stderr
    assert "in main" in done.stderr, "it came as far as its socket, which there was none of"
