"""Popular games: by distinct users with an event in the last days, all counted again now and then."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from recommendation.database.dialects.connections import in_one_process
from recommendation.database.dialects.writing import as_given, insert_rows
from recommendation.database.locks import try_popular_turn
from recommendation.database.tables import popular_games, user_game_interactions, versions
from recommendation.database.versions import bump

POPULAR_KEPT = 1000
"""Games kept: fifty pages of a list, more than readers turn."""


FEWEST_RECENT = 100
"""Below so many games in the window all time counts, so that a small or quiet store still has a full list."""


def count_popular(connection: Connection, days: int, now: datetime) -> bool:
    """
    Count again, in the caller's transaction, and replace what was counted before.

    Returns:
        False while another process counts; nothing was done.
    """
    if not try_popular_turn(connection):
        return False
    in_one_process(connection)
    began = time.perf_counter()
    ranked = _count(connection, now - timedelta(days=days))
    if len(ranked) < FEWEST_RECENT:
        ranked = _count(connection, None)
    connection.execute(delete(popular_games))
    rows = [{"game_id": game_id, "users": users} for game_id, users in ranked]
    insert_rows(connection, popular_games, rows, as_given)
    bump(connection, "popular", now, time.perf_counter() - began)
    return True


def _count(connection: Connection, since: datetime | None) -> list[tuple[str, int]]:
    pairs = user_game_interactions.c
    users = func.count().label("users")
    # A pair is one user's row, so counting rows counts distinct users. A score of 0 says nothing of liking: it is left
    # by a dismissal, a refund alone, or events that weigh nothing.
    query = select(pairs.game_id, users).where(pairs.score_millionths > 0)
    if since is not None:
        query = query.where(pairs.last_event_at >= since)
    query = query.group_by(pairs.game_id).order_by(users.desc(), pairs.game_id).limit(POPULAR_KEPT)
    return [(game_id, count) for game_id, count in connection.execute(query)]


def load_popular(connection: Connection) -> Sequence[tuple[str, int]]:
    """Read games with their users, most popular first, ties by game."""
    query = select(popular_games.c.game_id, popular_games.c.users).order_by(
        popular_games.c.users.desc(), popular_games.c.game_id
    )
    return list(connection.execute(query))


def last_count(connection: Connection) -> tuple[datetime | None, float]:
    """Return when the popular games were last counted, and how many seconds it took."""
    query = select(versions.c.made_at, versions.c.seconds).where(versions.c.name == "popular")
    row = connection.execute(query).first()
    return (None, 0.0) if row is None else (row.made_at, row.seconds or 0.0)
