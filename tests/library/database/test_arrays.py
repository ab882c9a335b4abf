"""Whatever a column may hold comes back from the database as it went in, many rows at a time."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select, text

from recommendation.database.database import Database
from recommendation.database.dialects.arrays import array_text
from recommendation.database.dialects.prepared import PreparedStatement
from recommendation.database.dialects.writing import as_given, insert_new, insert_rows
from recommendation.database.tables import UtcDateTime, event_ids, games
from recommendation.errors import TransactionLost

TEXTS = [
    "plain",
    'a "quoted" one',
    "back\\slash",
    "\\",
    '"',
    "{curly}",
    "a,b",
    " spaces ",
    "NULL",
    "null",
    "",
    "用户 ünï",
]
MOMENT = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)


def test_texts_documents_times_and_truth_values_come_back_as_they_went_in(database: Database) -> None:
    rows = [
        {
            "game_id": f"g{place:02}",
            "title": title,
            "tags": [title, None, {"a": 1.5}],
            "available": place % 2 == 0,
            "released_at": None if place % 3 else MOMENT.astimezone(timezone(timedelta(hours=place))),
            "updated_at": MOMENT.replace(year=9000 + place),
        }
        for place, title in enumerate([*TEXTS, None])
    ]
    with database.writing() as connection:
        insert_rows(connection, games, rows, as_given)
    with database.reading() as connection:
        columns = [games.c[name] for name in rows[0]]
        assert [dict(row._mapping) for row in connection.execute(select(*columns).order_by(games.c.game_id))] == rows


def test_bytes_and_ids_come_back_as_they_went_in_and_only_new_ones_are_told(database: Database) -> None:
    rows = [{"event_id": name, "fingerprint": name.encode() * 3, "received_at": MOMENT} for name in TEXTS]
    with database.writing() as connection:
        assert insert_new(connection, event_ids, rows[:4], "event_id") == set(TEXTS[:4])
        assert insert_new(connection, event_ids, rows, "event_id") == set(TEXTS[4:])
    with database.reading() as connection:
        found = connection.execute(select(event_ids.c.event_id, event_ids.c.fingerprint))
        assert {name: bytes(kept) for name, kept in found} == {row["event_id"]: row["fingerprint"] for row in rows}


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        array_text(UtcDateTime(), [MOMENT, datetime(2026, 1, 1)])  # noqa: DTZ001


@pytest.mark.postgres
def test_behind_a_pooler_that_changes_sessions_one_write_is_lost_and_all_are_sent_whole_from_then_on(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PreparedStatement, "_are_prepared", True)
    database = Database(postgres_url)

    def write(name: str) -> None:
        rows = [{"event_id": name + end, "fingerprint": b"1", "received_at": MOMENT} for end in "12"]
        with database.writing() as connection:
            insert_new(connection, event_ids, rows[:1], "event_id")
            insert_rows(connection, event_ids, rows[1:], as_given)

    write("a")
    with database.writing() as connection:
        connection.execute(text("DEALLOCATE ALL"))
    with pytest.raises(TransactionLost):
        write("b")
    write("c")
    with database.reading() as connection:
        assert set(connection.execute(select(event_ids.c.event_id)).scalars()) == {"a1", "a2", "c1", "c2"}
    database.close()


@pytest.mark.postgres
def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used(postgres_url: str) -> None:
    database, other = Database(postgres_url), Database(postgres_url)
    with database.reading() as connection:
        ended = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with other.writing() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": ended})
    with database.reading() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != ended
    database.close()
    other.close()
