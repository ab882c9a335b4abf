"""Lists that were made from events that are a user's no longer."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from recommendation.database.dialects.writing import insert_rows
from recommendation.database.tables import user_lists
from recommendation.database.versions import next_number

_OF_OTHER_EVENTS = -1
"""A number of events that no user has: a list with it is stale."""


def outdate_lists(connection: Connection, users: Collection[str], now: datetime) -> None:
    """
    Make users' lists stale, and keep lists off that are being made from what they had before.

    Otherwise: a regeneration reads that Ann has five events. One of them is taken back. It writes her list, made from
    five events. She plays another game: five events again, and the list passes for fresh.

    So there is a row with a number that is higher than that of any work under way, even where she had no list.
    """
    number = next_number(connection)
    rows = [
        {
            "user_id": user_id,
            "source": "cf",
            "number": number,
            "generated_at": now,
            "events_seen": _OF_OTHER_EVENTS,
            "items": b"",
        }
        for user_id in sorted(users)
    ]
    insert_rows(connection, user_lists, rows, _outdated)


def _outdated(insert: Any) -> Any:
    values = {name: insert.excluded[name] for name in ("number", "events_seen")}
    return insert.on_conflict_do_update(index_elements=["user_id", "source"], set_=values)
