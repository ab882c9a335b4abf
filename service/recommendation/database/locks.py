"""
Locks that end with the process that holds them: advisory locks of a PostgreSQL session, `flock` beside an SQLite file.

The training lock is held on a connection of its own, outside every pool, so that no pooler can hand it on; the server
notices a holder that vanished within half a minute and gives the lock to the next.
"""

import fcntl
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Integer, Select, func, select, text
from sqlalchemy.exc import DBAPIError

from recommendation.database.database import Database
from recommendation.database.dialects.connections import is_postgres, is_sqlite_url

_TRAINING = 7_201_001


_MIGRATION = 7_201_002


_ERASURE = 7_201_003
"""Shared by requests, for moments."""


_ERASURE_OF_JOBS = 7_201_007
"""Shared by jobs, for as long as a transaction of theirs takes."""


_USERS_PARTS = 64
"""Users share so many locks, by a hash of their ids: as many as a server has room for in each transaction
(https://www.postgresql.org/docs/current/runtime-config-locks.html)."""


ERASURE_WAIT_SECONDS = 10
"""How long the erasure of a person waits for jobs."""


_POPULAR = 7_201_004


_OUTBOX = 7_201_005


_OUTBOX_ORDER = 7_201_006


_EVERYONE = 7_201_008


_DIVIDING = 7_201_009


_ORDERS = 256


_TRIES = 8


_PAUSE_SECONDS = 0.25


@contextmanager
def training_lock(database: Database) -> Iterator[bool]:
    """
    Hold the training lock while the block runs.

    Yields:
        Whether it was taken; it waits two seconds at most for a holder that is about to end.
    """
    with database.session() as connection:
        if is_postgres(connection):
            # Server-side keepalives: a trainer whose machine died must not keep the lock for two hours.
            for name, value in (
                ("tcp_keepalives_idle", 10),
                ("tcp_keepalives_interval", 5),
                ("tcp_keepalives_count", 3),
            ):
                connection.execute(text(f"SET {name} = {value}"))
            connection.commit()
            held = _try_repeatedly(lambda: _try_advisory(connection, _TRAINING))
            try:
                yield held
            finally:
                _give_back(connection, _TRAINING, held)
            return
    with _file_lock(_lock_path(database, "training")) as held:
        yield held


@contextmanager
def dividing_lock(database: Database) -> Iterator[bool]:
    """Hold the lock under which PostgreSQL's table is divided, while the block runs; yields whether it was taken."""
    with database.session() as connection:
        held = _try_advisory(connection, _DIVIDING)
        try:
            yield held
        finally:
            _give_back(connection, _DIVIDING, held)


@contextmanager
def migration_lock(connection: Connection) -> Iterator[None]:
    """Let one migrator work at a time; the next waits."""
    if is_postgres(connection):
        connection.execute(text(f"SELECT pg_advisory_lock({_MIGRATION})"))
        connection.commit()
        try:
            yield
        finally:
            connection.rollback()
            connection.execute(text(f"SELECT pg_advisory_unlock({_MIGRATION})"))
            connection.commit()
        return
    path = connection.engine.url.database
    with Path(f"{path}.migration.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def wait_briefly(connection: Connection) -> None:
    """
    Until the transaction ends, wait for no lock longer than this database's requests do, if they have a bound.

    A statement that would wait longer fails with LockHeld: the request gives back its turn, and tries again.
    """
    wait_ms = _lock_wait_ms(connection)
    if is_postgres(connection) and wait_ms is not None:
        connection.exec_driver_sql(_bounded(wait_ms))


def share_with_erasure(connection: Connection, users: Iterable[str] | None) -> None:
    """
    Until the transaction ends, let other writers work but no erasure of these users; SQLite has one writer anyway.

    Args:
        users: whom the transaction writes of; None for everyone.
    """
    if is_postgres(connection):
        connection.exec_driver_sql(sharing_with_erasure(connection, users))


def sharing_with_erasure(store: Connection | Engine, users: Iterable[str] | None) -> str:
    """Return what `share_with_erasure` sends to PostgreSQL, for callers that send more in the same round trip."""
    wait_ms = _lock_wait_ms(store)
    lock = _ERASURE_OF_JOBS if wait_ms is None else _ERASURE
    parts = range(_USERS_PARTS) if users is None else sorted(set(map(_part, users)))
    share = f"SELECT pg_advisory_xact_lock_shared({lock}, unnest('{{{','.join(map(str, parts))}}}'::int[]))"
    return share if wait_ms is None else f"{_bounded(wait_ms)}; {share}"


def _lock_wait_ms(store: Connection | Engine) -> int | None:
    wait_ms: int | None = store.get_execution_options().get("lock_wait_ms")
    return wait_ms


def _bounded(wait_ms: int) -> str:
    return f"SET LOCAL lock_timeout = {wait_ms}"


def _part(user_id: str) -> int:
    return zlib.crc32(user_id.encode()) % _USERS_PARTS


def read_sharing_with_erasure(
    connection: Connection, query: Select[Any], given: Mapping[str, Any], users: Iterable[str]
) -> Sequence[Any]:
    """Do as `share_with_erasure`, and then read, seeing all that erasures before wrote: in one round trip."""
    if is_postgres(connection):
        share = sharing_with_erasure(connection, users)
        return connection.exec_driver_sql(f"{share}; {_text(query, connection.dialect)}", given).all()
    return connection.execute(query, given).all()


@lru_cache(maxsize=4)
def _text(query: Select[Any], dialect: Dialect) -> str:
    return str(query.compile(dialect=dialect))


def exclude_writers_of(connection: Connection, *users: str) -> None:
    """
    Until the transaction ends, keep those out who write of a user, or of several.

    Otherwise: a list writer sees that Ann has interactions. We erase Ann and commit. The writer stores her list, and
    she is back.

    Jobs and requests share two locks. A job holds its lock for seconds. An erasure that waited in line at a lock of
    both would let no later request pass, so it first waits for jobs, and then for the moments of requests.
    """
    if not is_postgres(connection):
        return
    # Those of several users in one order, so that two merges of the same two do not wait for each other.
    parts, wait_ms = ",".join(map(str, sorted(set(map(_part, users))))), _lock_wait_ms(connection)
    steps = [
        f"SELECT pg_advisory_xact_lock({lock}, unnest('{{{parts}}}'::int[]))" for lock in (_ERASURE_OF_JOBS, _ERASURE)
    ]
    if wait_ms is not None:
        steps = [_bounded(1000 * ERASURE_WAIT_SECONDS), steps[0], _bounded(wait_ms), steps[1]]
    connection.exec_driver_sql("; ".join(steps))


def take_turn_at_lists_of_everyone(connection: Connection) -> None:
    """Until the transaction ends, let no other write lists for everyone: their bounds hold for all of them together."""
    if is_postgres(connection):
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_EVERYONE})"))


