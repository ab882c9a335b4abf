"""A session that ends, whenever that is: an error that says to come back, and its place in the pool is free again."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Connection, event, select, text
from sqlalchemy.exc import DBAPIError, DisconnectionError

from recommendation.database.database import Database
from recommendation.database.dialects.binary_copy import whole_copy
from recommendation.database.dialects.columns import joined_stretches, joined_texts
from recommendation.database.dialects.connections import driver_cursor
from recommendation.database.dialects.prepared import PreparedStatement
from recommendation.database.dialects.writing import copy_if_new
from recommendation.database.locks import exclude_writers_of, share_with_erasure, training_lock
from recommendation.database.tables import games, idempotent_answers, user_game_interactions
from recommendation.errors import StoreUnavailable

pytestmark = pytest.mark.postgres

PLACES = 3

Use = Callable[[Connection], Any]


def streamed(connection: Connection) -> Any:
    numbers = text("SELECT n FROM generate_series(1, 300000) AS n").execution_options(yield_per=10)
    rows = connection.execute(numbers).partitions()
    next(rows)
    end(connection)
    return list(rows)


def in_a_savepoint(connection: Connection) -> Any:
    with connection.begin_nested():
        end(connection)
        connection.execute(text("SELECT 1"))


def with_an_error_passed_over(connection: Connection) -> Any:
    end(connection)
    for _ in range(2):
        try:
            connection.execute(text("SELECT 1"))
        except DBAPIError:
            continue


def copied_to_us(connection: Connection) -> Any:
    end(connection)
    return list(joined_stretches(connection, games, [joined_texts(games.c.game_id)]))


def copied_to_it(connection: Connection) -> Any:
    end(connection)
    names = [column.name for column in idempotent_answers.c]
    return copy_if_new(connection, idempotent_answers, names, lambda: io.BytesIO(whole_copy([])))


def by_the_driver(connection: Connection) -> Any:
    with driver_cursor(connection) as cursor:
        end(connection)
        cursor.execute("SELECT 1")


def by_the_driver_once_it_knows(connection: Connection) -> Any:
    end(connection)
    driver: Any = connection.connection.driver_connection
    with pytest.raises(psycopg2.Error):
        driver.cursor().execute("SELECT 1")
    with driver_cursor(connection) as cursor:
        cursor.execute("SELECT 1")


def raw(connection: Connection) -> Any:
    end(connection)
    driver: Any = connection.connection.driver_connection
    driver.cursor().execute("SELECT 1")


def nothing(connection: Connection) -> Any:
    end(connection)


def then(statement: Use) -> Use:
    def use(connection: Connection) -> Any:
        end(connection)
        return statement(connection)

    return use


ANYWHERE: list[Use] = [
    nothing,
    then(lambda connection: connection.execute(text("SELECT 1"))),
    then(lambda connection: connection.execute(select(user_game_interactions)).all()),
    then(lambda connection: PreparedStatement("SELECT CAST(%(n)s AS INT)").rows(connection, {"n": 1})),
    then(lambda connection: share_with_erasure(connection, ["ann"])),
    then(lambda connection: exclude_writers_of(connection, "ann")),
    with_an_error_passed_over,
    copied_to_us,
    by_the_driver,
    by_the_driver_once_it_knows,
    raw,
]
IN_A_TRANSACTION: list[Use] = [streamed, in_a_savepoint, copied_to_it]
Way = Callable[[Database], AbstractContextManager[Any]]
STATEMENTS_ALONE: list[Way] = [Database.reading, Database.round_trips]
TRANSACTIONS: list[Way] = [Database.snapshot, Database.writing, Database.session]
ADMINISTRATOR: dict[str, Any] = {}
"""The connection that sessions are ended from."""


def end(connection: Connection) -> None:
    """End the session of a connection, from elsewhere, and wait until it is gone."""
    driver: Any = connection.connection.driver_connection
    with ADMINISTRATOR["connection"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (driver.info.backend_pid,))


@pytest.fixture
def database(postgres_url: str) -> Any:
    ADMINISTRATOR["connection"] = psycopg2.connect(postgres_url.replace("+psycopg2", ""))
    ADMINISTRATOR["connection"].autocommit = True
    opened = Database(postgres_url, pool_size=PLACES)
    yield opened
    opened.close()
    ADMINISTRATOR["connection"].close()


def checked_out(database: Database) -> int:
    pool: Any = database.engine.pool
    return int(pool.checkedout())


def test_a_reader_whose_session_is_ended_gives_its_place_back(database: Database) -> None:
    for _ in range(PLACES + 1):
        with pytest.raises(StoreUnavailable), database.reading() as connection:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        assert checked_out(database) == 0
        with database.reading() as connection:
            end(connection)
        assert checked_out(database) == 0
    database.ping()


@pytest.mark.parametrize("way", [*STATEMENTS_ALONE, *TRANSACTIONS])
def test_whatever_is_done_when_it_ends_the_error_says_to_come_back_and_no_place_is_lost(
    database: Database, way: Way
) -> None:
    for use in [*ANYWHERE, *(IN_A_TRANSACTION if way in TRANSACTIONS else ())]:
        told = suppress(StoreUnavailable) if use is nothing else pytest.raises(StoreUnavailable)
        with told, way(database) as connection:
            use(connection)
        assert checked_out(database) == 0, use
        for _ in range(PLACES):
            database.ping()


def test_a_connection_that_closes_while_it_is_given_back_gives_its_place_back(database: Database) -> None:
    def close(connection: Any, _record: object) -> None:
        connection.close()

    event.listen(database.engine, "checkin", close, insert=True)
    for _ in range(PLACES + 1):
        with database.reading() as connection:
            connection.execute(text("SELECT 1"))
        assert checked_out(database) == 0
    event.remove(database.engine, "checkin", close)
    database.ping()


def test_sessions_that_end_as_soon_as_they_begin_are_no_fault_of_ours(database: Database) -> None:
    def refuse(*_: Any) -> None:
        raise DisconnectionError("it has ended again")

    event.listen(database.engine, "checkout", refuse)
    for _ in range(PLACES + 1):
        with pytest.raises(StoreUnavailable):
            database.ping()
        assert checked_out(database) == 0
    event.remove(database.engine, "checkout", refuse)
    database.ping()


def test_a_training_whose_lock_ends_with_its_session_gives_its_place_back(database: Database) -> None:
    for _ in range(PLACES + 1):
        with training_lock(database) as held:
            assert held
            with ADMINISTRATOR["connection"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'")
        assert checked_out(database) == 0


def test_reading_sends_nothing_but_its_statements(database: Database) -> None:
    """Else every read would cost a round trip more."""
    with database.reading() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with ADMINISTRATOR["connection"].cursor() as cursor:
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", (pid,))
        assert cursor.fetchone() == ("SELECT pg_backend_pid()",)


def test_a_snapshot_sees_one_moment_and_writes_nothing_and_leaves_no_trace(database: Database) -> None:
    with database.snapshot() as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar_one() == "repeatable read"
        assert connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on"
    with database.writing() as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"
        assert connection.execute(text("SHOW transaction_read_only")).scalar_one() == "off"
    with database.reading() as connection:
        connection.execute(text("CREATE TEMP TABLE seen (n int)"))
    with database.writing() as connection:
        driver: Any = connection.connection.driver_connection
        assert not driver.autocommit
