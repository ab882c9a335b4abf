"""Connections and transactions of each database, and what its errors mean."""

import select
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import QueuePool

_SQLITE_BUSY_SECONDS = 15


_TRANSIENT_STATES = ("08", "25006", "40", "53", "55P03", "57")
"""SQLSTATE prefixes that pass by themselves: connection, read-only, serialisation, resources, locks, shutdown."""


_WORTH_ANOTHER_TRY = ("40001", "40P01", "26000", "42P05")
"""Serialisation failure; deadlock; a prepared statement that is unknown in the session, or there already."""


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
    socket.register(connection.fileno(), select.POLLIN)
    if socket.poll(0):
        raise DisconnectionError("the server has ended this connection")


def _shard_of(user_id: str, shards: int) -> int:
    return zlib.crc32(user_id.encode()) % shards


def begin_reading(connection: Connection) -> None:
    """Let every statement stand alone, without a transaction around it."""
    if is_postgres(connection):
        connection.execution_options(isolation_level="AUTOCOMMIT")
    else:
        connection.execution_options(reading=True)


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


def begin_snapshot(connection: Connection) -> None:
    """Start a read-only transaction that sees one moment."""
    if is_postgres(connection):
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    else:
        connection.execution_options(snapshot=True)
    connection.execute(text("SELECT 1"))


def is_transient(error: DBAPIError) -> bool:
    """Tell whether a database error goes away by itself."""
    state = getattr(error.orig, "pgcode", None) or ""
    return state.startswith(_TRANSIENT_STATES)


def is_worth_another_try(error: DBAPIError) -> bool:
    """Tell whether a transaction was ended for a cause that is gone when it is done again at once."""
    return getattr(error.orig, "pgcode", None) in _WORTH_ANOTHER_TRY


@contextmanager
def driver_cursor(connection: Connection) -> Iterator[Any]:
    """Yield a cursor of the driver; SQLAlchemy does not see its statements, so its errors are named here."""
    driver: Any = connection.dialect.loaded_dbapi
    cursor: Any = connection.connection.cursor()
    try:
        yield cursor
    except driver.Error as error:
        was_lost = connection.dialect.is_disconnect(error, connection.connection, cursor)
        if was_lost:
            connection.invalidate(error)
        wrap: Any = DBAPIError.instance

        raise wrap(None, None, error, driver.Error, connection_invalidated=was_lost) from error
    finally:
        if not cursor.closed:
            cursor.close()
