"""A table's columns, joined stretch by stretch: whole, each row once, of one moment."""

from contextlib import closing
from datetime import UTC, datetime

import pytest
from shop import START, event, send
from sqlalchemy import delete, literal_column, select, update
from sqlalchemy.exc import DBAPIError

from recommendation.database.database import Database
from recommendation.database.dialects import columns as joined
from recommendation.database.dialects.columns import (
    Joined,
    joined_numbers,
    joined_stretches,
    joined_texts,
    joined_times,
)
from recommendation.database.tables import user_game_interactions
from recommendation.errors import StoreUnavailable

PAIRS = user_game_interactions.c
USERS = [f"ünï-{number:04}" for number in range(700)]


@pytest.fixture(autouse=True)
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "_PAGES_AT_ONCE", 1)
    monkeypatch.setattr(joined, "_ROWS_AT_ONCE", 100)


@pytest.fixture
def filled(database: Database) -> Database:
    """Rows that came, changed and went, so that pages hold what is dead and some hold nothing else."""
    send(database, [event(user, game) for user in USERS for game in ("a", "b")], START)
    send(database, [event(user, "a") for user in USERS[::3]], START)
    with database.writing() as connection:
        connection.execute(delete(user_game_interactions).where(PAIRS.user_id.in_(USERS[200:400])))
        connection.execute(update(user_game_interactions).values(events=7).where(PAIRS.user_id == USERS[5]))
    return database


def read(database: Database) -> list[tuple[str, str, int, int]]:
    rows = []
    with database.snapshot() as connection:
        columns = [
            joined_texts(PAIRS.user_id),
            joined_texts(PAIRS.game_id),
            joined_numbers(connection, PAIRS.events),
            joined_times(connection, PAIRS.last_event_at),
        ]
        for users, games, events, times in joined_stretches(connection, user_game_interactions, columns):
            names = (joined_ids.decode().split("\n")[:-1] for joined_ids in (users, games))
            rows += list(zip(*names, events.tolist(), times.tolist(), strict=True))
    return rows


def test_every_row_comes_once_and_as_it_is(filled: Database) -> None:
    with filled.reading() as connection:
        query = select(PAIRS.user_id, PAIRS.game_id, PAIRS.events, PAIRS.last_event_at)
        expected = [(*row[:3], round(row[3].timestamp() * 1e6)) for row in connection.execute(query)]
    assert len(expected) == 1000
    assert sorted(read(filled)) == sorted(expected)


def test_an_empty_table_gives_nothing(database: Database) -> None:
    assert read(database) == []


def test_rows_that_come_in_meanwhile_are_not_seen(filled: Database) -> None:
    with filled.snapshot() as connection:
        stretches = joined_stretches(connection, user_game_interactions, [joined_texts(PAIRS.user_id)])
        seen = next(stretches)[0].count(b"\n")
        send(filled, [event(f"later-{number}", "a") for number in range(500)], datetime(2026, 7, 1, tzinfo=UTC))
        seen += sum(users.count(b"\n") for (users,) in stretches)
    assert seen == 1000


def test_who_leaves_early_leaves_a_connection_that_works(filled: Database) -> None:
    with filled.snapshot() as connection:
        with closing(joined_stretches(connection, user_game_interactions, [joined_texts(PAIRS.user_id)])) as stretches:
            assert next(stretches)
        connection.rollback()
        assert len(connection.execute(select(PAIRS.user_id).distinct()).all()) == 500


def test_a_query_that_fails_says_so(filled: Database) -> None:
    nonsense = Joined(literal_column("nonsense"), str)
    with pytest.raises((DBAPIError, StoreUnavailable)), filled.snapshot() as connection:
        list(joined_stretches(connection, user_game_interactions, [nonsense]))
