"""Whatever a column may hold comes back from the database as it went in, many rows at a time."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import select

from recommendation.storage.database import Database
from recommendation.storage.dialects.arrays import array_text
from recommendation.storage.dialects.writing import insert_new, insert_rows
from recommendation.storage.tables import event_ids, games
from recommendation.storage.types import UtcDateTime

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


def as_it_is(insert: Any) -> Any:
    return insert


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
        insert_rows(connection, games, rows, as_it_is)
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
