"""Popular games: by the users who own them or were interested in the last days, all counted again now and then."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, func, select

from recommendation.catalogue.popularity import FEWEST_RECENT, POPULAR, USUAL_DAYS, PopularGame
from recommendation.database.dialects.connections import in_one_process
from recommendation.database.dialects.writing import insert_rows
from recommendation.database.in_parts import NAMES_AT_ONCE
from recommendation.database.locks import try_popular_turn
from recommendation.database.tables import live_model, models, popular_games, user_game_interactions, versions
from recommendation.database.versions import bump

POPULAR_KEPT = 50_000
"""Games kept, of those that anyone owns or was interested in: as many as a large store has, so that a list goes on for
a collector who owns the thousand most popular. Readers hold them in memory, some 100 bytes each."""


def count_popular(connection: Connection, days: int | None, now: datetime) -> bool:
    """
    Count again, in the caller's transaction, and replace what was counted before.

    Args:
        days: how far back users are counted; None: as far as `days_of_live` says.

    Returns:
        False while another process counts; nothing was done.
    """
    if not try_popular_turn(connection):
        return False
    in_one_process(connection)
    began = time.perf_counter()
    days = days_of_live(connection) if days is None else days
    ranked = _count(connection, None if days is None else now - timedelta(days=days))
    if days is not None and len(ranked) < FEWEST_RECENT:
        ranked, days = _count(connection, None), None
    _replace(connection, [(*game, days) for game in ranked])
    bump(connection, "popular", now, time.perf_counter() - began)
    return True


def days_of_live(connection: Connection) -> int | None:
    """Return over how many days the live model's data wants popular games counted; None: over all time."""
    of_live = select(models.c.quality).join(live_model, live_model.c.version == models.c.version)
    quality = connection.execute(of_live).scalar() or {}
    found: int | None = quality.get(POPULAR, {}).get("days", USUAL_DAYS)
    return found


def _count(connection: Connection, since: datetime | None) -> list[PopularGame]:
    pairs = user_game_interactions.c
    # A pair is one user's row, so counting rows counts distinct users. Who gave a game back does not count, nor who
    # dismissed it; a score of 0 says nothing of liking, but an owner may have it.
    interested = (pairs.score_millionths > 0) & pairs.owned_at.is_(None) & pairs.dismissed.is_(False)
    users, owners = func.count().label("users"), func.sum(case((pairs.owned, 1), else_=0)).label("owners")
    query = select(pairs.game_id, users, owners).where(pairs.owned | interested)
    if since is not None:
        query = query.where(pairs.last_event_at >= since)
    without_owners = case((owners == 0, users), else_=0)
    query = query.group_by(pairs.game_id).order_by(owners.desc(), without_owners.desc(), pairs.game_id)
    return [PopularGame(*row) for row in connection.execute(query.limit(POPULAR_KEPT))]


def _replace(connection: Connection, counted: Sequence[tuple[Any, ...]]) -> None:
    """Write what changed: most games' numbers are those of a minute ago."""
    names = tuple(column.name for column in popular_games.c)
    old = {row.game_id: tuple(row) for row in connection.execute(select(*popular_games.c))}
    changed = [row for row in counted if old.pop(row[0], None) != row]
    insert_rows(connection, popular_games, [dict(zip(names, row, strict=True)) for row in changed], _replacing)
    gone = sorted(old)
    for start in range(0, len(gone), NAMES_AT_ONCE):
        of_these = popular_games.c.game_id.in_(gone[start : start + NAMES_AT_ONCE])
        connection.execute(delete(popular_games).where(of_these))


def _replacing(insert: Any) -> Any:
    values = {name: insert.excluded[name] for name in ("users", "owners", "days")}
    return insert.on_conflict_do_update(index_elements=["game_id"], set_=values)


def load_popular(connection: Connection) -> tuple[Sequence[PopularGame], int | None]:
    """Read the games, most popular first, and over how many days their users were counted; None where all time was."""
    columns = popular_games.c
    # A release that knows no owners counted those rows; they stand last until they are counted again.
    owners = func.coalesce(columns.owners, 0)
    order = (owners.desc(), case((owners == 0, columns.users), else_=0).desc(), columns.game_id)
    rows = connection.execute(select(columns.game_id, columns.users, owners, columns.days).order_by(*order)).all()
    return [PopularGame(*row[:3]) for row in rows], rows[0].days if rows else None


def last_count(connection: Connection) -> tuple[datetime | None, float]:
    """Return when the popular games were last counted, and how many seconds it took."""
    query = select(versions.c.made_at, versions.c.seconds).where(versions.c.name == "popular")
    row = connection.execute(query).first()
    return (None, 0.0) if row is None else (row.made_at, row.seconds or 0.0)
