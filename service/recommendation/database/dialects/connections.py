"""Connections and transactions of each database, and what its errors mean."""

import select
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from sqlalchemy import Connection, Dialect, Engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from recommendation.database.dialects.watch import CountingConnection, Watch

_SQLITE_BUSY_SECONDS = 15


_TRANSIENT_STATES = ("08", "25006", "40", "53", "55P03", "57")
"""SQLSTATE prefixes that pass by themselves: connection, read-only, serialisation, resources, locks, shutdown."""


_WORTH_ANOTHER_TRY = ("40001", "40P01", "26000", "42P05")
"""Serialisation failure; deadlock; a prepared statement that is unknown in the session, or there already."""


_LOCK_NOT_AVAILABLE = "55P03"


def driver_url(url: str) -> URL:
    """Return the URL with our driver: plain `postgresql://` means psycopg2 whatever SQLAlchemy would pick."""
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg2")
    return parsed


def engine_options(url: str, pool_size: int, wait_seconds: int, statement_timeout_ms: int | None) -> dict[str, Any]:
    """Return the arguments of `create_engine`: a bounded pool, bounded waits."""
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
        "connection_factory": CountingConnection,
        "application_name": "recommendation",
        # A server that went away without a word is noticed within half a minute, not after the kernel's two hours.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        # No sign of life is asked for while what was sent is not acknowledged; it would be sent again for 15 minutes.
        "tcp_user_timeout": 25_000,
    }
    if statement_timeout_ms:
        connect_args["options"] = f"-c statement_timeout={statement_timeout_ms}"
    return {
        "connect_args": connect_args,
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": wait_seconds,
    }


def is_sqlite_url(url: str) -> bool:
    """Tell whether a URL means the embedded database."""
    return url.partition(":")[0].partition("+")[0] == "sqlite"


Store = Connection | Engine
"""What knows which database it is."""


def is_postgres(store: Store) -> bool:
    """Tell whether this is PostgreSQL."""
    return store.dialect.name == "postgresql"


def prepare(engine: Engine) -> None:
    """Make SQLite durable, concurrent and strict; PostgreSQL is all of that, but its connections may end unnoticed."""
    if engine.dialect.name != "sqlite":
        event.listen(engine, "checkout", _refuse_if_ended)
        event.listen(engine, "checkin", _end_reading)
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


def _refuse_if_ended(connection: Any, _record: object, _proxy: object) -> None:
    """
    Have the pool replace a connection whose server has gone.

    A server sends nothing by itself to a connection that is idle, except that it ends. To look at the socket takes
    microseconds; the usual `SELECT 1` is a round trip more in every transaction.
    """
    socket = select.poll()
    try:
        socket.register(connection.fileno(), select.POLLIN)
    except psycopg2.Error as error:
        raise DisconnectionError("this connection is closed") from error
    if socket.poll(0):
        raise DisconnectionError("the server has ended this connection")


