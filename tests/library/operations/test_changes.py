"""The trail of changes: newest first, a repetition once, old ones forgotten."""

from datetime import UTC, datetime, timedelta

from recommendation.database.database import Database
from recommendation.operations.changes import forget_changes, note_change, recent_changes

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_changes_are_told_newest_first_and_page_by_page(database: Database) -> None:
    with database.writing() as connection:
        for number in range(5):
            note_change(connection, "ops", "POST /train", None, None, NOON + timedelta(minutes=number))
        first = recent_changes(connection, 2)
        rest = recent_changes(connection, 9, before=first[-1].number)
    assert [change.at.minute for change in first + rest] == [4, 3, 2, 1, 0]
    assert (first[0].holder, first[0].action, first[0].subject) == ("ops", "POST /train", None)


def test_what_a_controller_sends_again_is_noted_once(database: Database) -> None:
    with database.writing() as connection:
        for digest in (b"one", b"one", b"two", b"two", b"one"):
            note_change(connection, "operator", "PUT /drops/{uid}", "d-1", digest, NOON)
        note_change(connection, "operator", "PUT /drops/{uid}", "d-2", b"one", NOON)
        assert [change.subject for change in recent_changes(connection, 9)] == ["d-2", "d-1", "d-1", "d-1"]


def test_old_changes_are_forgotten(database: Database) -> None:
    with database.writing() as connection:
        note_change(connection, "ops", "POST /train", None, None, NOON - timedelta(days=91))
        note_change(connection, "ops", "POST /train", None, None, NOON)
        assert forget_changes(connection, NOON - timedelta(days=90)) == 1
        assert len(recent_changes(connection, 9)) == 1
