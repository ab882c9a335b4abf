"""
PostgreSQL's binary COPY format: a header, rows of fields, an end.

    row = number of its fields (2 bytes), fields
    field = length of its value (4 bytes, -1 for none), value

https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from struct import Struct

from recommendation.clock import TICK

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


END = b"\xff\xff"


NULL = b"\xff\xff\xff\xff"
"""A field without a value."""


YEAR_2000 = 946_684_800_000_000
"""In microseconds since 1970; PostgreSQL counts its microseconds from there."""


_YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)


begin_row = Struct(">h").pack
"""Writes how many fields a row has."""


begin_row_and_field = Struct(">hi").pack
"""Writes how many fields a row has, and the length of the first."""


begin_field = Struct(">i").pack
"""Writes the length of a value that follows."""


_number = Struct(">iq").pack


def number_field(value: int | None) -> bytes:
    """Write a whole number of 64 bits."""
    return NULL if value is None else _number(8, value)


def text_field(value: str | None) -> bytes:
    """Write a text."""
    if value is None:
        return NULL
    data = value.encode()
    return begin_field(len(data)) + data


def time_field(value: datetime) -> bytes:
    """Write an aware time."""
    return _number(8, (value - _YEAR_2000) // TICK)


def whole_copy(parts: Iterable[bytes]) -> bytes:
    """Put rows, given piece by piece, between header and end."""
    return b"".join((HEADER, *parts, END))


def fields_of(message: bytes) -> list[memoryview | None] | None:
    """
    Take apart one message of a COPY to us, which holds a row; the first has the header before it.

    Returns:
        Each field's value; None where the message holds no row, but the header or the end alone.
    """
    row = memoryview(message.removeprefix(HEADER))
    if not row or row == END:
        return None
    fields: list[memoryview | None] = []
    start = 2
    for _ in range(int.from_bytes(row[:2], "big")):
        length = int.from_bytes(row[start : start + 4], "big", signed=True)
        start += 4
        fields.append(row[start : start + length] if length >= 0 else None)
        start += max(length, 0)
    return fields
