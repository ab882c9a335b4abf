"""What users did with the games of a drop while they stood in lists as its games."""

from datetime import datetime

from sqlalchemy import Connection, func, select, text

from recommendation.catalogue.drops import Drop
from recommendation.database.tables import TO_DROP, feedback
from recommendation.interactions.feedback import ACTIONS
from recommendation.weights import SHOWN


def feedback_of(connection: Connection, drop: Drop, now: datetime) -> dict[str, int]:
    """
    Count feedback on a drop's games whose source was a drop, from its release until now or its end.

    A game of two drops that stand at once counts for both, as feedback names no drop. What was only shown is not
    counted: there may be millions of it, and people look at this again and again.

    Returns:
        A count for each action, for instance `{"clicked": 12, "purchased": 3, ...}`; 0 where nothing was done.
    """
    columns = feedback.c
    end = min(now, drop.ends_at, drop.ended_at or drop.ends_at)
    query = (
        select(columns.action, func.count())
        .where(text(TO_DROP), columns.game_id.in_([game.game_id for game in drop.games]))
        .where(columns.occurred_at >= drop.released_at, columns.occurred_at < end)
        .group_by(columns.action)
    )
    counted: dict[str, int] = dict(connection.execute(query).tuples().all())
    return {action: counted.get(action, 0) for action in ACTIONS if action != SHOWN}
