"""Lists that were made from events that are a user's no longer."""

from datetime import datetime

from sqlalchemy import Connection

from recommendation.database.dialects.writing import insert
from recommendation.database.tables import user_lists
from recommendation.database.versions import next_number

_OF_OTHER_EVENTS = -1
"""A number of events that no user has: a list with it is stale."""


def outdate_lists(connection: Connection, user_id: str, now: datetime) -> None:
    """
    Make a user's list stale, and keep lists off that are being made from what they had before.

    Otherwise: a regeneration reads that Ann has five events. One of them is taken back. It writes her list, made from
    five events. She plays another game: five events again, and the list passes for fresh.

    So there is a row with a number that is higher than that of any work under way, even where she had no list.
    """
    row = {
        "user_id": user_id,
        "source": "cf",
        "number": next_number(connection),
        "generated_at": now,
        "events_seen": _OF_OTHER_EVENTS,
        "items": b"",
    }
    statement = insert(connection, user_lists).values(row)
    values = {"number": row["number"], "events_seen": _OF_OTHER_EVENTS}
    key = ["user_id", "source"]
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values))
