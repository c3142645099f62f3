"""Machine code on disk: found again, never mistaken for other code, and never in the way."""

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from autoresearch import compiled
from autoresearch.index import assign, loops

CALL = """
import numpy as np
from numba.core import event
from autoresearch.index import loops
with event.install_recorder("numba:compile") as seen:
    sums, counts = np.zeros((2, 3)), np.zeros(2, np.int64)
    loops.add_up(np.ones((4, 3), np.float32), np.array([0, 1, 1, 1]), sums, counts)
assert counts.tolist() == [1, 3] and sums.tolist() == [[1] * 3, [3] * 3]
print(len(seen.buffer))
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(compiled.SWITCH, str(tmp_path / "code"))
    return tmp_path / "code"


def again():
    """`add_up` as a process that begins has it."""
    function = njit(nogil=True)(loops.add_up.py_func)
    compiled.kept({"add_up": function})
    return function


def right(function):
    sums, counts = np.zeros((2, 3)), np.zeros(2, np.int64)
    function(np.ones((4, 3), np.float32), np.array([0, 1, 1, 1]), sums, counts)
    return counts.tolist() == [1, 3] and sums.tolist() == [[1] * 3, [3] * 3]


def found(function):
    return sum(function.stats.cache_hits.values())


def process():
    return subprocess.Popen(
        [sys.executable, "-c", CALL], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def files(home):
    return sorted(path for path in home.rglob("*") if path.is_file())


def test_the_next_process_compiles_nothing(home):
    first = process().communicate()[0]
    second = process().communicate()[0]
    assert (int(first) > 0, int(second)) == (True, 0)


def test_two_processes_may_begin_at_once(home):
    both = [process(), process()]
    assert all(one.communicate()[0] and one.returncode == 0 for one in both)
    assert len(files(home)) == 1  # nothing half-written is left
    assert right(function := again()) and found(function) == 1


def test_threads_may_ask_at_once(home):
    function = again()
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: right(function), range(8)))
    assert len(files(home)) == 1


def emptied(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def foreign(path):
    """Sound by its checksum, and something else inside."""
    data = pickle.dumps(("of", "another", "numba"))
    path.write_bytes(hashlib.sha256(data).digest() + data)


@pytest.mark.parametrize("damage", [emptied, cut, flipped, foreign])
def test_a_damaged_file_costs_a_compilation(home, damage):
    assert right(again())
    (file,) = files(home)
    damage(file)
    assert right(function := again()) and found(function) == 0
    assert right(function := again()) and found(function) == 1  # it was mended


def test_only_what_python_calls_is_kept(home):
    @njit
    def outer(x, labels, sums, counts):
        inner(x, labels, sums, counts)

    inner = again()
    compiled.kept({"outer": outer})
    assert right(outer)
    assert [path.name.split("-")[0] for path in files(home)] == ["outer"]
    assert right(inner)  # compiled by now, and that is enough


def test_another_signature_is_another_file(home):
    function = again()
    assert right(function)
    function(np.ones((1, 3)), np.array([0]), np.zeros((1, 3)), np.zeros(1, np.int64))
    assert len(files(home)) == 2


@pytest.mark.usefixtures("home")
def test_an_empty_switch_keeps_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(compiled.SWITCH, "")
    assert right(again())
    assert files(tmp_path) == []


def test_without_a_name_it_goes_to_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(compiled.SWITCH)
    assert compiled.folder() == tmp_path / "autoresearch" / "code" / compiled.digest()


def test_where_nothing_can_be_written_it_compiles(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(compiled.SWITCH, str(tmp_path / "file" / "code"))
    assert compiled.folder() is None
    assert right(again())


def test_a_full_disk_costs_nothing(home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert right(again())
    assert files(home) == []


def test_a_folder_that_others_may_write_is_not_trusted(home):
    there = home / compiled.digest()
    there.mkdir(parents=True)
    there.chmod(0o777)
    assert compiled.folder() is None


class TestNames:
    def test_closures_of_one_text_differ(self):
        tiles = (assign.tile_1, assign.tile_2, assign.tile_4, assign.tile_some)
        names = {compiled.name(tile.py_func) for tile in tiles}
        assert len(names) == len(tiles)

    def test_an_unknown_inside_has_no_name(self):
        table = np.zeros(3)

        def closing():
            return table

        with pytest.raises(compiled.Unnamed):
            compiled.name(closing)


class TestDigest:
    @pytest.fixture
    def copied(self, tmp_path, monkeypatch):
        for source in compiled.SOURCES:
            path, there = compiled.HOME / source, tmp_path / source
            if path.is_dir():
                shutil.copytree(path, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, there)
        monkeypatch.setattr(compiled, "HOME", tmp_path)
        return tmp_path

    @pytest.mark.usefixtures("copied")
    def test_it_depends_on_content_alone(self):
        assert compiled.digest.__wrapped__() == compiled.digest()

    @pytest.mark.parametrize("name", ["simd/memory.py", "kernels/promoted/ivf_flat.py"])
    def test_what_kernels_are_made_of_counts(self, copied, name):
        file, time = copied / name, (copied / name).stat().st_mtime
        text = file.read_text()
        assert "return" in text
        file.write_text(text.replace("return", "retort", 1))  # of the same size, and as old
        os.utime(file, (time, time))
        assert compiled.digest.__wrapped__() != compiled.digest()

    def test_settings_of_numba_count(self, monkeypatch):
        before = compiled.digest.__wrapped__()
        monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
        assert compiled.digest.__wrapped__() != before
