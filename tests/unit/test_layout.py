"""Layout: slack on both sides, guard pages, alignment and misalignment, nothing overlaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.errors import Refusal
from autoresearch.runner import layout
from autoresearch.runner.layout import ALIGN, DTYPES, PAGE, SLACK, Declared, Region

SHAPES = st.lists(st.integers(0, 3000), min_size=1, max_size=2).map(tuple)
ARRAYS = st.lists(
    st.tuples(st.sampled_from(sorted(DTYPES)), SHAPES, st.booleans()), min_size=1, max_size=5
)


def region_of(arrays: list[tuple[str, tuple[int, ...], bool]]) -> Region:
    region = Region()
    for i, (dtype, shape, misaligned) in enumerate(arrays):
        region.add(f"a{i}", dtype, shape, misaligned)
    return region


@given(ARRAYS)
def test_every_array_has_slack_inside_whole_pages_of_its_own(arrays) -> None:
    region = region_of(arrays)
    ends = 0
    for extent in region.extents:
        assert extent.offset == ends and extent.offset % PAGE == extent.size % PAGE == 0
        assert extent.start >= SLACK
        assert extent.start + extent.nbytes + SLACK <= extent.size
        ends += extent.size
    assert ends == region.size


@given(ARRAYS)
def test_an_array_is_aligned_or_one_element_past_it(arrays) -> None:
    for extent, (dtype, _, misaligned) in zip(region_of(arrays).extents, arrays, strict=True):
        assert extent.start % ALIGN == DTYPES[dtype].itemsize * misaligned


@given(ARRAYS)
def test_the_guard_page_is_as_near_as_alignment_allows(arrays) -> None:
    for extent in region_of(arrays).extents:
        assert extent.size - (extent.start + extent.nbytes + SLACK) < ALIGN


@given(ARRAYS)
def test_views_margins_and_slack_share_no_byte(arrays) -> None:
    region = region_of(arrays)
    memory = np.zeros(region.size, np.uint8)
    for view in region.views(memory).values():
        view.view(np.uint8)[...] += np.uint8(1)
    for extent in region.extents:
        before, after = extent.margins(memory)
        assert not before.any() and not after.any()
        assert before.size + after.size + 2 * SLACK + extent.nbytes == extent.size
    assert int(memory.sum()) == sum(e.nbytes for e in region.extents)


@given(ARRAYS, st.integers(0, 9).map(lambda n: n * PAGE))
def test_a_plan_tells_a_worker_the_same_places(arrays, base: int) -> None:
    region = region_of(arrays)
    for there, here in zip(layout.from_plan(region.plan(base)), region.extents, strict=True):
        assert (there.offset, there.start, there.shape) == (
            base + here.offset,
            here.start,
            here.shape,
        )


_pieces = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 7)), min_size=1, max_size=20)


@given(_pieces, st.sampled_from([1, 2, 4, 8]))
def test_neighbours_in_a_batch_are_aligned_alike_with_slack_between(pieces, itemsize) -> None:
    lengths, gaps = map(list, zip(*pieces, strict=True))
    slots = layout.slots(lengths, itemsize, gaps[1:])
    assert slots[0, 0] == 0  # ahead of it lies the margin, where a write is seen
    assert (slots[:, 1] - slots[:, 0]).tolist() == lengths
    assert (slots[:, 0] * itemsize % ALIGN == 0).all()
    between = (slots[1:, 0] - slots[:-1, 1]) * itemsize - 2 * SLACK
    assert (between // ALIGN).tolist() == gaps[1:]


@given(_pieces, st.sampled_from([1, 4]))
def test_what_lies_between_looks_like_the_pieces_and_is_none_of_their_bytes(pieces, size) -> None:
    lengths, gaps = map(list, zip(*pieces, strict=True))
    spans = layout.slots(lengths, size, gaps[1:]) * size
    data = np.zeros(spans[-1, 1], np.uint8)
    for begin, end in spans:
        data[begin:end] = 1
    layout.disguise(data, spans, np.random.default_rng(0))
    filled = data.size >= ALIGN and any(end // ALIGN > begin // ALIGN for begin, end in spans)
    for (begin, end), gap in zip(spans, gaps, strict=True):
        assert (data[begin:end] == 1).all()
        before = data[: begin // ALIGN * ALIGN][-ALIGN * (gap + 1) :]
        assert (before == filled).all()
        assert not data[end : -(-end // ALIGN) * ALIGN + SLACK].any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f32[M,K,ds]", Declared("f32", ("M", "K", "ds"))),
        ("i64[10]", Declared("i64", ("10",))),
        ("u32[~]", Declared("u32", (), True)),
        ("u32[~n]", Declared("u32", (), True, "n")),
        ("i64", Declared("i64")),
        ("count", Declared("i64")),
    ],
)
def test_declarations(text: str, expected: Declared) -> None:
    assert layout.declared(text) == expected
    assert expected.scalar == (text in ("i64", "count"))


@pytest.mark.parametrize("text", ["", "f16[n]", "f32(n)", "u32[~n", "int", "f32[n]x"])
def test_what_is_no_declaration_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="not understood"):
        layout.declared(text)


def test_dimensions_are_bound_once_and_divisors_round_up() -> None:
    dims: dict[str, int] = {}
    layout.bind(layout.declared("f32[n,d]"), (9, 4), dims, "x")
    layout.bind(layout.declared("i64[10]"), (10,), dims, "ids")
    assert layout.resolve(layout.declared("u8[n/8,d,3]"), dims) == (2, 4, 3)
    with pytest.raises(Refusal, match="Array y has d=5 where another has 4"):
        layout.bind(layout.declared("f32[d]"), (5,), dims, "y")
    with pytest.raises(Refusal, match="has 2 dimensions, its declaration 1"):
        layout.bind(layout.declared("f32[n]"), (9, 1), dims, "z")
