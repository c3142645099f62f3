"""Index files: what is saved comes back, and what was cut or flipped is refused with its place."""

import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.errors import Refusal
from autoresearch.index import storage

ARRAYS = {
    "rows": np.arange(50_000, dtype=np.int64),
    "none": np.empty((0, 7), np.float32),
    "codes": np.random.default_rng(0).integers(0, 256, (300, 16), np.uint8),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "an.index"
    storage.save(path, {"kind": "test", "d": 7}, ARRAYS)
    return path


def test_a_round_trip(saved):
    head, arrays = storage.load(saved)
    assert head == {"kind": "test", "d": 7}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        assert np.array_equal(array, ARRAYS[name])
        assert array.size == 0 or array.ctypes.data % 4096 == 0
        assert not array.flags.writeable


@given(st.data())
def test_a_flipped_bit_is_refused_with_its_block(saved, tmp_path_factory, data):
    whole = bytearray(saved.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flipped") / "an.index"
    path.write_bytes(whole)
    first, last = _padding(whole)
    if first <= at < last:
        return  # between the table and the head lies nothing
    with pytest.raises(Refusal, match="byte") as refusal:
        storage.load(path)
    told = int(re.findall(r"byte (\d+)", refusal.value.what)[0])
    assert told <= at < told + storage.BLOCK or at < first


@given(st.data())
def test_a_cut_file_is_refused_with_where_it_ends(saved, tmp_path_factory, data):
    whole = saved.read_bytes()
    length = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path_factory.mktemp("cut") / "an.index"
    path.write_bytes(whole[:length])
    with pytest.raises(Refusal, match=f"byte {length}"):
        storage.load(path)


def _padding(whole):
    (blocks,) = struct.unpack_from("<I", whole, 12)
    table = storage._FIRST.size + 4
    end = table + 4 * blocks
    return end, -(-end // storage.PAGE) * storage.PAGE


def test_other_files_are_refused(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"\x93NUMPY" + bytes(100))
    with pytest.raises(Refusal, match="no index"):
        storage.load(other)
    with pytest.raises(Refusal, match="could not be read"):
        storage.load(tmp_path / "missing")
    with pytest.raises(Refusal, match="could not be written"):
        storage.save(tmp_path / "missing" / "an.index", {}, {})


def test_a_later_version_is_refused(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "VERSION", 2)
    with pytest.raises(Refusal, match="version 1"):
        storage.load(saved)


def test_saving_over_an_index_leaves_nothing_else(tmp_path):
    for d in (1, 2):
        storage.save(tmp_path / "an.index", {"d": d}, ARRAYS)
    assert [path.name for path in tmp_path.iterdir()] == ["an.index"]
    assert storage.load(tmp_path / "an.index")[0] == {"d": 2}
