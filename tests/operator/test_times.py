"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_content_drop_resource import TAKEN_TIMES

from recommendation_operator.times import format_time, is_time, parse_time

MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01T00:00:00Z", MIDNIGHT),
        ("2026-11-01t00:00:00z", MIDNIGHT),
        ("2026-11-01T00:00:00-00:00", MIDNIGHT),
        ("2026-11-01T05:30:00+05:30", MIDNIGHT),
        ("2026-11-01T00:00:00.123456789Z", MIDNIGHT + timedelta(microseconds=123456)),
        ("2026-11-01T00:00:00,5Z", MIDNIGHT + timedelta(microseconds=500_000)),
    ],
)
def test_rfc_3339_is_read(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-11-01T00:00:00",
        "2026-11-01T00:00:00+25:00",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no moment|no time"):
        parse_time(text)
    assert not is_time(text)


def test_all_that_the_server_takes_is_read_but_an_offset_of_more_than_a_day() -> None:
    assert [text for text in TAKEN_TIMES if not is_time(text)] == ["2026-11-01T23:59:59+25:00"]


@given(
    st.datetimes(MIDNIGHT.replace(tzinfo=None), MIDNIGHT.replace(year=2099, tzinfo=None)),
    st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_what_python_writes_is_read_back(moment: datetime, zone: timezone) -> None:
    written = moment.replace(tzinfo=zone)
    assert parse_time(written.isoformat()) == written
    assert parse_time(format_time(written)) == written.replace(microsecond=0)
