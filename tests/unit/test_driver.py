"""The generated loop for the shapes a target may take: prepared, ragged, scalar, two steps."""

from __future__ import annotations

import ast
import textwrap

import pytest
from fake import FakeRunner

from autoresearch.model import Op, Target
from autoresearch.runner import driver

PQ = Target(
    "code",
    static={"codebook": "f32[M,K,ds]", "codes": "u8[n,M]"},
    prepare="prepare(codebook, codes)",
    scratch="scratch(state)",
    ops={
        "search": Op(
            ("search(state, scratch, q, ids, dists)",),
            {"q": "f32[d]"},
            {"ids": "i64[10]", "dists": "f32[10]"},
            "topk",
        ),
        "distances": Op(
            ("distance_table(state, q, table)", "compute_distances(state, table, out)"),
            {"q": "f32[d]"},
            {"table": "f32[M,K]", "out": "f32[n]"},
            "close",
        ),
    },
)
POSTING = Target(
    "element",
    {
        "two": Op(
            ("n = intersect(a, b, out)",),
            {"a": "u32[~]", "b": "u32[~]"},
            {"out": "u32[~n]", "n": "count"},
        )
    },
)
BITPACK = Target(
    "int",
    {
        "decode": Op(
            ("decode(width, packed, out)",),
            {"width": "i64", "packed": "u32[~]"},
            {"out": "u32[~]"},
        )
    },
)
PREDICATE = Target(
    "row",
    static={"a": "i32[r]", "b": "f64[r]"},
    ops={
        "bitmap": Op(
            ("filter_bitmap(a, b, x, y, bits)",), {"x": "i32", "y": "f64"}, {"bits": "u8[r/8]"}
        ),
        "select": Op(
            ("n = filter_select(a, b, x, y, rows)",),
            {"x": "i32", "y": "f64"},
            {"rows": "u32[~n]", "n": "count"},
        ),
    },
)
EXAMPLES = {
    ("pq", "search"): (
        PQ,
        "drive(_n, state, scratch, q, q_at, ids, ids_at, dists, dists_at)",
        """
        search(state, scratch, q[q_at[_i, 0]:q_at[_i, 1]], ids[ids_at[_i, 0]:ids_at[_i, 1]], \
dists[dists_at[_i, 0]:dists_at[_i, 1]])
        """,
    ),
    ("pq", "distances"): (
        PQ,
        "drive(_n, state, scratch, q, q_at, table, table_at, table_d0, table_d1, out, out_at)",
        """
        distance_table(state, q[q_at[_i, 0]:q_at[_i, 1]], \
table[table_at[_i, 0]:table_at[_i, 1]].reshape((table_d0, table_d1)))
        compute_distances(state, \
table[table_at[_i, 0]:table_at[_i, 1]].reshape((table_d0, table_d1)), \
out[out_at[_i, 0]:out_at[_i, 1]])
        """,
    ),
    ("posting", "two"): (
        POSTING,
        "drive(_n, a, a_at, b, b_at, out, out_at, n)",
        """
        n[_i] = intersect(a[a_at[_i, 0]:a_at[_i, 1]], b[b_at[_i, 0]:b_at[_i, 1]], \
out[out_at[_i, 0]:out_at[_i, 1]])
        """,
    ),
    ("bitpack", "decode"): (
        BITPACK,
        "drive(_n, width, packed, packed_at, out, out_at)",
        """
        decode(width[_i], packed[packed_at[_i, 0]:packed_at[_i, 1]], \
out[out_at[_i, 0]:out_at[_i, 1]])
        """,
    ),
    ("predicate", "bitmap"): (
        PREDICATE,
        "drive(_n, a, b, x, y, bits, bits_at)",
        """
        filter_bitmap(a, b, x[_i], y[_i], bits[bits_at[_i, 0]:bits_at[_i, 1]])
        """,
    ),
    ("toy", "select"): (
        FakeRunner.target,
        "drive(_n, state, scratch, x, x_at, bound, rows, rows_at, n)",
        """
        n[_i] = select(x[x_at[_i, 0]:x_at[_i, 1]], bound[_i], rows[rows_at[_i, 0]:rows_at[_i, 1]])
        """,
    ),
}


@pytest.mark.parametrize(("which", "example"), EXAMPLES.items(), ids=lambda v: str(v[:2]))
def test_the_loop_hands_each_operation_its_own_pieces(which, example) -> None:
    target, signature, body = example
    drive = ast.parse(driver.source(target, which[1])).body[-1]
    assert isinstance(drive, ast.FunctionDef)
    assert f"{drive.name}({ast.unparse(drive.args)})" == signature
    *_, loop = drive.body
    assert isinstance(loop, ast.For) and ast.unparse(loop.iter) == "range(_n)"
    lines = [ast.unparse(step) for step in loop.body]
    assert lines == textwrap.dedent(body).strip().splitlines()


@pytest.mark.parametrize(("which", "example"), EXAMPLES.items(), ids=lambda v: str(v[:2]))
def test_parameters_are_the_drivers_arguments(which, example) -> None:
    target, signature, _ = example
    names = [p.name for p in driver.parameters(target, target.ops[which[1]])]
    assert signature == f"drive({', '.join(['_n', *names])})"


def test_entry_points_are_every_function_a_kernel_must_define() -> None:
    assert driver.entry_points(PQ) == {
        "prepare": ["codebook", "codes"],
        "scratch": ["state"],
        "search": ["state", "scratch", "q", "ids", "dists"],
        "distance_table": ["state", "q", "table"],
        "compute_distances": ["state", "table", "out"],
    }
    assert driver.entry_points(POSTING) == {"intersect": ["a", "b", "out"]}
