"""What is written in the binary COPY format is read as it was written."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from recommendation.database.dialects.binary_copy import (
    END,
    HEADER,
    begin_row,
    fields_of,
    number_field,
    text_field,
    time_field,
    whole_copy,
)

WHOLE_NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.one_of(st.none(), TEXTS, WHOLE_NUMBERS), max_size=5))
def test_fields_come_back_as_they_were_written(values: list[str | int | None]) -> None:
    fields = [number_field(value) if isinstance(value, int) else text_field(value) for value in values]
    row = b"".join((begin_row(len(values)), *fields))
    expected = [_sent(value) for value in values]
    assert fields_of(row) == expected
    assert fields_of(HEADER + row) == expected


def test_header_and_end_hold_no_row() -> None:
    assert whole_copy([]) == HEADER + END
    assert [fields_of(message) for message in (HEADER, END, b"")] == [None] * 3


def test_a_time_is_counted_in_microseconds_from_the_year_2000() -> None:
    assert time_field(datetime(2000, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == number_field(1_000_005)
    assert time_field(datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)) == number_field(-1_000_000)


def _sent(value: str | int | None) -> bytes | None:
    if value is None:
        return None
    return value.encode() if isinstance(value, str) else value.to_bytes(8, "big", signed=True)
