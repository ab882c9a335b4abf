"""
Dividing the table, step by step: each is a transaction, and a process that is killed in any of them is followed by
another that goes on from there.

Requests go on meanwhile. They wait for a lock at the begin, when the twin takes its place, and when it is abandoned:
for `LOCK_MS` at most each time, after which the step is undone and tried again a moment later.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text

from recommendation.database.database import Database
from recommendation.database.dialects.connections import is_postgres
from recommendation.database.dividing import twin
from recommendation.database.locks import dividing_lock
from recommendation.errors import InvalidInput, LockHeld, RecommendationError, StoreUnavailable, TransactionLost

PAGES_AT_ONCE = 64
"""Half a megabyte: a request that deletes one of its rows waits for a tenth of a second."""

LOCK_MS = 300

_LOCK_TRIES_SECONDS = 900
"""For so long a lock of the whole table is tried for: a training that reads it holds it until it has read."""

_ROW_LOCK_MS = 200
"""Below PostgreSQL's `deadlock_timeout`: where a request and the copying wait for each other, the copying gives up."""

Report = Callable[[str], None]


def divide(database: Database, report: Report, rest: float = 1.0) -> None:
    """
    Divide the table among partitions, or go on where an earlier process stopped; nothing is left to do at the end.

    Args:
        rest: pauses between copies, as a multiple of the time that a copy takes.

    Raises:
        SettingsError: the table has something that would be lost.
        StoreUnavailable: the database, or a lock of it, cannot be had for long; another process goes on from here.
    """
    with _alone(database):
        if not _is_done(database):
            _begin(database, report)
            copy(database, report, rest)
            _compare(database, report)
            _swap(database, report)
        _drop_old(database, report)


def abandon(database: Database, report: Report) -> None:
    """Take away what `divide` made until now, of a table that is not divided yet."""
    with _alone(database):
        _with_lock(database, report, "what was made is taken away", twin.abandon)


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    if not is_postgres(database.engine):
        raise InvalidInput("only PostgreSQL has partitions: a store in an SQLite file stays as it is")
    with dividing_lock(database) as held:
        if not held:
            raise StoreUnavailable("another process is dividing the table; try again when it has ended")
        yield


def _is_done(database: Database) -> bool:
    with database.reading() as connection:
        return twin.is_divided(connection)


def _begin(database: Database, report: Report) -> None:
    with database.reading() as connection:
        twin.refuse_what_would_be_lost(connection)
        if twin.exists(connection, twin.TWIN):
            return

    def begin(connection: Connection) -> None:
        twin.make_twin(connection)
        twin.follow(connection)
        twin.begin_copying(connection)

    _with_lock(database, report, f"{twin.PARTITIONS} partitions follow the table", begin)


def copy(database: Database, report: Report, rest: float, pages_at_once: int | None = None) -> None:
    """Copy what is left to copy, some pages at a time, and tell from time to time how far it is."""
    told = time.monotonic()
    while True:
        began = time.monotonic()
        try:
            with database.writing() as connection:
                connection.execute(text(f"SET LOCAL lock_timeout = {_ROW_LOCK_MS}"))
                first, pages, file = twin.copied(connection)
                if file != twin.size(connection)[0]:  # rewritten, as by VACUUM FULL: rows lie elsewhere now
                    twin.start_over(connection)
                    continue
                if first >= pages:
                    return
                twin.copy_pages(connection, first, min(first + (pages_at_once or PAGES_AT_ONCE), pages))
        except (LockHeld, TransactionLost):
            pass  # a request holds one of the rows; it is done in a moment
        took = time.monotonic() - began
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            report(f"{first} of {pages} pages are copied")
        time.sleep(rest * took)


_TELL_SECONDS = 5.0


def _compare(database: Database, report: Report) -> None:
    """
    Wait for snapshots that are too old to see all rows of the twin, count how rows spread, and compare them all.

    Raises:
        RecommendationError: rows differ.
    """
    with database.writing() as connection:
        copied_at = connection.execute(text("SELECT pg_current_xact_id()::xid::text")).scalar_one()
    older = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend' AND age(backend_xmin) > age(CAST(:copied_at AS text)::xid)"
    )
    waited = False
    while _value(database, older, copied_at=copied_at):
        if not waited:
            report("waiting for transactions that began before the last row was copied")
        waited = True
        time.sleep(_PAUSE_SECONDS)
    with database.writing() as connection:
        connection.execute(text(f"ANALYZE {twin.TWIN}"))
    with database.snapshot() as connection:
        table, parts = (twin.sums(connection, name) for name in (twin.TABLE, twin.TWIN))
    if table != parts:
        raise RecommendationError(f"the copy differs from the table ({parts} against {table}): nothing was changed")
    report(f"{table[0]} rows are the same in the table and in its partitions")


_PAUSE_SECONDS = 0.5


def _value(database: Database, query: Any, **given: Any) -> int:
    with database.reading() as connection:
        return int(connection.execute(query, given).scalar_one())


def _swap(database: Database, report: Report) -> None:
    def swap(connection: Connection) -> None:
        connection.execute(text(f"LOCK TABLE {twin.TABLE} IN ACCESS EXCLUSIVE MODE"))
        *_, file = twin.copied(connection)
        if file != twin.size(connection)[0]:
            raise TransactionLost("the table was rewritten while it was copied; the same once more will do")
        twin.take_place(connection)

    _with_lock(database, report, "the partitions take the table's place", swap)


def _drop_old(database: Database, report: Report) -> None:
    with database.reading() as connection:
        if not twin.exists(connection, twin.BEFORE):
            return

    def drop(connection: Connection) -> None:
        connection.execute(text(f"DROP TABLE {twin.BEFORE}"))

    _with_lock(database, report, "the old table is dropped", drop)


def _with_lock(database: Database, report: Report, what: str, work: Callable[[Connection], None]) -> None:
    """
    Do a step that needs a lock of the whole table, in one transaction, again and again until it has it.

    Raises:
        StoreUnavailable: others held it for very long.
    """
    until = time.monotonic() + _LOCK_TRIES_SECONDS
    tries = 0
    while True:
        tries += 1
        began = time.monotonic()
        try:
            with database.writing() as connection:
                connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_MS}"))
                work(connection)
        except LockHeld:
            if time.monotonic() > until:
                raise
        else:
            report(f"{what}: {1000 * (time.monotonic() - began):.0f} ms, try {tries}")
            return
        time.sleep(min(_PAUSE_SECONDS * tries, 10.0))
