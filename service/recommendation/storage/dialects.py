"""The one file that knows which database it is. Everything else says what both speak."""

import csv
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from io import StringIO
from threading import Thread
from typing import IO, Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Connection,
    Engine,
    MetaData,
    Select,
    String,
    Table,
    bindparam,
    cast,
    event,
    extract,
    func,
    literal_column,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

Row = Mapping[str, Any]
Insert = postgresql.Insert | sqlite.Insert
Finish = Callable[[Any], Any]
"""Adds `ON CONFLICT …` to an insert; both dialects have the same methods for it."""

_SQLITE_BUSY_SECONDS = 15
_SQLITE_MOST_PARAMETERS = 500
_PASSING_STATES = ("08", "25006", "40", "53", "55P03", "57")
"""SQLSTATE prefixes that pass by themselves: connection, read-only, serialisation, resources, locks, shutdown."""


def driver_url(url: str) -> URL:
    """Return the URL with our driver: plain `postgresql://` means psycopg2 whatever SQLAlchemy would pick."""
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg2")
    return parsed


def engine_options(url: str, pool_size: int, wait_seconds: int, statement_timeout_ms: int | None) -> dict[str, Any]:
    """Return the arguments of `create_engine`: a bounded pool, connections checked before use, bounded waits."""
    if is_sqlite_url(url):
        return {
            "connect_args": {"timeout": _SQLITE_BUSY_SECONDS, "check_same_thread": False},
            "poolclass": QueuePool,
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": wait_seconds,
        }
    connect_args: dict[str, Any] = {
        "connect_timeout": 5,
        "application_name": "recommendation",
        # A server that went away without a word is noticed within half a minute, not after the kernel's two hours.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    if statement_timeout_ms:
        connect_args["options"] = f"-c statement_timeout={statement_timeout_ms}"
    return {
        "connect_args": connect_args,
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": wait_seconds,
        "pool_pre_ping": True,
    }


def is_sqlite_url(url: str) -> bool:
    """Tell whether a URL means the embedded database."""
    return url.partition(":")[0].partition("+")[0] == "sqlite"


def is_postgres(connection: Connection) -> bool:
    """Tell whether this is PostgreSQL."""
    return connection.dialect.name == "postgresql"


def prepare(engine: Engine) -> None:
    """Make SQLite durable, concurrent and strict; PostgreSQL is all of that by itself."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:
        # The driver must not open transactions by itself, or BEGIN IMMEDIATE below comes too late.
        # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("shard_of", 2, _shard_of, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("reading"):
            # A writer that starts as a reader can fail half way; one that says so first waits for its turn.
            connection.exec_driver_sql("BEGIN" if options.get("snapshot") else "BEGIN IMMEDIATE")


def _shard_of(user_id: str, shards: int) -> int:
    return zlib.crc32(user_id.encode()) % shards


def begin_reading(connection: Connection) -> None:
    """Let every statement stand alone, without a transaction around it."""
    if is_postgres(connection):
        connection.execution_options(isolation_level="AUTOCOMMIT")
    else:
        connection.execution_options(reading=True)


def may_hold(engine: Engine) -> bool:
    """Tell whether a connection may be kept between reads; taking one from the pool costs PostgreSQL two statements."""
    return engine.dialect.name == "postgresql"


def begin_snapshot(connection: Connection) -> None:
    """Start a read-only transaction that sees one moment."""
    if is_postgres(connection):
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    else:
        connection.execution_options(snapshot=True)
    connection.execute(text("SELECT 1"))


def is_passing(error: DBAPIError) -> bool:
    """Tell whether a database error goes away by itself."""
    state = getattr(error.orig, "pgcode", None) or ""
    return state.startswith(_PASSING_STATES)


def insert(connection: Connection, table: Table) -> Any:
    """Return this dialect's INSERT, which knows ON CONFLICT."""
    return postgresql.insert(table) if is_postgres(connection) else sqlite.insert(table)


def insert_if_new(connection: Connection, table: Table, row: Row) -> bool:
    """Insert a row unless its key is there; tell whether it was inserted. A concurrent twin is waited for."""
    return connection.execute(_insert_if_new(connection.dialect.name, table), row).rowcount == 1


@lru_cache(maxsize=16)
def _insert_if_new(dialect: str, table: Table) -> Any:
    dialect_insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return dialect_insert(table).on_conflict_do_nothing()


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row], finish: Finish) -> None:
    """
    Insert many rows in the order given, one statement on PostgreSQL.

    Args:
        table: where to.
        rows: all with the same keys, which are column names.
        finish: adds the ON CONFLICT clause.
    """
    if not rows:
        return
    if is_postgres(connection) and not any(isinstance(table.c[name].type, JSON) for name in rows[0]):
        connection.execute(_upsert(table, tuple(rows[0]), finish), _columns(rows))
    else:
        # An array of JSON lists would read as an array of more dimensions.
        connection.execute(finish(insert(connection, table)), list(rows))


