"""Checking a row: what is taken is what was meant, and what is refused says which field is wrong."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.rows import Rejection, RowError, optional_time, parse_each, required_time, whole_number


def even(row: object, index: int) -> tuple[object, int]:
    if not isinstance(row, int) or row % 2:
        raise RowError("odd", f"{row} is odd")
    return row, index


@given(st.lists(st.integers(0, 9)))
def test_a_bad_row_does_not_sink_the_others_and_each_row_keeps_its_index(rows: list[int]) -> None:
    taken, refused = parse_each(rows, even)
    assert taken == [(index, (row, index)) for index, row in enumerate(rows) if row % 2 == 0]
    assert refused == [Rejection(index, "odd", f"{row} is odd") for index, row in enumerate(rows) if row % 2]


def test_a_mistake_of_ours_is_no_mistake_of_a_row() -> None:
    with pytest.raises(ZeroDivisionError):
        parse_each([0], lambda _row, index: 1 // index)


@given(st.integers(-5, 15))
def test_a_whole_number_is_taken_between_its_bounds_and_both_of_them(number: int) -> None:
    if 1 <= number <= 10:
        assert whole_number({"slots": number}, "slots", 1, 10, absent=None) == number
    else:
        with pytest.raises(RowError, match="slots should be a whole number from 1 to 10"):
            whole_number({"slots": number}, "slots", 1, 10, absent=None)


@pytest.mark.parametrize("value", [True, 2.0, "2", [2], float("nan")])
def test_what_only_looks_like_a_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(RowError) as refused:
        whole_number({"slots": value}, "slots", 1, 10, absent=3)
    assert refused.value.code == "invalid_slots"


@pytest.mark.parametrize("fields", [{}, {"slots": None}])
def test_an_absent_number_is_what_the_caller_says(fields: dict[str, Any]) -> None:
    assert whole_number(fields, "slots", 1, 10, absent=3) == 3
    assert whole_number(fields, "slots", 1, 10, absent=None) is None


def test_times_are_read_into_utc_and_may_be_absent_only_where_they_are_optional() -> None:
    at = datetime(2026, 11, 22, 18, tzinfo=UTC)
    assert required_time({"at": "2026-11-22T19:00:00+01:00"}, "at") == at
    assert optional_time({"at": "2026-11-22T18:00:00Z"}, "at") == at
    assert optional_time({"at": None}, "at") is optional_time({}, "at") is None


@pytest.mark.parametrize("value", ["", "2026-11-22", "2026-11-22T18:00:00", "9999-12-31T23:59:59Z", 5, [], True])
def test_what_is_no_time_is_refused_by_the_name_of_its_field(value: Any) -> None:
    for read in (required_time, optional_time):
        with pytest.raises(RowError) as refused:
            read({"released_at": value}, "released_at")
        assert refused.value.code == "invalid_released_at"
        assert refused.value.detail.startswith("released_at should be an RFC 3339 time")