def look_after(engine: Engine, watch: Watch) -> None:
    """Have the connections of a pool looked after, from the moment on that they are asked for."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _record: object, positional: Any, named: Any) -> Any:
        with watch.connecting():
            return dialect.connect(*positional, **named)

    # Before SQLAlchemy's own listener, which sends the first statements.
    event.listen(engine, "connect", lambda connection, _record: watch.add(connection), insert=True)
    event.listen(engine, "close", lambda connection, _record: watch.remove(connection))


def _shard_of(user_id: str, shards: int) -> int:
    return zlib.crc32(user_id.encode()) % shards


def begin_reading(connection: Connection) -> None:
    """Let every statement stand alone, without a transaction around it."""
    if is_postgres(connection):
        # Not by SQLAlchemy's option of the same meaning: that is undone by a statement when the connection goes back to
        # the pool. It is a round trip more, and where the session had ended its error took the place in the pool along.
        driver: Any = connection.connection.driver_connection
        driver.autocommit = True
    else:
        connection.execution_options(reading=True)


def _end_reading(connection: Any, record: ConnectionPoolEntry) -> None:
    """Undo `begin_reading` as a connection goes back to the pool. It sends nothing."""
    if connection is None:  # it was lost
        return
    try:
        if connection.autocommit:
            connection.autocommit = False
    except psycopg2.Error:
        record.invalidate()


def in_one_process(connection: Connection) -> None:
    """Until the transaction ends, let PostgreSQL use one process: background work leaves other cores to requests."""
    if is_postgres(connection):
        connection.exec_driver_sql("SET LOCAL max_parallel_workers_per_gather = 0")


@contextmanager
def round_trips(engine: Engine) -> Iterator[Connection]:
    """Yield a connection on which each round trip is a transaction; on SQLite all of them are one."""
    if not is_postgres(engine):
        with engine.begin() as connection:
            yield connection
        return
    with engine.connect() as connection:
        begin_reading(connection)
        yield connection


def writers_at_once(engine: Engine) -> int:
    """Return how many transactions of a bulk load may run side by side; SQLite has one writer."""
    return 2 if engine.dialect.name == "postgresql" else 1


def export_snapshot(connection: Connection) -> str:
    """Return a name by which other connections to PostgreSQL see what a snapshot sees, while that lasts."""
    return str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())


def begin_snapshot(connection: Connection, exported: str | None = None) -> None:
    """Start a read-only transaction that sees one moment: now, or that of a snapshot of PostgreSQL by its name."""
    if exported is not None:
        begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT %(name)s"
        connection.exec_driver_sql(begin, {"name": exported})
    elif is_postgres(connection):
        # Of the transaction, not of the connection: nothing has to be undone when that goes back to the pool.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT 1")
    else:
        connection.execution_options(snapshot=True)
        connection.execute(text("SELECT 1"))


def driver_error(error: Exception) -> DBAPIError | None:
    """Return an error of a driver as one of SQLAlchemy's, which does not see all that a driver does; else None."""
    if isinstance(error, DBAPIError):
        return error
    for driver in (psycopg2.Error, sqlite3.Error):
        if isinstance(error, driver):
            wrap: Any = DBAPIError.instance
            named: DBAPIError = wrap(None, None, error, driver)
            return named
    return None


def is_transient(error: DBAPIError) -> bool:
    """Tell whether a database error goes away by itself."""
    if error.connection_invalidated or isinstance(error, OperationalError):
        return True
    state = getattr(error.orig, "pgcode", None)
    return _is_of_connection(error.orig) if state is None else state.startswith(_TRANSIENT_STATES)


def _is_of_connection(error: BaseException | None) -> bool:
    """Tell whether PostgreSQL's driver says that a connection is of no use: closed, or libpq lost the thread of it."""
    return isinstance(error, psycopg2.InterfaceError) or type(error) is psycopg2.DatabaseError


def is_worth_another_try(error: DBAPIError) -> bool:
    """Tell whether a transaction was ended for a cause that is gone when it is done again at once."""
    return getattr(error.orig, "pgcode", None) in _WORTH_ANOTHER_TRY


def is_lock_held(error: DBAPIError) -> bool:
    """Tell whether another transaction held a lock for longer than this one waits."""
    return getattr(error.orig, "pgcode", None) == _LOCK_NOT_AVAILABLE


@contextmanager
def driver_cursor(connection: Connection) -> Iterator[Any]:
    """Yield a cursor of the driver; SQLAlchemy does not see its statements, so its errors are named here."""
    driver: Any = connection.dialect.loaded_dbapi
    held = connection.connection
    try:
        with closing(held.cursor()) as cursor:
            yield cursor
    except driver.Error as error:
        was_lost = connection.dialect.is_disconnect(error, held, None) or _is_of_connection(error)
        if was_lost:
            connection.invalidate(error)
        wrap: Any = DBAPIError.instance

        raise wrap(None, None, error, driver.Error, connection_invalidated=was_lost) from error
