"""
Regenerations of everyone's lists, one after each training: whom they remake, and what becomes of the one before.

At five past ten a training publishes model 7, and a regeneration begins. At five past eleven model 8 is live, and the
regeneration is not through. It ends there: what it would write is outdated, and one by model 8 begins.
"""

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection

from recommendation.regeneration.ending import end_those_behind
from recommendation.regeneration.store import MostShards, Regeneration, open_regeneration


def open_for_everyone(
    connection: Connection,
    worked_on_by: Literal["jobs", "service", "command"],
    active_days: float | None,
    most_shards: int,
    now: datetime,
) -> Regeneration:
    """
    Begin a regeneration of everyone's lists by the live model, and end those that are behind it.

    Args:
        connection: of a transaction that writes.
        worked_on_by: who makes the lists.
        active_days: only users with an event in so many days are remade. The others' lists stay, and a read makes
            theirs from the live model, as of every list of an earlier one. None: all users.
        most_shards: how many work at a time; there are fewer where users are few.
        now: the time.

    Raises:
        ModelMissing: there is no live model.
    """
    since = None if active_days is None else now - timedelta(days=active_days)
    opened = open_regeneration(
        connection, None, since, MostShards(most_shards), now, everyone=True, worked_on_by=worked_on_by
    )
    end_those_behind(connection, opened, now)
    return opened
