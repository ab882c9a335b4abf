"""What PostgreSQL logs when a statement of ours fails: users' ids, unless a superuser says otherwise."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest
from own_postgres import OwnPostgres
from shop import event, send
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from recommendation.database.database import Database
from recommendation.database.tables import user_lists
from recommendation.errors import StoreUnavailable
from recommendation.lists.reads import read_users

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("servers log")]  # its fixtures are made once

SECRET = "secret-user"
QUIET = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}
"""What SECURITY.md tells a superuser to set for the role of the service."""


@pytest.fixture
def quiet_role(own_postgres: OwnPostgres) -> Iterator[None]:
    own_postgres.administer(*(f"ALTER ROLE shop SET {name} = '{value}'" for name, value in QUIET.items()))
    yield
    own_postgres.administer(*(f"ALTER ROLE shop RESET {name}" for name in QUIET))


def statements_fail(server: OwnPostgres) -> str:
    """Fail to read, to count and to store for a user, each for a cause of its own; return what the log says of it."""
    log = server.folder / "log"
    start = log.stat().st_size
    database = Database(server.url(), statement_timeout_ms=200)
    send(database, [event(SECRET, "g")])
    holder = psycopg2.connect(server.url())
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE user_game_interactions IN ACCESS EXCLUSIVE MODE")
    with contextlib.suppress(StoreUnavailable), database.reading() as connection:
        read_users(connection, [SECRET])
    with contextlib.suppress(StoreUnavailable):
        send(database, [event(SECRET, "g")])
    holder.close()
    row = {"user_id": SECRET, "source": "cf", "number": 1, "generated_at": datetime(2026, 1, 1, tzinfo=UTC)}
    with contextlib.suppress(IntegrityError), database.writing() as connection:
        for _ in range(2):
            connection.execute(insert(user_lists), {**row, "items": b""})
    database.close()
    with log.open("rb") as file:
        file.seek(start)
        written = file.read().decode()
    assert written.count("canceling statement due to statement timeout") == 2
    assert written.count("duplicate key value violates unique constraint") == 1
    return written


def test_by_itself_the_server_logs_the_texts_of_failed_statements_and_they_hold_ids(own_postgres: OwnPostgres) -> None:
    """Only superusers may change that, so the service cannot; SECURITY.md says so."""
    assert statements_fail(own_postgres).count(SECRET) >= 3
    connection = own_postgres.connect("store", "shop")
    for name, value in QUIET.items():
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
            cursor.execute(f"SET {name} = '{value}'")
    connection.close()


@pytest.mark.usefixtures("quiet_role")
def test_where_the_role_is_told_to_be_quiet_no_id_is_logged(own_postgres: OwnPostgres) -> None:
    assert SECRET not in statements_fail(own_postgres)


def test_security_md_says_how() -> None:
    text = (Path(__file__).resolve().parents[2] / "SECURITY.md").read_text()
    for name, value in QUIET.items():
        assert f"SET {name} = '{value}'" in text
