"""Real data: what is in a file is what is drawn, and no file, however odd, ends in a traceback."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoresearch import data, draw
from autoresearch.data import caps, source
from autoresearch.data import columns as columns_of_tables
from autoresearch.errors import Refusal
from targets.pq_l2 import inputs

SOURCES = Path(draw.__file__).parent
anywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
matrices = st.tuples(st.integers(1, 20), st.integers(1, 9))
single = arrays(np.float32, matrices, elements=st.floats(-1e6, 1e6, width=32))
bytes_ = arrays(np.uint8, matrices)
whole = arrays(np.int32, matrices, elements=st.integers(0, 2**31 - 1))
columns = arrays(np.uint32, st.integers(1, 50))


@pytest.fixture(autouse=True)
def no_file_left_in_use(monkeypatch):
    monkeypatch.setattr(draw, "_given", [])


def vecs(path, values):
    """The records of TEXMEX, written as their page says."""
    raw = [len(row).to_bytes(4, "little") + row.tobytes() for row in values]
    path.write_bytes(b"".join(raw))
    return path


def npy(path, values):
    np.save(path, values)
    return path


def read(path, kind, column=""):
    text = f"{path}:{column}" if column else str(path)
    return data.load(data.origin(text, kind))


def refused(path, kind, column=""):
    """Both sentences of the refusal that reading must end in."""
    with pytest.raises(Refusal) as told:
        read(path, kind, column)
    refusal = told.value
    assert refusal.what.startswith(path.name) and refusal.what.endswith(".")
    assert refusal.remedy.endswith((".", "?")) and "\n" not in str(refusal)
    return refusal.what


# What is in a file is what is held


@anywhere
@given(single)
def test_fvecs_and_npy_hold_what_was_written(tmp_path, values):
    for path in (vecs(tmp_path / "a.fvecs", values), npy(tmp_path / "a.npy", values)):
        found = read(path, "vectors")
        assert np.array_equal(found.values, values) and found.values.dtype == np.float32
        assert (found.rows, found.width) == values.shape


@anywhere
@given(bytes_)
def test_bvecs_become_floats(tmp_path, values):
    assert np.array_equal(read(vecs(tmp_path / "a.bvecs", values), "vectors").values, values)


@anywhere
@given(whole)
def test_ivecs_become_one_column(tmp_path, values):
    found = read(vecs(tmp_path / "a.ivecs", values), "integers")
    assert np.array_equal(found.values, values.ravel()) and found.values.dtype == np.uint32


@anywhere
@given(columns)
def test_integers_in_npy_and_in_lines(tmp_path, values):
    lines = tmp_path / "a.txt"
    lines.write_text("\n".join(map(str, values)))
    for path in (lines, npy(tmp_path / "a.npy", values)):
        assert np.array_equal(read(path, "integers").values, values)


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "u1", "<i2", ">i8"])
@pytest.mark.parametrize("order", "CF")
def test_npy_of_any_number_type_and_order(tmp_path, dtype, order):
    values = np.asarray(np.arange(12).reshape(4, 3), dtype, order=order)
    assert np.array_equal(read(npy(tmp_path / "a.npy", values), "vectors").values, values)


@anywhere
@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), min_size=1))
def test_a_line_is_a_text(tmp_path, texts):
    path = tmp_path / "a.txt"
    for end in ("\n", "\r\n"):
        path.write_bytes("".join(text + end for text in texts).encode())
        found = read(path, "text")
        raw = found.values.tobytes()
        cut = [raw[a:b].decode() for a, b in pairwise(found.ends)]
        assert cut == texts and found.rows == len(texts)


# No file ends in a traceback


@pytest.mark.parametrize("suffix", [".fvecs", ".bvecs", ".ivecs", ".npy"])
def test_a_file_cut_off_at_any_byte_is_refused(tmp_path, suffix):
    kind = "integers" if suffix == ".ivecs" else "vectors"
    values = np.arange(12, dtype={".bvecs": "u1", ".ivecs": "<i4"}.get(suffix, "<f4"))
    path = (npy if suffix == ".npy" else vecs)(tmp_path / f"a{suffix}", values.reshape(4, 3))
    raw = path.read_bytes()
    record = 0 if suffix == ".npy" else len(raw) // 4
    for size in range(len(raw)):
        path.write_bytes(raw[:size])
        if record and size and size % record == 0:
            assert read(path, kind).rows == size // record * (3 if kind == "integers" else 1)
        else:
            told = refused(path, kind)
            assert "byte" in told
    path.write_bytes(raw)
    read(path, kind)


@anywhere
@given(
    st.binary(max_size=200),
    st.sampled_from([*data._READERS, ".parquet", ".arrow"]),
    st.sampled_from(data.KINDS),
    st.sampled_from([b"", b"\x93NUMPY\x01\x00", b"\x02\0\0\0", b"PAR1", b"ARROW1\0\0"]),
)
def test_any_bytes_are_read_or_refused(tmp_path, raw, suffix, kind, head):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(head + raw)
    with suppress(Refusal):
        assert read(path, kind).rows > 0


def raw_npy(header):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


FAULTS = {
    "dimension that changes": (
        *(".fvecs", "vectors"),
        b"\1\0\0\0" + bytes(4) + b"\2\0\0\0" + bytes(4),
        "a.fvecs declares dimension 2 in record 1 at byte 8, 1 before.",
    ),
    "no dimension": (".bvecs", "vectors", bytes(8), "declares dimension 0 at byte 0"),
    "negative dimension": (".bvecs", "vectors", b"\xff" * 8, "declares dimension -1 at byte 0"),
    "cut record": (
        *(".bvecs", "vectors", b"\2\0\0\0abc"),
        "is cut off: record 1 at byte 6 needs 6 bytes, 1 are left.",
    ),
    "nan": (
        *(".fvecs", "vectors"),
        b"\1\0\0\0" + bytes(4) + b"\1\0\0\0" + np.float32(np.nan).tobytes(),
        "has nan in component 0 of record 1 at byte 8, expected finite f32",
    ),
    "negative id": (
        *(".ivecs", "integers", b"\2\0\0\0" + bytes(4) + b"\xff" * 4),
        "has -1 in record 0 at byte 0, expected a whole number",
    ),
    "empty vectors": (".fvecs", "vectors", b"", "has 0 bytes"),
    "empty text": (".txt", "text", b"", "is empty"),
    "not UTF-8": (".txt", "text", b"abc\n\xff\n", "is not UTF-8 in byte 4: invalid start byte."),
    "not a number": (".txt", "integers", b"1\n2.5\n", "has '2.5' in the line at byte 2"),
    "too large": (".txt", "integers", b"4294967296", "has '4294967296' in the line at byte 0"),
    "no number": (".txt", "integers", b"\n", "has '' in the line at byte 0"),
    "wrong kind": (".fvecs", "text", b"", "holds vectors, and this target takes text"),
    "no npy": (".npy", "vectors", b"PK", "has no .npy header at byte 0"),
    "pickled": (
        *(".npy", "vectors"),
        raw_npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }") + b"cos\nsystem\n",
        "holds pickled Python objects, which are never loaded.",
    ),
    "negative shape": (
        *(".npy", "vectors"),
        raw_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 1), }"),
        "shape (-1, 1) is negative",
    ),
    "unknown": (".csv", "text", b"a", "has no extension that is known: .npy, .fvecs"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_place(tmp_path, name):
    suffix, kind, raw, told = FAULTS[name]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(raw)
    assert told in refused(path, kind)


ODD_ARRAYS = {
    "expected numbers in 2 dimension(s)": ("vectors", np.zeros(3)),
    "holds <U1[1, 1]": ("vectors", np.array([["a"]])),
    "is empty: its shape is [0, 4]": ("vectors", np.zeros((0, 4))),
    "is empty: its shape is [4, 0]": ("vectors", np.zeros((4, 0))),
    "has inf in component 1 of row 1": ("vectors", np.array([[0, 0], [0, np.inf]])),
    "has 1e+300 in component 0 of row 0": ("vectors", np.array([[1e300]])),
    "has -3 in row 1": ("integers", np.array([1, -3])),
    "has 0.5 in row 0": ("integers", np.array([0.5])),
    "has nan in row 1": ("integers", np.array([2.0, np.nan])),
    "has 4294967296 in row 0": ("integers", np.array([1 << 32])),
}


@pytest.mark.parametrize("told", ODD_ARRAYS)
def test_an_array_that_will_not_do(tmp_path, told):
    kind, values = ODD_ARRAYS[told]
    assert told in refused(npy(tmp_path / "a.npy", values), kind)


def test_what_is_no_file_or_has_no_columns(tmp_path):
    assert "does not exist" in refused(tmp_path / "a.npy", "vectors")
    (tmp_path / "b.npy").mkdir()
    assert "is no regular file" in refused(tmp_path / "b.npy", "vectors")
    path = npy(tmp_path / "c.npy", np.ones((1, 1)))
    assert "c.npy has no columns." in refused(path, "vectors", "x")


# A file of any size takes bounded memory


@given(st.integers(0, 10**12), st.integers(1, 10**9))
def test_spans_are_whole_or_even_and_within_the_caps(rows, row_bytes):
    spans = caps.spans(rows, row_bytes)
    kept = sum(end - begin for begin, end in spans)
    assert kept <= caps.ROWS and (kept == 1 or kept * row_bytes <= caps.BYTES)
    assert all(a < b <= c for (a, b), (c, _) in pairwise(spans))
    if rows:
        assert kept and spans[0][0] == 0
        assert spans[-1][1] == rows or len(spans) == 1


def test_a_large_npy_is_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr(caps, "BYTES", 4 << 20)
    path = tmp_path / "a.npy"
    shape = (1 << 26, 64)
    path.write_bytes(raw_npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"))
    with path.open("r+b") as file:
        file.truncate(file.seek(0, 2) + (1 << 34))  # 16 GiB with nothing in them
    tracemalloc.start()
    found = read(path, "vectors")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.values.nbytes == caps.BYTES and peak < 5 * caps.BYTES


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(caps, "ROWS", 40)
    monkeypatch.setattr(caps, "BYTES", 640)
    monkeypatch.setattr(caps, "BLOCKS", 8)


@pytest.mark.usefixtures("small")
def test_blocks_come_evenly_from_all_of_a_file(tmp_path):
    values = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    found = [read(vecs(tmp_path / "a.fvecs", values), "vectors") for _ in "12"]
    rows = found[0].values[:, 0] / 3
    assert found[0].digest() == found[1].digest()
    assert len(rows) <= 40 and rows[0] == 0 and rows[-1] == 999
    assert np.array_equal(found[0].values, values[rows.astype(int)])
    assert np.diff(rows).max() < 200


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("count", [41, 60, 5000])
def test_a_long_text_gives_whole_lines_in_order(tmp_path, count):
    texts = [f"line {i}" for i in range(count)]
    path = tmp_path / "a.txt"
    path.write_text("\n".join(texts))
    found = read(path, "text")
    raw = found.values.tobytes().decode()
    cut = [raw[a:b] for a, b in pairwise(found.ends)]
    numbers = [texts.index(text) for text in cut]
    assert numbers == sorted(set(numbers)) and 0 < len(cut) <= 40
    assert len(raw) <= caps.BYTES


@pytest.mark.usefixtures("small")
def test_a_text_without_lines_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 5000)
    assert "has no whole line where it was sampled" in refused(path, "text")
    path.write_bytes(b"1\n" * 400)
    assert read(path, "integers").rows <= 40


# Columns


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow")


def table(path, pa, rows=3, **fields):
    """A file with the named columns, in groups of so many rows."""
    made = pa.table(fields)
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(made, path, row_group_size=rows)
    else:
        with pa.ipc.new_file(path, made.schema) as file:
            file.write_table(made, max_chunksize=rows)
    return path


TABLES = pytest.mark.parametrize("suffix", [".parquet", ".feather"])


@TABLES
@pytest.mark.parametrize("fixed", [False, True])
def test_a_column_of_lists_is_vectors(tmp_path, arrow, suffix, fixed):
    values = np.arange(40, dtype=np.float32).reshape(10, 4)
    item = arrow.float32()
    kind = arrow.list_(item, 4) if fixed else arrow.list_(item)
    column = arrow.array(values.tolist(), kind)
    path = table(tmp_path / f"a{suffix}", arrow, id=arrow.array(range(10)), v=column)
    for name in ("", "v"):
        assert np.array_equal(read(path, "vectors", name).values, values)
    assert data.origin(f"{path}:v", "vectors").label.startswith(f"a{suffix}:v:")


@TABLES
def test_columns_of_integers_and_texts(tmp_path, arrow, suffix):
    texts = ["", "é", "abc", "", "x"] * 2
    coded = arrow.array(texts).dictionary_encode()
    ids = arrow.array([float(i) for i in range(10)])
    path = table(tmp_path / f"a{suffix}", arrow, ids=ids, texts=arrow.array(texts), coded=coded)
    assert read(path, "integers").values.tolist() == list(range(10))
    for name in ("texts", "coded"):
        found = read(path, "text", name)
        raw = found.values.tobytes()
        cut = [raw[a:b].decode() for a, b in pairwise(found.ends)]
        assert cut == texts
    assert "has 2 columns of text: texts, coded" in refused(path, "text")
    assert "has 0 columns of vectors" in refused(path, "vectors")
    assert "has double in column ids, expected text" in refused(path, "text", "ids")
    with pytest.raises(Refusal, match=r"has no column 'test'\. Did you mean 'texts'\?"):
        read(path, "text", "test")


@TABLES
def test_a_fault_in_a_column_names_its_row(tmp_path, arrow, suffix):
    unit = "row group" if suffix == ".parquet" else "record batch"
    columns = {
        "null": ("integers", arrow.array([1, 2, 3, 4, None])),
        "-7": ("integers", arrow.array([1, 2, 3, 4, -7])),
        "3 components": ("vectors", arrow.array([[1.0, 2.0]] * 4 + [[1.0, 2.0, 3.0]])),
        "nan in component 1": ("vectors", arrow.array([[1.0, 2.0]] * 4 + [[1.0, np.nan]])),
        "a null component": ("vectors", arrow.array([[1.0, 2.0]] * 4 + [[1.0, None]])),
    }
    broken = arrow.array([b"a"] * 4 + [b"\xff"]).view(arrow.string())
    columns["not UTF-8"] = ("text", broken)
    for told, (kind, column) in columns.items():
        what = refused(table(tmp_path / f"a{suffix}", arrow, c=column), kind)
        assert told in what and f"row 1 of {unit} 1" in what
    empty = table(tmp_path / f"b{suffix}", arrow, c=arrow.array([], arrow.int32()))
    assert "is empty" in refused(empty, "integers")


@TABLES
@pytest.mark.usefixtures("small")
def test_a_long_column_is_sampled(tmp_path, arrow, suffix):
    path = table(tmp_path / f"a{suffix}", arrow, c=arrow.array(range(1000)))
    found = read(path, "integers").values
    assert len(found) <= 40 and found[0] == 0 and found[-1] == 999
    assert found.tolist() == sorted(set(found.tolist()))


@TABLES
def test_of_a_large_group_stretches_are_kept(tmp_path, arrow, suffix, monkeypatch):
    monkeypatch.setattr(caps, "ROWS", 80)
    monkeypatch.setattr(columns_of_tables, "_BATCH", 10)
    path = table(tmp_path / f"a{suffix}", arrow, 1000, c=arrow.array(range(1000)))
    found = read(path, "integers").values
    assert len(found) == 80 and found[0] == 0 and found[-1] == 999
    assert np.diff(found.astype(int)).max() < 200 and (np.diff(found) >= 1).all()


@TABLES
def test_a_table_cut_off_is_refused(tmp_path, arrow, suffix):
    path = table(tmp_path / f"a{suffix}", arrow, c=arrow.array(range(5)))
    raw = path.read_bytes()
    for size in [*range(0, len(raw) - 16, 29), *range(len(raw) - 16, len(raw))]:
        path.write_bytes(raw[:size])
        refused(path, "integers")


def test_without_pyarrow_the_refusal_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "a.parquet").touch()
    assert "needs pyarrow" in refused(tmp_path / "a.parquet", "text")


# Names


def test_a_label_names_the_file_and_its_content_and_no_folder(tmp_path):
    path = vecs(tmp_path / "my data, v=2:ü.fvecs", np.ones((2, 3), np.float32))
    found = data.origin(str(path), "vectors")
    name, digest = found.label.rsplit(":", 1)
    assert (
        name == "y_data__v_2__.fvecs"
        and len(found.label) == 32
        and str(tmp_path) not in found.label
    )
    assert data.load(found).digest().startswith(digest)
    vecs(path, np.zeros((2, 3), np.float32))
    with pytest.raises(Refusal, match="changed while this command waited"):
        data.load(found)


def test_equal_bytes_of_another_kind_are_other_data():
    values = np.zeros((2, 2), np.float32)
    others = [source.Source("vectors", values), source.Source("vectors", values.reshape(1, 4))]
    assert len({one.digest() for one in others}) == 2


# Draws


def _rng(seed=0):
    return np.random.default_rng(seed)


def test_without_a_file_there_is_nothing_to_draw():
    with pytest.raises(LookupError, match="no file was given"):
        draw.floats(_rng(), (3,), "data")


def test_only_the_oracle_draws_from_files():
    users = [p for p in SOURCES.rglob("*.py") if "draw.use(" in p.read_text()]
    assert {p.name for p in users} <= {"judge.py", "child.py"}  # of runner and of peers


def test_vectors_are_rows_of_the_file():
    values = np.arange(40, dtype=np.float32).reshape(10, 4)
    draw.use(source.Source("vectors", values))
    ten = draw.floats(_rng(), (2, 5, 4), "data")
    assert sorted(ten.reshape(10, 4)[:, 0]) == sorted(values[:, 0]), "none twice"
    more = draw.floats(_rng(), (30, 3), "data")
    assert more.shape == (30, 3) and set(more[:, 0]) <= set(values[:, 0])
    one = draw.floats(_rng(1), (4,), "data")
    assert one in values and one.dtype == np.float32
    assert np.array_equal(one, draw.floats(_rng(1), (4,), "data"))
    assert draw.floats(_rng(), (0, 4), "data").shape == (0, 4)
    with pytest.raises(ValueError, match="drawn as 5 wide"):
        draw.floats(_rng(), (5,), "data")
    with pytest.raises(ValueError, match="vectors was drawn as text"):
        draw.strings(_rng(), 1, "data")


@given(columns, st.integers(0, 200), st.integers(1, 2**32 - 1), st.integers(0, 9))
def test_integers_are_a_stretch_in_order(values, n, below, seed):
    draw.use(source.Source("integers", np.sort(values)))
    drawn = draw.integers(_rng(seed), n, below, "data")
    assert drawn.shape == (n,) and drawn.dtype == np.uint32 and (drawn < below).all()
    if n <= len(values) and int(values.max()) - int(values.min()) < below:
        assert (np.diff(drawn.astype(np.int64)) >= 0).all(), "sorted stays sorted"


@given(st.lists(st.text(max_size=4), min_size=1, max_size=6), st.integers(0, 20), st.integers(0, 9))
def test_strings_are_a_stretch_around_the_end(texts, n, seed):
    raw = [text.encode(errors="replace") for text in texts]
    ends = np.concatenate([[0], np.cumsum([len(text) for text in raw])])
    draw.use(source.Source("text", np.frombuffer(b"".join(raw), np.uint8), ends))
    offsets, drawn = draw.strings(_rng(seed), n, "data")
    assert offsets.dtype == np.int32 and drawn.dtype == np.uint8 and offsets[-1] == len(drawn)
    cut = [drawn[a:b].tobytes() for a, b in pairwise(offsets)]
    around = [(raw * (n + 2))[i : i + n] for i in range(len(raw))]
    assert cut in around


@pytest.mark.parametrize("width", [1, 7, 96, 128, 768, 1536])
def test_pq_l2_makes_workloads_of_any_width(width):
    values = _rng().standard_normal((700, width), np.float32)
    given = source.Source("vectors", values)
    draw.use(given)
    made = data.workloads(inputs, given, "a.npy:0")
    assert 2 <= len(made) <= 4
    for w in made:
        assert w.spec["m"] * w.spec["ds"] == width
        assert w.spec["dist"] == "data" and w.label.endswith(",data=a.npy:0")
        assert set(inputs.JITTER) <= set(w.spec)
    small = inputs.Workload("search", {**made[0].spec, "n": 300})
    static = inputs.static(_rng(), small.spec)
    q = inputs.each(_rng(), small.spec, static)["q"]
    assert (values == q).all(axis=1).any()
