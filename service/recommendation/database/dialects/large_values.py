"""Reading a large value part by part: a driver, or SQLite itself, holds what it is asked for several times over."""

from collections.abc import Iterator

from sqlalchemy import Column, Connection, func, literal_column, select

from recommendation.database.dialects.connections import driver_cursor, is_postgres

PART_BYTES = 4 * 1024 * 1024
"""Bytes that are asked for at a time; psycopg2 holds them up to four times over."""


def parts_of(connection: Connection, column: Column[bytes], row: Column[str], wanted: str) -> Iterator[bytes]:
    """
    Yield the bytes of one value, in order; nothing where there is no such row.

    Args:
        column: which holds the value.
        row: the primary key of its table.
        wanted: the key of the row.
    """
    if not is_postgres(connection):
        yield from _parts_in_sqlite(connection, column, row, wanted)
        return
    read = 0
    while True:
        query = select(func.substr(column, read + 1, PART_BYTES)).where(row == wanted)
        part = connection.execute(query).scalar_one_or_none()
        if part is None:
            return
        yield part
        read += len(part)
        if len(part) < PART_BYTES:
            return


def _parts_in_sqlite(connection: Connection, column: Column[bytes], row: Column[str], wanted: str) -> Iterator[bytes]:
    """SQLite's `substr` would read all of the value for each part (https://sqlite.org/c3ref/blob_open.html)."""
    place = connection.execute(select(literal_column("rowid")).select_from(column.table).where(row == wanted)).scalar()
    if place is None:
        return
    with (
        driver_cursor(connection) as cursor,
        cursor.connection.blobopen(column.table.name, column.name, place, readonly=True) as value,
    ):
        while part := value.read(PART_BYTES):
            yield part