def wait_for_outbox_order(connection: Connection, users: Collection[str]) -> None:
    """
    Until the transaction ends, let no other transaction announce anything of these users ('': of none).

    Users share a few locks, as a server has room for some thousands; they are taken in one order.
    """
    if is_postgres(connection):
        orders = sorted({zlib.crc32(user_id.encode()) % _ORDERS for user_id in users})
        taken = select(func.pg_advisory_xact_lock(_OUTBOX_ORDER, func.unnest(orders, type_=Integer)))
        connection.execute(taken)


@contextmanager
def outbox_turn(database: Database) -> Iterator[tuple[bool, Connection | None]]:
    """
    Hold the turn of the one process that sends what waits in the outbox, while the block runs.

    Yields:
        Whether it was had, and the connection whose transaction holds it: None on SQLite, where a transaction would
        keep every writer waiting.
    """
    if not is_sqlite_url(str(database.engine.url)):
        with database.writing() as connection:
            # Of the transaction, not of the session: a pooler between us and the server may hand sessions on.
            query = text(f"SELECT pg_try_advisory_xact_lock({_OUTBOX})")
            yield bool(connection.execute(query).scalar_one()), connection
        return
    with _file_lock(_lock_path(database, "outbox"), tries=1) as held:
        yield held, None


def try_popular_turn(connection: Connection) -> bool:
    """Tell whether this transaction is the one that counts `popular` now."""
    if not is_postgres(connection):
        return True
    return bool(connection.execute(text(f"SELECT pg_try_advisory_xact_lock({_POPULAR})")).scalar_one())


def training_lock_is_free(database: Database) -> bool:
    """Tell whether no training is running, without getting in the way of one that is about to start."""
    with database.reading() as connection:
        if is_postgres(connection):
            held = connection.execute(
                text(
                    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = :key AND granted "
                    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                ),
                {"key": _TRAINING},
            ).first()
            return held is None
    with _file_lock(_lock_path(database, "training"), tries=1) as held_now:
        return held_now


def _give_back(connection: Connection, key: int, held: bool) -> None:
    """Release a session's lock now rather than when the server notices that the session ended; then end it."""
    if held:
        with suppress(DBAPIError):  # a session that is gone already has taken its lock along
            connection.rollback()
            connection.execute(text(f"SELECT pg_advisory_unlock({key})"))
            connection.commit()
    connection.invalidate()


def _try_advisory(connection: Connection, key: int) -> bool:
    held = bool(connection.execute(text(f"SELECT pg_try_advisory_lock({key})")).scalar_one())
    connection.commit()
    return held


def _try_repeatedly(attempt: Callable[[], bool], tries: int = _TRIES) -> bool:
    for remaining in range(tries, 0, -1):
        if attempt():
            return True
        if remaining > 1:
            time.sleep(_PAUSE_SECONDS)
    return False


def _lock_path(database: Database, name: str) -> Path:
    return Path(f"{database.engine.url.database}.{name}.lock")


@contextmanager
def _file_lock(path: Path, tries: int = _TRIES) -> Iterator[bool]:
    with path.open("w") as file:

        def attempt() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        yield _try_repeatedly(attempt, tries)
