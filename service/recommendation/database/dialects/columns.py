"""
Columns of very many rows, joined by the database into one value each.

A message, a call and a Python value for every row cost more on both sides of the connection than the rows themselves:
joined, PostgreSQL gives out a table in less of its own time than row by row, and we take it in almost none.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    LargeBinary,
    String,
    Table,
    cast,
    func,
    literal_column,
    select,
)

from recommendation.database.dialects.binary_copy import YEAR_2000, fields_of
from recommendation.database.dialects.connections import Store, driver_cursor, is_postgres
from recommendation.database.dialects.partitions import partitions
from recommendation.database.dialects.reading import microseconds

BETWEEN = "\n"
"""Stands between texts; no id holds a control character."""


_PAGES_AT_ONCE = 512
"""Pages of 8 KiB that PostgreSQL joins to one message: some thirty thousand rows, a megabyte."""


_ROWS_AT_ONCE = 20_000


Read = Callable[[Any], Any]


@dataclass(frozen=True)
class Joined:
    """An aggregate that joins a column, and what reads its value; both keep the order in which rows were met."""

    expression: ColumnElement[Any]
    read: Read


def joined_texts(column: ColumnElement[str]) -> Joined:
    """Join ids; read as their UTF-8 bytes with `BETWEEN` behind each."""
    return Joined(func.aggregate_strings(column, BETWEEN), _texts)


def joined_numbers(store: Store, column: ColumnElement[Any]) -> Joined:
    """Join whole numbers of 64 bits; read as an array of int64."""
    if is_postgres(store):
        return Joined(_bytes_of(func.int8send(column)), _binary)
    return Joined(func.aggregate_strings(cast(column, String), ","), _decimal)


def joined_numbers_of_groups(store: Store, column: ColumnElement[Any]) -> Joined:
    """
    Join whole numbers of 64 bits within each group; all groups' values together are read as one array of int64.

    Texts, as a cursor takes these with less work than bytes.
    """
    if is_postgres(store):
        return Joined(func.encode(_bytes_of(func.int8send(column)), "hex"), lambda texts: _binary(_from_hex(texts)))
    return Joined(func.aggregate_strings(cast(column, String), ","), lambda texts: _decimal(",".join(texts)))


def joined_times_of_groups(store: Store, column: ColumnElement[Any]) -> Joined:
    """Join times within each group; read as microseconds since 1970, one array of int64."""
    if is_postgres(store):
        sent = func.encode(_bytes_of(func.timestamptz_send(column)), "hex")
        return Joined(sent, lambda texts: _binary(_from_hex(texts)) + YEAR_2000)
    return joined_numbers_of_groups(store, microseconds(store, column))


def joined_times(store: Store, column: ColumnElement[Any]) -> Joined:
    """Join times; read as microseconds since 1970, an array of int64."""
    if is_postgres(store):
        return Joined(_bytes_of(func.timestamptz_send(column)), lambda value: _binary(value) + YEAR_2000)
    return joined_numbers(store, microseconds(store, column))


Share = tuple[int, int]
"""Which of how many, from 0."""


def joined_stretches(
    connection: Connection, table: Table, columns: Sequence[Joined], share: Share = (0, 1)
) -> Iterator[list[Any]]:
    """
    Yield a table's columns stretch by stretch, in the order in which rows lie there, which need not be any other.

    Args:
        connection: of `Database.snapshot`, so that every row is met once.
        columns: made for this connection.
        share: every how many stretches, and from which on: together all shares meet every row once.
    """
    given = (_copied_pages if is_postgres(connection) else _stretches_of_rows)(connection, table, columns, share)
    for values in given:
        if values[0] is not None:
            yield [column.read(value) for column, value in zip(columns, values, strict=True)]


def _stretches_of_rows(
    connection: Connection, table: Table, columns: Sequence[Joined], share: Share
) -> Iterator[Sequence[Any]]:
    which, of = share
    row = literal_column("rowid", BigInteger)
    first, last = connection.execute(select(func.min(row), func.max(row)).select_from(table)).one()
    query = select(*(column.expression for column in columns)).select_from(table)
    for start in range(first + which * _ROWS_AT_ONCE, last + 1, of * _ROWS_AT_ONCE) if first is not None else ():
        yield connection.execute(query.where(row >= start, row < start + _ROWS_AT_ONCE)).one()


def _copied_pages(
    connection: Connection, table: Table, columns: Sequence[Joined], share: Share
) -> Iterator[Sequence[Any]]:
    """
    Have PostgreSQL look at some pages of the table at a time; a scan of a range of pages needs no index and no sort.

    Rows that come in meanwhile lie behind the last page or are not seen by the snapshot. Of a table in partitions, each
    is read by itself.
    """
    place: ColumnElement[str] = literal_column("ctid")
    joined = select(*(column.expression.label(f"joined_{number}") for number, column in enumerate(columns)))
    stretch = joined.select_from(table).where(
        place >= literal_column("('(' || page || ',0)')::tid"),
        place < literal_column(f"('(' || page + {_PAGES_AT_ONCE} || ',0)')::tid"),
    )
    whole = str(stretch.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
    which, of = share
    for name in partitions(connection, table) or [table.name]:
        text = whole.replace(f"FROM {table.name}", f"FROM {name} AS {table.name}")
        pages = f"pg_relation_size('{name}') / current_setting('block_size')::bigint"
        series = f"generate_series({which * _PAGES_AT_ONCE}, {pages}, {of * _PAGES_AT_ONCE}) AS page"
        query = f"SELECT stretch.* FROM {series}, LATERAL ({text}) AS stretch"  # noqa: S608, our own
        yield from _copied(connection, query)


def _copied(connection: Connection, query: str) -> Iterator[list[memoryview | None]]:
    """
    Yield the rows of a query, each field as the database sends it, while it makes the next.

    Raises:
        DBAPIError: the query fails.
    """
    handover = _Handover()
    failure: list[BaseException] = []

    def copy() -> None:
        try:
            with driver_cursor(connection) as cursor:
                cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", handover)
        except _ReaderLeft:
            pass
        except BaseException as error:
            failure.append(error)
        finally:
            handover.messages.put(None)

    copier = Thread(target=copy, name="copy", daemon=True)
    copier.start()
    messages = iter(handover.messages.get, None)
    try:
        for message in messages:
            fields = fields_of(message)
            if fields is not None:
                yield fields
    finally:
        handover.is_left = True
        for _unread in messages:
            pass
        copier.join()
    if failure:
        raise failure[0]


class _ReaderLeft(Exception):
    """The reader has seen enough."""


class _Handover:
    """Where the driver writes messages, one a row, and another thread takes them; two wait at most."""

    def __init__(self) -> None:
        self.messages: Queue[bytes | None] = Queue(2)
        self.is_left = False

    def write(self, message: bytes) -> None:
        """Take a message from the driver."""
        if self.is_left:
            raise _ReaderLeft
        self.messages.put(message)


def _bytes_of(sent: ColumnElement[Any]) -> ColumnElement[bytes]:
    return func.string_agg(sent, literal_column("''::bytea"), type_=LargeBinary)


def _texts(value: str | memoryview) -> bytes:
    return b"".join((value.encode() if isinstance(value, str) else value, BETWEEN.encode()))


def _binary(value: bytes | memoryview) -> NDArray[np.int64]:
    return np.frombuffer(value, ">i8").astype(np.int64)


def _from_hex(texts: Sequence[str]) -> bytes:
    return bytes.fromhex("".join(texts))


def _decimal(value: str) -> NDArray[np.int64]:
    return np.fromstring(value, np.int64, sep=",")
