"""A visitor becomes an account: everything that is kept of the one is the other's, in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from recommendation.announcements.announcement import USERS_MERGED, Announcement, merged_data
from recommendation.announcements.outbox import put
from recommendation.interactions.merges import move_history
from recommendation.lists.first_party import USUAL_BOUNDS, Bounds
from recommendation.lists.moving import move_lists


@dataclass(frozen=True)
class Merged:
    """What a merge did: rows that became the account's, of each table; sources of lists for which it had no room."""

    merged_at: datetime
    moved: dict[str, int]
    lists_left_out: list[str]


def merge_user(
    connection: Connection, visitor: str, account: str, now: datetime, bounds: Bounds = USUAL_BOUNDS
) -> Merged:
    """
    Give an account everything of a visitor, in the caller's transaction; a second time changes nothing.

    Raises:
        InvalidInput: both are one, or a score would grow beyond what can be counted exactly.
        MergeRefused: the account was merged into another before, or the visitor into a third.
    """
    moved = move_history(connection, visitor, account, now)
    if not moved.is_new:
        return Merged(moved.merged_at, {}, [])
    lists, left_out = move_lists(connection, visitor, account, now, bounds)
    put(connection, [Announcement(USERS_MERGED, now, account, merged_data(account, visitor), account)])
    return Merged(now, {**moved.rows, "user_lists": lists}, left_out)
