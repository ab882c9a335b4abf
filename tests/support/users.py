"""Users for tests of lists, made from what they did."""

from collections.abc import Mapping
from datetime import datetime

from recommendation.lists.stored import StoredList
from recommendation.lists.user import UserState

MILLION = 1_000_000


def user_of(
    touched: Mapping[str, str],
    newest_event_at: datetime,
    *lists: StoredList,
    events_seen: int | None = None,
) -> UserState:
    """
    Return a user who touched games once each.

    Args:
        touched: game to what it is to the user: `owned`, `dismissed`, `both`, `given back` or `touched`.
        newest_event_at: when they touched the last of them.
        lists: the user's stored rows.
        events_seen: number of events; one for each game where it is not given.
    """
    digits = {"touched": "0", "owned": "1", "dismissed": "2", "both": "3", "given back": "4"}
    newest = round(newest_event_at.timestamp() * MILLION)
    return UserState(
        "ann",
        len(touched) if events_seen is None else events_seen,
        tuple(touched),
        "".join(digits[kind] for kind in touched.values()),
        ",".join("3000000" for _ in touched),
        ",".join(str(newest) for _ in touched),
        newest,
        {stored.source: stored for stored in lists},
    )
