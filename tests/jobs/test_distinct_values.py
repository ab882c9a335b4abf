"""Columns as distinct values: looked at all together, with the answers of a look at each; and the sample of rows."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommendation.ids import MAX_ID_CHARACTERS, is_id
from recommendation_jobs import repeats
from recommendation_jobs.columns import Coded

LONGEST = "x" * MAX_ID_CHARACTERS
ids = st.one_of(
    st.text(max_size=4),
    st.text(st.sampled_from("a./~ \x7f\x1fé"), max_size=6),
    st.sampled_from([".", "..", "...", "a/b", LONGEST, LONGEST + "x", "é" * MAX_ID_CHARACTERS, "\u200b"]),
)


def coded(*values: bytes) -> Coded:
    return Coded.of(pa.chunked_array([pa.array(values, pa.binary())]))


@given(st.lists(ids, max_size=12), st.integers(0, 3))
def test_ids_are_valid_by_the_rule_for_one(texts: list[str], skipped: int) -> None:
    column = pa.chunked_array([pa.array([text.encode() for text in texts], pa.binary())]).slice(skipped)
    assert Coded.of(column).valid_ids.tolist() == [is_id(text) or not text for text in texts[skipped:]]


def test_what_is_no_utf_8_is_no_id_and_spoils_no_other() -> None:
    column = coded(b"ann", b"\xff\xfe", "é".encode(), b"")
    assert column.valid_ids.tolist() == [True, False, True, True]
    assert column.text_array.to_pylist() == ["ann", "", "é", ""]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=200))
@example([0] * 40 + [5, 4, 3, 2, 1])
def test_the_smallest_hashes_are_found_without_the_others_being_sorted(numbers: list[int]) -> None:
    hashes = np.array(numbers, np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "SAMPLE_ROWS", 4)
        assert repeats._smallest(hashes).tolist() == np.unique(hashes)[:4].tolist()


def test_one_value_as_long_as_a_book_makes_no_other_as_long() -> None:
    names = [b"user-%d" % number for number in range(2000)]
    alone = repeats._of_texts(coded(*names))
    tracemalloc.start()
    beside = repeats._of_texts(coded(*names, bytes(100_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert beside[:-1].tolist() == alone.tolist()
    assert peak < 20_000_000
