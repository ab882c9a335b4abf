"""How each database gives out very many rows, and the rows of a few users very often."""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from threading import Thread
from typing import IO, Any

from sqlalchemy import BigInteger, Connection, Select, String, cast, extract, func, literal_column, type_coerce

from recommendation.storage.dialects.connecting import driver_cursor, is_postgres


@contextmanager
def csv_of(connection: Connection, query: Select[Any]) -> Iterator[IO[bytes]]:
    """
    Yield the rows of a query as CSV without a header, to be read while the database still writes them.

    Raises:
        DBAPIError: the query fails.
    """
    outlet, inlet = os.pipe()
    failure: list[BaseException] = []

    def write() -> None:
        try:
            with os.fdopen(inlet, "wb", 1 << 20) as file:
                _write_csv(connection, query, file)
        except BrokenPipeError:
            pass  # the reader has seen enough
        except BaseException as error:
            failure.append(error)

    writer = Thread(target=write, name="csv", daemon=True)
    writer.start()
    try:
        with os.fdopen(outlet, "rb", 1 << 20) as stream:
            yield stream
    finally:
        writer.join()
    if failure:
        raise failure[0]


def _write_csv(connection: Connection, query: Select[Any], file: IO[bytes]) -> None:
    if is_postgres(connection):
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        with driver_cursor(connection) as cursor:
            cursor.copy_expert(f"COPY ({compiled}) TO STDOUT (FORMAT csv)", file)
    else:
        for rows in connection.execute(query.execution_options(yield_per=10_000)).partitions():
            text = StringIO()
            csv.writer(text).writerows(rows)
            file.write(text.getvalue().encode())


def microseconds(connection: Connection, column: Any) -> Any:
    """Return a time as whole microseconds since 1970."""
    if is_postgres(connection):
        return cast(extract("epoch", column) * 1_000_000, BigInteger)
    # SQLite keeps a time as text with six digits behind the seconds; its own functions know no microseconds.
    stored = type_coerce(column, String)
    return cast(func.strftime("%s", stored), BigInteger) * 1_000_000 + cast(func.substr(stored, 21, 6), BigInteger)


def shard_condition(connection: Connection, column: Any, shard: int, shards: int) -> Any:
    """Return a condition that holds for the users of one shard; the same user is always in the same one."""
    if is_postgres(connection):
        return func.mod(func.hashtextextended(column, 0).bitwise_and(0x7FFFFFFF), shards) == shard
    return func.shard_of(column, shards) == shard


Among = Callable[[Any], Any]
"""Returns the condition that a column holds one of the users that are asked for."""


class QueryOfUsers:
    """
    A query over several users that runs for every read: planned once in a connection, not once in a statement.

    On PostgreSQL it is prepared in the session at its first use there, and its rows are the driver's own. Where a
    pooler between us and the server gives a statement to another session than the one that prepared it, the query is
    sent whole instead, from then on.
    """

    def __init__(self, name: str, build: Callable[[Among], Any]) -> None:
        self._name = name
        self._build = build
        self._is_prepared = True
        self._texts: dict[str, str] = {}

    def rows(self, connection: Connection, user_ids: Sequence[str]) -> Any:
        """Return the rows of some users, of whom there must be one at least."""
        if not is_postgres(connection):
            return connection.execute(self._build(lambda column: column.in_(user_ids))).all()
        given = list(user_ids)
        driver: Any = connection.dialect.loaded_dbapi
        with driver_cursor(connection) as cursor:
            if self._is_prepared:
                try:
                    self._prepare(connection, cursor)
                    cursor.execute(f"EXECUTE {self._name} (%s)", (given,))
                    return cursor.fetchall()
                except (driver.errors.InvalidSqlStatementName, driver.errors.DuplicatePreparedStatement):
                    self._is_prepared = False
            cursor.execute(self.text(connection, "%s"), (given,))
            return cursor.fetchall()

    def _prepare(self, connection: Connection, cursor: Any) -> None:
        prepared = connection.info.setdefault("prepared", set())
        if self._name not in prepared:
            cursor.execute(f"PREPARE {self._name} (text[]) AS {self.text(connection, '$1')}")
            prepared.add(self._name)

    def text(self, connection: Connection, parameter: str) -> str:
        """Return the statement for an array of users that is written so."""
        if parameter not in self._texts:
            query = self._build(lambda column: column == func.any(literal_column(parameter)))
            compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
            self._texts[parameter] = str(compiled)
        return self._texts[parameter]