def insert_copied(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    as_binary: Callable[[], IO[bytes]],
    as_rows: Callable[[], Sequence[Row]],
    finish: Finish,
) -> None:
    """
    Insert tens of thousands of rows in the order given: by COPY on PostgreSQL, which asks for them in its
    binary format, and as plain rows elsewhere.

    Args:
        names: the columns that are given, in the order of the binary rows.
        finish: adds the ON CONFLICT clause.
    """
    if not is_postgres(connection):
        connection.execute(finish(insert(connection, table)), list(as_rows()))
        return
    # COPY knows no ON CONFLICT: the rows wait in a table of this transaction. It is scanned in the order it was
    # written, so rows of `table` are locked in that order too.
    staged = table.to_metadata(MetaData(), name=f"staged_{table.name}")
    connection.execute(text(f"CREATE TEMP TABLE {staged.name} (LIKE {table.name}) ON COMMIT DROP"))
    _copy(connection, f"COPY {staged.name} ({', '.join(names)}) FROM STDIN (FORMAT binary)", as_binary())
    given = select(*(staged.c[name] for name in names))
    connection.execute(finish(postgresql.insert(table).from_select(list(names), given)))
    connection.execute(text(f"DROP TABLE {staged.name}"))  # the next use may come in the same transaction


def _copy(connection: Connection, statement: str, data: IO[bytes]) -> None:
    with _cursor(connection) as cursor:
        cursor.copy_expert(statement, data)


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
        with _cursor(connection) as cursor:
            cursor.copy_expert(f"COPY ({compiled}) TO STDOUT (FORMAT csv)", file)
    else:
        for rows in connection.execute(query.execution_options(yield_per=10_000)).partitions():
            text = StringIO()
            csv.writer(text).writerows(rows)
            file.write(text.getvalue().encode())


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], key: str) -> set[Any]:
    """Insert the rows whose key is new, and return those keys; a concurrent twin is waited for."""
    if not rows:
        return set()
    column = table.c[key]
    if is_postgres(connection):
        statement = _from_arrays(table, list(rows[0])).on_conflict_do_nothing(index_elements=[column])
        return set(connection.execute(statement.returning(column), _columns(rows)).scalars())
    keys = [row[key] for row in rows]
    known: set[Any] = set()
    for start in range(0, len(keys), _SQLITE_MOST_PARAMETERS):
        part = keys[start : start + _SQLITE_MOST_PARAMETERS]
        known.update(connection.execute(select(column).where(column.in_(part))).scalars())
    new = [row for row in rows if row[key] not in known]
    if new:
        connection.execute(table.insert(), new)
    return {row[key] for row in new}


def _from_arrays(table: Table, names: list[str]) -> postgresql.Insert:
    arrays = [bindparam(f"{name}_array", type_=ARRAY(table.c[name].type)) for name in names]
    given = func.unnest(*arrays).table_valued(*names, name="given").render_derived()
    return postgresql.insert(table).from_select(names, select(*(given.c[name] for name in names)))


@lru_cache(maxsize=128)
def _upsert(table: Table, names: tuple[str, ...], finish: Finish) -> Any:
    # Building a statement takes longer than the database takes to carry it out for one row, so it is built once;
    # SQLAlchemy also keeps what it compiled with the object.
    return finish(_from_arrays(table, list(names)))


def _columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {f"{name}_array": [row[name] for row in rows] for name in rows[0]}


def next_generation(connection: Connection) -> int:
    """
    Take the next number of the one sequence that orders lists, runs and models.

    Numbers grow with the order in which they were taken; they may have gaps. On SQLite the caller's transaction
    holds the counter until it ends.
    """
    if is_postgres(connection):
        return int(connection.execute(text("SELECT nextval('generations')")).scalar_one())
    return int(
        connection.execute(
            text("UPDATE counters SET value = value + 1 WHERE name = 'generations' RETURNING value")
        ).scalar_one()
    )


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
        with _cursor(connection) as cursor:
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


@contextmanager
def _cursor(connection: Connection) -> Iterator[Any]:
    """Yield a cursor of the driver; SQLAlchemy does not see its statements, so its errors are named here."""
    driver: Any = connection.dialect.loaded_dbapi
    cursor: Any = connection.connection.cursor()
    try:
        yield cursor
    except driver.Error as error:
        is_lost = connection.dialect.is_disconnect(error, connection.connection, cursor)
        if is_lost:
            connection.invalidate(error)
        wrap: Any = DBAPIError.instance

        raise wrap(None, None, error, driver.Error, connection_invalidated=is_lost) from error
    finally:
        if not cursor.closed:
            cursor.close()
