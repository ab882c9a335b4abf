"""What users did with the games of a drop while they stood in lists as its games."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text

from recommendation.catalogue.drops import Drop
from recommendation.clock import EPOCH, TICK
from recommendation.database.dialects.reading import microseconds
from recommendation.database.tables import TO_DROP, feedback
from recommendation.interactions.feedback import ACTIONS
from recommendation.weights import SHOWN

_DAY = timedelta(days=1) // TICK


def feedback_of(connection: Connection, drop: Drop, now: datetime) -> dict[str, int]:
    """
    Count feedback on a drop's games whose source was a drop, from its release until now or its end.

    A game of two drops that stand at once counts for both, as feedback names no drop. What was only shown is not
    counted: there may be millions of it, and people look at this again and again.

    Returns:
        A count for each action, for instance `{"clicked": 12, "purchased": 3, ...}`; 0 where nothing was done.
    """
    columns = feedback.c
    query = select(columns.action, func.count()).where(*_of(drop, now)).group_by(columns.action)
    return _all_actions(dict(connection.execute(query).tuples().all()))


def feedback_by_day(connection: Connection, drop: Drop, now: datetime) -> Iterator[tuple[date, dict[str, int]]]:
    """Yield what `feedback_of` counts, for each day (UTC) on which anything was done: 90 days at the most."""
    columns = feedback.c
    day = (microseconds(connection, columns.occurred_at) // _DAY).label("day")
    query = select(day, columns.action, func.count()).where(*_of(drop, now)).group_by(day, columns.action)
    found: dict[int, dict[str, int]] = {}
    for number, action, count in connection.execute(query):
        found.setdefault(int(number), {})[action] = count
    for number, counted in sorted(found.items()):
        yield EPOCH.date() + timedelta(days=number), _all_actions(counted)


def _of(drop: Drop, now: datetime) -> tuple[Any, ...]:
    """Return the conditions of feedback on a drop's games, as its games, while it stood."""
    columns = feedback.c
    end = min(now, drop.ends_at, drop.ended_at or drop.ends_at)
    games = columns.game_id.in_([game.game_id for game in drop.games])
    return text(TO_DROP), games, columns.occurred_at >= drop.released_at, columns.occurred_at < end


def _all_actions(counted: Mapping[str, int]) -> dict[str, int]:
    return {action: counted.get(action, 0) for action in ACTIONS if action != SHOWN}
